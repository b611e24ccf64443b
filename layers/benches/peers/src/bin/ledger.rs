//! A million random calls through the spend layer, on four threads that share its books: they must
//! balance to the last billionth. The suite runs a hundredth of it.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use blossom_layers::{
    body::ReqBody,
    spend::{Budget, SpendLayer},
    types::{Nanos, Outcome, PartitionKey, Quote, Record, Usage},
};
use http::{Request, Response};
use peers::Report;
use tower::{Layer as _, Service as _, service_fn};

const THREADS: u64 = 4;
const CALLS: u64 = 250_000;

/// Chance that is the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    /// Any amount, the largest among them.
    fn amount(&mut self) -> u64 {
        match self.below(200) {
            0 => 0,
            1 => u64::MAX,
            _ => self.below(1 << 40),
        }
    }
}

fn price(_: &Quote, record: &Record) -> Option<Nanos> {
    record.usage.map(|usage| Nanos(usage.total_tokens))
}

fn quote(request: &Request<ReqBody>) -> Option<Quote> {
    request.extensions().get().cloned()
}

fn part(request: &Request<ReqBody>) -> Option<PartitionKey> {
    request.extensions().get().cloned()
}

fn main() -> ExitCode {
    let spend = SpendLayer::new(price as fn(&Quote, &Record) -> Option<Nanos>)
        .quote(quote as fn(&Request<ReqBody>) -> Option<Quote>)
        .partition(part as fn(&Request<ReqBody>) -> Option<PartitionKey>)
        .budget(Budget::new(Nanos(1 << 62), Duration::from_micros(50)))
        .budget_each(Budget::new(Nanos(1 << 60), Duration::from_micros(20)))
        .max_partitions(16);
    let books = spend.handle();
    let (calls, refused, given_back) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));

    thread::scope(|scope| {
        for seed in 1..=THREADS {
            let (spend, calls, refused, given_back) = (&spend, &calls, &refused, &given_back);
            scope.spawn(move || {
                let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
                for _ in 0..CALLS {
                    match call(spend, &mut chance) {
                        Ended::Settled => calls.fetch_add(1, Ordering::Relaxed),
                        Ended::Refused => refused.fetch_add(1, Ordering::Relaxed),
                        Ended::GivenBack => given_back.fetch_add(1, Ordering::Relaxed),
                    };
                }
            });
        }
    });

    let (balance, totals) = (books.balance(), books.totals());
    let settled = calls.load(Ordering::Relaxed);
    let mut report = Report::new();
    report.note("calls that were settled", settled as f64);
    report.note("calls that were refused", refused.load(Ordering::Relaxed) as f64);
    report.note("calls that were given back or never made", given_back.load(Ordering::Relaxed) as f64);
    let missing = balance.reserved.abs_diff(balance.settled + balance.refunded);
    report.at_most("reserved, less settled and refunded", missing as f64, 0.0);
    report.at_most("still open", balance.open as f64, 0.0);
    let lost = totals.calls.abs_diff(settled);
    report.at_most("calls that were not counted, or twice", lost as f64, 0.0);
    let of_models: u64 = books.models().iter().map(|(_, totals)| totals.calls).sum();
    let nameless = totals.calls - of_models.min(totals.calls);
    report.at_most("calls that no model was counted for", nameless as f64, 0.0);
    report.at_most("accounts that are kept", books.partitions().len() as f64, 17.0);
    report.finish()
}

enum Ended {
    Settled,
    Refused,
    GivenBack,
}

type Layered = SpendLayer<
    fn(&Quote, &Record) -> Option<Nanos>,
    fn(&Request<ReqBody>) -> Option<Quote>,
    fn(&Request<ReqBody>) -> Option<PartitionKey>,
>;

/// One call that ends in one of the ways in which a call can.
fn call(spend: &Layered, chance: &mut Chance) -> Ended {
    let model = format!("model {}", chance.below(300));
    let mut quoted = Quote::new().model(model.as_str());
    if chance.below(4) > 0 {
        quoted = quoted.most(Nanos(chance.amount()));
    }
    let mut request = Request::new(ReqBody::empty());
    request.extensions_mut().insert(quoted);
    if chance.below(4) > 0 {
        let name = format!("part {}", chance.below(40));
        request.extensions_mut().insert(PartitionKey::new(&name));
    }

    let outcome = Outcome::new();
    if chance.below(4) > 0 {
        let tokens = chance.amount();
        outcome.update(|record| record.usage = Some(Usage::new(tokens, 0)));
    }
    let failed = chance.below(5) == 0;
    let inner = service_fn(move |_: Request<ReqBody>| {
        let mut response = Response::new(ReqBody::from("a"));
        response.extensions_mut().insert(outcome.clone());
        if failed {
            *response.status_mut() = http::StatusCode::BAD_GATEWAY;
        }
        std::future::ready(Ok::<_, std::convert::Infallible>(response))
    });
    let mut future = Box::pin(spend.layer(inner).call(request));
    if chance.below(10) == 0 {
        // Never sent.
        return Ended::GivenBack;
    }
    let mut context = Context::from_waker(Waker::noop());
    match future.as_mut().poll(&mut context) {
        Poll::Ready(Ok(body)) => {
            drop(body);
            if failed { Ended::GivenBack } else { Ended::Settled }
        }
        Poll::Ready(Err(_)) => Ended::Refused,
        Poll::Pending => Ended::GivenBack,
    }
}

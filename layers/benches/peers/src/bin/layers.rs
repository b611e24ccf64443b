//! What a layer adds to a call over a service that does nothing: instructions, counted by
//! `valgrind --tool=callgrind`, and allocations. Needs valgrind.
//!
//! A figure is the difference of a run of 2,100 calls and one of 100, so that starting up does not
//! count. Instructions are the same in each run, whatever else the machine does.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    process::{Command, ExitCode},
    task::{Context, Poll},
    time::Duration,
};

use blossom::{
    Blossom, Body,
    layers::{
        body::Known as _,
        breaker::BreakerLayer,
        estimate::{EstimateLayer, clamp::ClampLayer},
        limit::{
            concurrency::ConcurrencyLimitLayer,
            rate::{Quota, RateLimitLayer},
        },
        load_shed::LoadShedLayer,
        metrics::MetricsLayer,
        observe::ObserveLayer,
        retry::RetryLayer,
        spend::{Budget, SpendLayer},
        timeout::{FirstEventTimeoutLayer, HeadTimeoutLayer, IdleTimeoutLayer, TotalTimeoutLayer},
        trace::TraceLayer,
        types::{Nanos, Outcome, Quote, Record, Usage},
    },
    policy::{ClampMaxTokens, EstimatePrompt, ObserveReply},
};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use peers::{Report, block_on};
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _};

#[global_allocator]
static ALLOCATOR: peers::Counting = peers::Counting;

type Error = Box<dyn std::error::Error + Send + Sync>;

const LONG: Duration = Duration::from_secs(60);

/// How many calls are made before allocations are counted.
const FIRST: usize = 20;

/// Answers at once, with nothing.
#[derive(Clone)]
struct Noop;

impl Service<Request<Body>> for Noop {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        ready(Ok(Response::new(request.into_body())))
    }
}

/// Answers at once, and says what a reply of a model says.
#[derive(Clone)]
struct Priced;

impl Service<Request<Body>> for Priced {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let outcome = Outcome::new();
        outcome.update(|record| {
            record.model = Some("small".into());
            record.usage = Some(Usage::new(7, 9));
        });
        let mut response = Response::new(request.into_body());
        response.extensions_mut().insert(outcome);
        ready(Ok(response))
    }
}

/// What a policy for tower's retry comes to that looks at the status.
#[derive(Clone)]
struct Again;

impl<E> tower::retry::Policy<Request<Body>, Response<Body>, E> for Again {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<Body>,
        result: &mut Result<Response<Body>, E>,
    ) -> Option<Ready<()>> {
        match result {
            Ok(response) if response.status().is_success() => None,
            _ => Some(ready(())),
        }
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        let mut clone = Request::new(request.body().try_clone()?);
        *clone.method_mut() = request.method().clone();
        *clone.uri_mut() = request.uri().clone();
        *clone.version_mut() = request.version();
        *clone.headers_mut() = request.headers().clone();
        *clone.extensions_mut() = request.extensions().clone();
        Some(clone)
    }
}

/// Makes a call again and again, and reads each answer to its end.
fn drive<B: http_body::Body, E>(
    calls: usize,
    call: impl AsyncFn(Request<Body>) -> Result<Response<B>, E>,
) {
    // What is made once, such as the account of a model, is made by the first calls.
    let mut before = peers::allocations();
    for made in 0..calls {
        if made == FIRST {
            before = peers::allocations();
        }
        block_on(async {
            if let Ok(response) = call(Request::new(Body::empty())).await {
                let mut body = pin!(response.into_body());
                while let Some(frame) = body.frame().await {
                    drop(frame);
                }
            }
        });
    }
    let counted = (calls - FIRST) as f64;
    println!("{}", (peers::allocations() - before) as f64 / counted);
}

/// The same over a service, of which each call readies and calls a clone.
fn drive_service<S, B>(calls: usize, service: S)
where
    S: Service<Request<Body>, Response = Response<B>> + Clone,
    B: http_body::Body,
{
    drive(calls, async |request| {
        service.clone().oneshot(request).await
    });
}

fn run(row: &str, calls: usize) -> Result<(), Error> {
    // tower's timer wants a runtime also where it never fires; ours does not.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let _entered = runtime.enter();
    let stack = ServiceBuilder::new()
        .layer(TotalTimeoutLayer::new(Duration::MAX))
        .layer(HeadTimeoutLayer::new(LONG))
        .layer(FirstEventTimeoutLayer::new(LONG))
        .layer(IdleTimeoutLayer::new(LONG))
        .layer(ObserveLayer::new(ObserveReply))
        .service(Noop);
    match row {
        "noop" => drive_service(calls, Noop),
        "priced" => drive_service(calls, Priced),
        "tower-timeout" => {
            drive_service(calls, tower::timeout::TimeoutLayer::new(LONG).layer(Noop));
        }
        "tower-concurrency" => {
            drive_service(
                calls,
                tower::limit::ConcurrencyLimitLayer::new(64).layer(Noop),
            );
        }
        "concurrency" => drive_service(calls, ConcurrencyLimitLayer::new(64).layer(Noop)),
        "rate" => {
            let quota = Quota::requests(u64::MAX, LONG);
            drive_service(calls, RateLimitLayer::new([quota]).layer(Noop));
        }
        "tower-retry" => drive_service(calls, tower::retry::RetryLayer::new(Again).layer(Noop)),
        "retry" => drive_service(calls, RetryLayer::default().layer(Noop)),
        "breaker" => drive_service(calls, BreakerLayer::new().layer(Noop)),
        // As others stack them: what stands between a client and its transport.
        "tower-six" => {
            let bearer = http::HeaderValue::from_static("Bearer x");
            let stack = ServiceBuilder::new()
                .layer(tower_http::trace::TraceLayer::new_for_http())
                .load_shed()
                .concurrency_limit(64)
                .timeout(LONG)
                .layer(tower::retry::RetryLayer::new(Again))
                .layer(tower_http::set_header::SetRequestHeaderLayer::overriding(
                    http::header::AUTHORIZATION,
                    bearer,
                ))
                .service(Noop);
            drive_service(calls, stack);
        }
        "six" => {
            let stack = ServiceBuilder::new()
                .layer(LoadShedLayer::new())
                .layer(RetryLayer::default())
                .layer(BreakerLayer::new())
                .layer(RateLimitLayer::new([Quota::requests(u64::MAX, LONG)]))
                .layer(ConcurrencyLimitLayer::new(64))
                .layer(HeadTimeoutLayer::new(LONG))
                .service(Noop);
            drive_service(calls, stack);
        }
        "load-shed" => drive_service(calls, LoadShedLayer::new().layer(Noop)),
        "rate-none" => drive_service(calls, RateLimitLayer::new([]).layer(Noop)),
        "tower-http-trace" => drive_service(
            calls,
            tower_http::trace::TraceLayer::new_for_http().layer(Noop),
        ),
        // Nobody records and nobody subscribes.
        "metrics-trace" => drive_service(
            calls,
            ServiceBuilder::new()
                .layer(TraceLayer::call())
                .layer(MetricsLayer::new())
                .service(Noop),
        ),
        "with-attempts" => drive_service(
            calls,
            ServiceBuilder::new()
                .layer(TraceLayer::call())
                .layer(MetricsLayer::new())
                .layer(TraceLayer::attempt())
                .service(Noop),
        ),
        // As the client stacks them where no setting is touched.
        "estimate-off" => {
            let layers = ServiceBuilder::new()
                .layer(ClampLayer::new(ClampMaxTokens::new(u64::MAX)))
                .layer(
                    EstimateLayer::new(EstimatePrompt::new())
                        .warn_above(1_000)
                        .only_large(true),
                );
            drive_service(calls, layers.service(Noop));
        }
        "spend" => {
            let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(1)))
                .quote(|_: &Request<Body>| Some(Quote::new().most(Nanos(2))))
                .budget(Budget::in_all(Nanos(u64::MAX)));
            drive_service(calls, spend.layer(Priced));
        }
        "head-timeout" => drive_service(calls, HeadTimeoutLayer::new(LONG).layer(Noop)),
        "static" => drive_service(calls, stack),
        // The box readies and calls a clone as well, so the client need not.
        "boxed" => {
            let client = Blossom::from_service(stack).build();
            drive(calls, async |request| client.clone().call(request).await);
        }
        _ => return Err(format!("no row {row}").into()),
    }
    Ok(())
}

/// Instructions and allocations of a call.
fn count(row: &str) -> Result<(f64, f64), Error> {
    let instructions = |calls: &str| -> Result<(f64, f64), Error> {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe()?)
            .args([row, calls])
            .output()?;
        let log = String::from_utf8_lossy(&output.stderr);
        let collected = log
            .lines()
            .find_map(|line| line.split_once("Collected :"))
            .ok_or_else(|| format!("valgrind counted nothing: {log}"))?;
        let allocations = String::from_utf8(output.stdout)?.trim().parse()?;
        Ok((collected.1.trim().parse()?, allocations))
    };
    let (few, _) = instructions("100")?;
    let (many, allocations) = instructions("2100")?;
    Ok(((many - few) / 2000.0, allocations))
}

fn main() -> Result<ExitCode, Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [row, calls] = &arguments[..] {
        run(row, calls.parse()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = [
        "noop",
        "tower-timeout",
        "head-timeout",
        "tower-concurrency",
        "concurrency",
        "rate",
        "load-shed",
        "tower-retry",
        "retry",
        "breaker",
        "tower-six",
        "six",
        "estimate-off",
        "priced",
        "spend",
        "static",
        "boxed",
        "tower-http-trace",
        "metrics-trace",
        "with-attempts",
    ];
    let mut figures = BTreeMap::new();
    println!("{:<20}{:>14}{:>14}", "service", "instr/call", "allocs/call");
    for row in rows {
        let (instructions, allocations) = count(row)?;
        println!("{row:<20}{instructions:>14.0}{allocations:>14.1}");
        figures.insert(row, (instructions, allocations));
    }
    // What `row` has more of than `base`.
    let added = |row: &str, base: &str| {
        let (row, base) = (figures[row], figures[base]);
        (row.0 - base.0, row.1 - base.1)
    };
    let mut report = Report::new();
    let (head, tower) = (
        added("head-timeout", "noop"),
        added("tower-timeout", "noop"),
    );
    report.at_most(
        "head timeout over tower's, added instructions",
        head.0 / tower.0,
        1.5,
    );
    report.at_most("head timeout, added allocations", head.1, 0.0);
    let estimate = added("estimate-off", "noop");
    report.at_most(
        "estimate and clamp, nothing set, added instructions",
        estimate.0,
        600.0,
    );
    report.at_most("the same, added allocations", estimate.1, 0.0);
    let spend = added("spend", "priced");
    report.at_most("spend with a budget, added instructions", spend.0, 3_000.0);
    // What hangs on the body is boxed, so that bodies that cost nothing stay small. The mark of what is
    // held back is shared, and travels in extensions, of which the request has none yet.
    report.at_most("spend, added allocations", spend.1, 5.0);
    let (ours, tower) = (
        added("concurrency", "noop"),
        added("tower-concurrency", "noop"),
    );
    // The guard of the body, which tower's has not, is worth 200.
    report.at_most(
        "concurrency over tower's, added instructions",
        (ours.0 - 200.0) / tower.0,
        1.5,
    );
    report.at_most("concurrency, added allocations", ours.1, 0.0);
    let rate = added("rate", "noop");
    report.at_most("rate with a quota, added instructions", rate.0, 700.0);
    report.at_most("rate with a quota, added allocations", rate.1, 0.0);
    let shed = added("load-shed", "noop");
    report.at_most("load_shed, added instructions", shed.0, 150.0);
    report.at_most("load_shed, added allocations", shed.1, 0.0);
    let (ours, tower) = (added("retry", "noop"), added("tower-retry", "noop"));
    report.at_most(
        "retry over tower's, added instructions",
        ours.0 / tower.0,
        1.5,
    );
    let breaker = added("breaker", "noop");
    report.at_most("breaker, added instructions", breaker.0, 500.0);
    let (ours, tower) = (added("six", "noop"), added("tower-six", "noop"));
    report.at_most(
        "six layers over six of others, added instructions",
        ours.0 / tower.0,
        1.5,
    );
    report.at_most(
        "six layers beside six of others, added allocations",
        ours.1 - tower.1,
        2.0,
    );
    let boxed = added("boxed", "static");
    report.at_most("boxed once, added instructions", boxed.0, 600.0);
    report.at_most("boxed once, added allocations", boxed.1, 2.0);
    let theirs = added("tower-http-trace", "noop");
    for row in ["metrics-trace", "with-attempts"] {
        let ours = added(row, "noop");
        report.at_most(
            &format!("{row} over tower-http's, added instructions"),
            ours.0 / theirs.0,
            1.5,
        );
        report.at_most(&format!("{row}, added allocations"), ours.1, 1.0);
    }
    Ok(report.finish())
}

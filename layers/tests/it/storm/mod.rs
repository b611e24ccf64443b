//! Calls that are dropped, fail, panic and time out at any point, in any order: through both limits,
//! and through a stack of everything.
//!
//! The suite makes ten thousand cancellations of each; `layers/benches/peers/run storm` makes a million.

mod everything;
mod level;
mod moody;

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use blossom_layers::{
    BoxError,
    body::ReqBody,
    limit::{
        concurrency::{self, ConcurrencyLimitLayer},
        rate::{self, Quota, RateLimitLayer},
    },
    spend,
    types::{Deadline, PartitionKey, TokenEstimate, Unpartitioned},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower::{Layer, Service, ServiceExt};

use self::{
    everything::everything,
    level::Level,
    moody::{Alive, Dice, Moody},
};

const LIMIT: usize = 4;
const TOKENS: u64 = 10_000;

type Boxed<T> = Pin<Box<T>>;
type Answer = Boxed<dyn Body<Data = Bytes, Error = BoxError>>;
type Call = Boxed<dyn Future<Output = Result<Answer, BoxError>>>;

/// What a storm goes through.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Through {
    /// The two limits.
    Limits,
    /// Them, and all that a client has around them.
    Everything,
}

/// What is done with calls and bodies: a service, and the limits in it.
struct Target {
    call: Box<dyn Fn(&Dice) -> Call>,
    limits: concurrency::Handle,
    quotas: rate::Handle,
    books: Option<spend::Handle>,
    // How many calls can be joined.
    joined: Box<dyn Fn() -> usize>,
}

impl Target {
    /// Checks that nothing is held, and that the sums are right.
    fn is_at_rest(&self, moody: &Moody, seed: u64) {
        let Self { limits, quotas, .. } = self;
        assert_eq!(
            (limits.in_flight(), limits.waiting(), quotas.waiting()),
            (0, 0, 0),
            "seed {seed}"
        );
        assert!(limits.partitions().is_empty(), "seed {seed}");
        assert_eq!(moody.alive.count(), 0, "seed {seed}");
        assert_eq!((self.joined)(), 0, "seed {seed}");
        let (reached, left) = (
            moody.reached.load(Ordering::Relaxed),
            quotas.available(None)[1],
        );
        let spent = usize::try_from(TOKENS - left).unwrap();
        assert!(
            spent == reached || moody.wild,
            "seed {seed}: {spent} of {reached}"
        );
        if let Some(books) = &self.books {
            let balance = books.balance();
            assert_eq!(balance.open, 0, "seed {seed}");
            assert_eq!(balance.reserved, balance.settled + balance.refunded);
            assert!(
                balance.settled == reached as u128 || moody.wild,
                "seed {seed}: {balance:?}"
            );
        }
    }
}

/// Goes on until so many calls and bodies were cut short.
pub(crate) fn cancel(through: Through, at_least: usize) {
    let mut cancelled = 0;
    let mut seed = 0;
    while cancelled < at_least {
        let gauge = Level::default();
        cancelled += metrics::with_local_recorder(&gauge, || run(through, seed, 1_000));
        assert_eq!(gauge.now(), 0, "calls are in flight, seed {seed}");
        assert_eq!(gauge.was_used(), through == Through::Everything);
        seed += 1;
    }
}

/// Makes so many random steps, and checks that the limit holds after each, and that at the end
/// nothing is left. Says how many calls and bodies it cut short.
fn run(through: Through, seed: u64, steps: usize) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    // Timers want one, and so does what goes on in the background.
    let _entered = runtime.enter();
    let dice = Dice(Arc::new(AtomicU64::new(seed)));
    let moody = Moody {
        dice: dice.clone(),
        alive: Alive::default(),
        wild: seed.is_multiple_of(2),
        reached: Arc::default(),
    };
    let target = match through {
        Through::Limits => limits(moody.clone()),
        Through::Everything => everything(moody.clone()),
    };
    let Target { limits, quotas, .. } = &target;
    let pass = |millis| runtime.block_on(tokio::time::advance(Duration::from_millis(millis)));
    let (mut calls, mut bodies) = (Vec::<Call>::new(), Vec::<Answer>::new());
    let mut cancelled = 0;

    for step in 0..steps {
        match dice.roll(20) {
            16.. => pass(5),
            0..4 if calls.len() < 24 => calls.push((target.call)(&dice)),
            0..10 => poll_call(&dice, &mut calls, &mut bodies),
            10..13 => cancelled += usize::from(pick(&dice, &mut calls).is_some()),
            13 => cancelled += usize::from(pick(&dice, &mut bodies).is_some()),
            _ => poll_body(&dice, &mut bodies),
        }
        let held = limits.in_flight();
        assert!(
            moody.alive.count() <= held && held <= LIMIT,
            "seed {seed}, step {step}"
        );
        assert!(
            limits.waiting() <= 8 && quotas.waiting() <= 8,
            "seed {seed}, step {step}"
        );
    }

    cancelled += calls.len() + bodies.len();
    drop((calls, bodies));
    // What is read to its end in the background has its time.
    for _ in 0..10 {
        pass(100);
    }
    assert_eq!(runtime.metrics().num_alive_tasks(), 0, "seed {seed}");
    target.is_at_rest(&moody, seed);
    cancelled
}

fn limits(moody: Moody) -> Target {
    let (rate, limit) = layers();
    Target {
        limits: limit.handle(),
        quotas: rate.handle(),
        books: None,
        joined: Box::new(|| 0),
        call: caller(rate.layer(limit.layer(moody))),
    }
}

/// The two limits, with quotas that make some wait.
fn layers() -> (
    RateLimitLayer<Unpartitioned, fn(&Request<ReqBody>) -> Option<TokenEstimate>>,
    ConcurrencyLimitLayer<fn(&Request<ReqBody>) -> Option<PartitionKey>>,
) {
    let rate = RateLimitLayer::new([
        Quota::requests(20, Duration::from_millis(200)),
        Quota::tokens(TOKENS, Duration::from_secs(3600)).exact(),
    ])
    .estimate((|_| Some(TokenEstimate::new(1))) as fn(&_) -> _)
    .max_waiting(8);
    let part: fn(&Request<ReqBody>) -> Option<PartitionKey> = |request| {
        let path = request.uri().path().trim_start_matches('/');
        (!path.is_empty()).then(|| PartitionKey::new(path))
    };
    let limit = ConcurrencyLimitLayer::new(LIMIT)
        .per_partition(LIMIT / 2, part)
        .max_waiting(8);
    (rate, limit)
}

fn caller<S, B>(service: S) -> Box<dyn Fn(&Dice) -> Call>
where
    S: Service<Request<ReqBody>, Response = Response<B>, Error = BoxError> + Clone + 'static,
    B: Body<Data = Bytes, Error = BoxError> + 'static,
{
    Box::new(move |dice| call(dice, service.clone()))
}

fn call<S, B>(dice: &Dice, service: S) -> Call
where
    S: Service<Request<ReqBody>, Response = Response<B>, Error = BoxError> + 'static,
    B: Body<Data = Bytes, Error = BoxError> + 'static,
{
    let path = ["/", "/a", "/b", "/c"][dice.roll(4)];
    let mut request = Request::get(path).body(ReqBody::empty()).unwrap();
    let patience = [None, Some(20), Some(10_000)][dice.roll(3)];
    if let Some(millis) = patience {
        let now = tokio::time::Instant::now().into_std();
        let deadline = Deadline::after(now, Duration::from_millis(millis)).unwrap();
        request.extensions_mut().insert(deadline);
    }
    Box::pin(async move {
        let response = service.oneshot(request).await?;
        Ok(Box::pin(response.into_body()) as Answer)
    })
}

fn pick<T>(dice: &Dice, from: &mut Vec<T>) -> Option<T> {
    (!from.is_empty()).then(|| from.swap_remove(dice.roll(from.len())))
}

fn poll_call(dice: &Dice, calls: &mut Vec<Call>, bodies: &mut Vec<Answer>) {
    let Some(mut call) = pick(dice, calls) else {
        return;
    };
    let mut cx = Context::from_waker(Waker::noop());
    match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut cx))) {
        Ok(Poll::Pending) => calls.push(call),
        Ok(Poll::Ready(Ok(body))) => bodies.push(body),
        // It failed or panicked, and is dropped.
        Ok(Poll::Ready(Err(_))) | Err(_) => {}
    }
}

fn poll_body(dice: &Dice, bodies: &mut Vec<Answer>) {
    let Some(mut body) = pick(dice, bodies) else {
        return;
    };
    let mut cx = Context::from_waker(Waker::noop());
    match catch_unwind(AssertUnwindSafe(|| body.as_mut().poll_frame(&mut cx))) {
        Ok(Poll::Pending | Poll::Ready(Some(Ok(_)))) => bodies.push(body),
        Ok(Poll::Ready(None | Some(Err(_)))) | Err(_) => {}
    }
}

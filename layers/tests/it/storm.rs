//! Calls that are dropped, fail, panic and time out at any point, in any order, through both limits.
//!
//! The suite makes ten thousand cancellations; `layers/benches/peers/run storm` makes a million.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use blossom_layers::{
    BoxError,
    body::ReqBody,
    limit::{
        concurrency::ConcurrencyLimitLayer,
        rate::{Quota, RateLimitLayer},
    },
    types::{Deadline, PartitionKey, TokenEstimate, Unpartitioned},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use tower::{Layer, Service, ServiceExt};

const LIMIT: usize = 4;
const TOKENS: u64 = 10_000;

/// A sequence that looks random and is the same for each seed.
#[derive(Clone)]
struct Dice(Arc<AtomicU64>);

impl Dice {
    /// A number below `sides`.
    fn roll(&self, sides: usize) -> usize {
        // SplitMix64.
        let state = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let sides = u64::try_from(sides).unwrap();
        usize::try_from((mixed ^ (mixed >> 31)) % sides).unwrap()
    }
}

/// How many calls and bodies of the inner service are alive.
#[derive(Clone, Default)]
struct Alive(Arc<AtomicUsize>);

struct Life(Alive);

impl Alive {
    fn begin(&self) -> Life {
        self.0.fetch_add(1, Ordering::Relaxed);
        Life(self.clone())
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Takes its time, fails and panics, in readiness, call, head and body.
#[derive(Clone)]
struct Moody {
    dice: Dice,
    alive: Alive,
    // Also in readiness and with panics; then nobody knows for sure what was sent.
    wild: bool,
    // How many calls have reached it.
    reached: Arc<AtomicUsize>,
}

impl Moody {
    fn mood<T>(&self, good: T) -> Poll<Result<T, BoxError>> {
        match self.dice.roll(16) {
            0..6 => Poll::Pending,
            6 => Poll::Ready(Err("moody".into())),
            7 if self.wild => resume_unwind(Box::new("moody")),
            _ => Poll::Ready(Ok(good)),
        }
    }
}

impl Service<Request<ReqBody>> for Moody {
    type Response = Response<MoodyBody>;
    type Error = BoxError;
    type Future = MoodyCall;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.wild {
            self.mood(())
        } else {
            Poll::Ready(Ok(()))
        }
    }

    fn call(&mut self, _: Request<ReqBody>) -> MoodyCall {
        self.reached.fetch_add(1, Ordering::Relaxed);
        if self.wild && self.dice.roll(32) == 0 {
            resume_unwind(Box::new("moody"));
        }
        MoodyCall {
            moody: self.clone(),
            life: Some(self.alive.begin()),
        }
    }
}

struct MoodyCall {
    moody: Moody,
    life: Option<Life>,
}

impl Future for MoodyCall {
    type Output = Result<Response<MoodyBody>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let Poll::Ready(mood) = self.moody.mood(()) else {
            return Poll::Pending;
        };
        let life = self.life.take();
        Poll::Ready(mood.map(|()| {
            Response::new(MoodyBody {
                moody: self.moody.clone(),
                life,
            })
        }))
    }
}

struct MoodyBody {
    moody: Moody,
    // Until it has ended.
    life: Option<Life>,
}

impl Body for MoodyBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.life.is_none() {
            return Poll::Ready(None);
        }
        let ends = self.moody.dice.roll(4) == 0;
        match self.moody.mood(Frame::data(Bytes::from_static(b"a"))) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(frame)) if !ends => Poll::Ready(Some(Ok(frame))),
            Poll::Ready(Ok(_)) => {
                self.life = None;
                Poll::Ready(None)
            }
            Poll::Ready(Err(error)) => {
                self.life = None;
                Poll::Ready(Some(Err(error)))
            }
        }
    }
}

type Boxed<T> = Pin<Box<T>>;
type Answer = Boxed<dyn Body<Data = Bytes, Error = BoxError>>;
type Call = Boxed<dyn Future<Output = Result<Answer, BoxError>>>;

/// Goes on until so many calls and bodies were cut short.
pub(crate) fn cancel(at_least: usize) {
    let mut cancelled = 0;
    let mut seed = 0;
    while cancelled < at_least {
        cancelled += run(seed, 1_000);
        seed += 1;
    }
}

/// Makes so many random steps, and checks that the limit holds after each, and that at the end
/// nothing is left. Says how many calls and bodies it cut short.
fn run(seed: u64, steps: usize) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    // Timers want one.
    let _entered = runtime.enter();
    let dice = Dice(Arc::new(AtomicU64::new(seed)));
    let moody = Moody {
        dice: dice.clone(),
        alive: Alive::default(),
        wild: seed.is_multiple_of(2),
        reached: Arc::default(),
    };
    let (rate, limit) = layers();
    let (limits, quotas) = (limit.handle(), rate.handle());
    let service = rate.layer(limit.layer(moody.clone()));
    let (mut calls, mut bodies) = (Vec::<Call>::new(), Vec::<Answer>::new());
    let mut cancelled = 0;

    for step in 0..steps {
        match dice.roll(20) {
            16.. => runtime.block_on(tokio::time::advance(Duration::from_millis(5))),
            0..4 if calls.len() < 24 => calls.push(call(&dice, service.clone())),
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
    assert_eq!(
        (limits.in_flight(), limits.waiting(), quotas.waiting()),
        (0, 0, 0),
        "seed {seed}"
    );
    assert!(limits.partitions().is_empty(), "seed {seed}");
    assert_eq!(moody.alive.count(), 0, "seed {seed}");
    let (reached, left) = (
        moody.reached.load(Ordering::Relaxed),
        quotas.available(None)[1],
    );
    let spent = usize::try_from(TOKENS - left).unwrap();
    assert!(
        spent == reached || moody.wild,
        "seed {seed}: {spent} of {reached}"
    );
    cancelled
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

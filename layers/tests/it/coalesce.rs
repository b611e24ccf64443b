//! Flights, seen through the layer that is nothing but them.

use std::{
    convert::Infallible,
    error::Error as _,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use blossom_layers::{
    BoxError,
    body::ReqBody,
    cause_ref,
    coalesce::{CoalesceLayer, ResponseBody},
    flight::{Lagged, Panicked, Shared},
    test_util::{ScriptedBody, ScriptedService, Step},
    timeout::{Elapsed, TotalTimeoutLayer},
    types::{CacheKey, CacheStatus, Deadline, Scope, Tenant},
};
use bytes::Bytes;
use futures_util::future::{join_all, maybe_done, select};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use proptest::prelude::*;
use tokio::time::{Instant, sleep, timeout};
use tokio_test::task::spawn;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(1);

/// Equal paths are equal requests; only GET may share.
fn by_path(request: &Request<ReqBody>) -> Option<CacheKey> {
    let mut key = [0; 32];
    let path = request.uri().path().bytes();
    key.iter_mut().zip(path).for_each(|(to, from)| *to = from);
    (request.method() == Method::GET).then(|| CacheKey::new(key))
}

type Policy = fn(&Request<ReqBody>) -> Option<CacheKey>;

fn layer() -> CoalesceLayer<Policy> {
    CoalesceLayer::new(by_path, Scope::fixed("a"))
}

fn request() -> Request<ReqBody> {
    Request::new(ReqBody::empty())
}

fn slow(body: ScriptedBody) -> Step {
    Step::RespondAfter(SECOND, Response::new(body))
}

async fn text<B>(response: Response<B>) -> Result<Bytes, B::Error>
where
    B: http_body::Body<Data = Bytes>,
{
    Ok(response.into_body().collect().await?.to_bytes())
}

async fn next<B>(body: &mut Pin<Box<B>>) -> Option<Result<Bytes, B::Error>>
where
    B: http_body::Body<Data = Bytes>,
{
    let frame = body.frame().await?;
    Some(frame.map(|frame| frame.into_data().unwrap_or_default()))
}

/// A task of its own, as callers are; layers have none.
fn start<F>(work: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::runtime::Handle::current().spawn(work)
}

/// A call on its way.
type Call<R> = Pin<Box<dyn Future<Output = Result<Response<ResponseBody<R>>, BoxError>> + Send>>;

/// A service and a stack over it that is called anew each time.
fn stack<S, R>(layer: &CoalesceLayer<Policy>, inner: S) -> impl Fn() -> Call<R> + use<S, R>
where
    S: Service<Request<ReqBody>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    let service = layer.layer(inner);
    move || Box::pin(service.clone().oneshot(request()))
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_equal_callers_make_one_call_also_when_the_first_is_cancelled() {
    const CALLERS: usize = 10_000;
    let body = ScriptedBody::new().data("hel").wait(SECOND).data("lo");
    let inner = ScriptedService::new([slow(body)]);
    let ask = stack(&layer(), inner.clone());
    let first = start(ask());
    let others: Vec<_> = (1..CALLERS)
        .map(|_| {
            start({
                let call = ask();
                async move { text(call.await.unwrap()).await.unwrap() }
            })
        })
        .collect();
    sleep(MOMENT).await;

    first.abort();

    for other in others {
        assert_eq!(other.await.unwrap(), "hello");
    }
    assert_eq!(inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn all_get_the_same_head_frames_and_trailers_and_know_whose_call_it_was() {
    let body = ScriptedBody::new()
        .data("a")
        .data("b")
        .trailer("grpc-status", "0");
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert("x-kept", "1".parse().unwrap());
    let inner = ScriptedService::new([Step::RespondAfter(SECOND, response)]);
    let ask = stack(&layer(), inner.clone());

    let all = join_all((0..3).map(|_| ask())).await;

    for (position, response) in all.into_iter().enumerate() {
        let response = response.unwrap();
        assert_eq!(response.headers()["x-kept"], "1");
        let status = (position > 0).then_some(&CacheStatus::Coalesced);
        assert_eq!(response.extensions().get(), status);
        let mut body = Box::pin(response.into_body());
        assert_eq!(next(&mut body).await.unwrap().unwrap(), "a");
        assert_eq!(next(&mut body).await.unwrap().unwrap(), "b");
        let trailers = body.frame().await.unwrap().unwrap();
        assert_eq!(trailers.trailers_ref().unwrap()["grpc-status"], "0");
        assert!(body.frame().await.is_none());
    }
    assert_eq!(inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn b1_whenever_the_first_is_cancelled_the_others_get_all_of_it() {
    // Before the head, before the first frame, between two, before the end.
    for millis in [500, 1500, 2500, 3500] {
        let body = ScriptedBody::new()
            .wait(SECOND)
            .data("a")
            .wait(SECOND)
            .data("b")
            .wait(SECOND);
        let log = body.log();
        let inner = ScriptedService::new([slow(body)]);
        let ask = stack(&layer(), inner.clone());
        let leader = async { text(ask().await?).await };
        let follower = async {
            sleep(MOMENT).await;
            text(ask().await?).await
        };

        let cancelled = timeout(Duration::from_millis(millis), leader);
        let (cancelled, got) = tokio::join!(cancelled, follower);

        assert!(cancelled.is_err());
        assert_eq!(got.unwrap(), "ab", "cancelled at {millis}");
        assert_eq!(inner.calls(), 1);
        assert!(log.dropped());
    }
}

#[tokio::test(start_paused = true)]
async fn b2_waiters_are_polled_only_when_the_flight_wakes_them() {
    const WAITERS: usize = 1000;
    let body = ScriptedBody::new().wait(SECOND * 10).data("a").sized();
    let inner = ScriptedService::new([slow(body)]);
    let ask = stack(&layer(), inner);
    let mut waiters: Vec<_> = (0..WAITERS)
        .map(|_| spawn(async { text(ask().await.unwrap()).await.unwrap() }))
        .collect();
    for waiter in &mut waiters {
        assert!(waiter.poll().is_pending());
    }

    let mut polls = 0;
    let mut done = 0;
    let start = Instant::now();
    while start.elapsed() < SECOND * 12 {
        for waiter in waiters.iter_mut().filter(|waiter| waiter.is_woken()) {
            polls += 1;
            done += usize::from(waiter.poll().is_ready());
        }
        tokio::time::advance(Duration::from_millis(10)).await;
    }

    assert_eq!(done, WAITERS);
    // Once for the head and once for the end, and now and then for a wake that came twice.
    assert!(polls <= 3 * WAITERS, "{polls} polls");
}

#[tokio::test(start_paused = true)]
async fn b2_the_inner_service_is_polled_once_for_a_wake_however_many_wait() {
    let body = ScriptedBody::new()
        .wait(SECOND)
        .data("a")
        .wait(SECOND)
        .data("b")
        .sized();
    let log = body.log();
    let ask = stack(&layer(), ScriptedService::once(body));

    let all = join_all((0..100).map(|_| async { text(ask().await?).await })).await;

    assert!(all.into_iter().all(|got| got.unwrap() == "ab"));
    assert!(log.polls() <= 5, "{} polls", log.polls());
}

#[tokio::test(start_paused = true)]
async fn b3_a_call_that_panics_is_a_typed_error_for_all_and_the_key_is_free() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let inner = service_fn(move |_: Request<ReqBody>| {
        let first = counter.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            sleep(SECOND).await;
            assert!(!first, "the first call panics");
            Ok::<_, Infallible>(Response::new(ReqBody::from("hello")))
        }
    });
    let layer = layer();
    let ask = stack(&layer, inner);

    for error in join_all((0..3).map(|_| ask())).await {
        assert!(cause_ref::<Panicked>(&*error.unwrap_err()).is_some());
    }
    assert_eq!(layer.in_flight(), 0);

    assert_eq!(text(ask().await.unwrap()).await.unwrap(), "hello");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

/// A service of which every other clone panics.
#[derive(Debug)]
struct Fragile(Arc<AtomicUsize>);

impl Clone for Fragile {
    fn clone(&self) -> Self {
        assert!(
            self.0.fetch_add(1, Ordering::SeqCst) % 2 == 1,
            "this clone panics"
        );
        Self(self.0.clone())
    }
}

impl Service<Request<ReqBody>> for Fragile {
    type Response = Response<ReqBody>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<ReqBody>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<ReqBody>) -> Self::Future {
        std::future::ready(Ok(Response::new(ReqBody::from("hello"))))
    }
}

#[tokio::test]
async fn b3_a_policy_or_a_clone_that_panics_is_one_callers_error_alone() {
    let mut service = layer().layer(Fragile(Arc::default()));
    let error = service.call(request()).await.unwrap_err();
    assert!(error.is::<Panicked>());
    assert_eq!(
        text(service.call(request()).await.unwrap()).await.unwrap(),
        "hello"
    );

    let inner = ScriptedService::default();
    let panics = |request: &Request<ReqBody>| {
        assert!(request.uri().path() != "/panic", "this key panics");
        by_path(request)
    };
    let service = CoalesceLayer::new(panics, Scope::fixed("a")).layer(inner);
    let bad = Request::get("/panic").body(ReqBody::empty()).unwrap();
    assert!(
        service
            .clone()
            .oneshot(bad)
            .await
            .unwrap_err()
            .is::<Panicked>()
    );
    assert!(service.oneshot(request()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn b4_a_first_caller_that_is_never_polled_holds_nobody_up() {
    let inner = ScriptedService::new([slow(ScriptedBody::new().data("a"))]);
    let mut service = layer().layer(inner.clone());
    let never_polled = service.call(request());
    let polled_once = {
        let mut future = spawn(service.call(request()));
        assert!(future.poll().is_pending());
        future
    };

    let got = text(service.call(request()).await.unwrap()).await.unwrap();

    assert_eq!(got, "a");
    assert_eq!(inner.calls(), 1);
    drop((never_polled, polled_once));
}

#[tokio::test(start_paused = true)]
async fn b4_one_that_loses_a_race_after_it_was_woken_holds_nobody_up() {
    let body = ScriptedBody::new()
        .wait(SECOND)
        .data("a")
        .wait(SECOND)
        .data("b")
        .sized();
    let ask = stack(&layer(), ScriptedService::new([slow(body)]));
    // Each is dropped in the very poll in which it was woken.
    let quitter = |after| {
        let call = Box::pin(async { text(ask().await?).await });
        select(call, Box::pin(sleep(after)))
    };

    let stays = async { text(ask().await?).await };
    let (_, _, _, got) = tokio::join!(
        quitter(SECOND),
        quitter(SECOND * 2),
        quitter(SECOND * 3),
        stays
    );

    assert_eq!(got.unwrap(), "ab");
}

#[tokio::test(start_paused = true)]
async fn b5_a_failure_is_shared_with_its_source_and_the_next_caller_begins_anew() {
    let inner = ScriptedService::default();
    let failing = service_fn({
        let inner = inner.clone();
        move |request: Request<ReqBody>| {
            let call = inner.clone().oneshot(request);
            async move {
                sleep(SECOND).await;
                call.await
            }
        }
    });
    inner.push([Step::Fail("the cause")]);
    let ask = stack(&layer(), failing);

    for error in join_all((0..3).map(|_| ask())).await {
        let error = error.unwrap_err();
        let shared = error.downcast_ref::<Shared>().unwrap();
        assert_eq!(shared.source().unwrap().to_string(), "the cause");
    }
    assert_eq!(inner.calls(), 1);
    assert!(ask().await.is_ok());
    assert_eq!(inner.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn b5_a_body_that_fails_fails_for_all_and_a_sole_reader_gets_the_error_itself() {
    let cut = || ScriptedBody::new().data("a").wait(SECOND).error("cut");
    let inner = ScriptedService::new([slow(cut()), slow(cut())]);
    let ask = stack(&layer(), inner.clone());

    for response in join_all((0..3).map(|_| ask())).await {
        let mut body = Box::pin(response.unwrap().into_body());
        assert_eq!(next(&mut body).await.unwrap().unwrap(), "a");
        let error = next(&mut body).await.unwrap().unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "cut");
        assert!(next(&mut body).await.is_none());
    }
    assert_eq!(inner.calls(), 1);

    let error = text(ask().await.unwrap()).await.unwrap_err();
    assert_eq!(error.to_string(), "cut");
}

#[tokio::test(start_paused = true)]
async fn b6_a_caller_whose_time_is_up_goes_alone() {
    let inner = ScriptedService::new([slow(ScriptedBody::new().wait(SECOND).data("a"))]);
    let coalesced = layer().layer(inner.clone());
    let patient = coalesced.clone().oneshot(request());
    let hasty = TotalTimeoutLayer::new(SECOND / 2)
        .layer(coalesced)
        .oneshot(request());

    let (hasty, patient) = tokio::join!(hasty, async { text(patient.await?).await });

    assert!(cause_ref::<Elapsed>(&*hasty.err().unwrap()).is_some());
    assert_eq!(patient.unwrap(), "a");
    assert_eq!(inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn b6_the_inner_service_sees_the_latest_deadline_of_those_who_wait() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let inner = service_fn({
        let seen = seen.clone();
        move |request: Request<ReqBody>| {
            let seen = seen.clone();
            async move {
                for _ in 0..4 {
                    let at = Deadline::of(request.extensions());
                    let left = at.map(|at| at.remaining(Instant::now().into_std()));
                    seen.lock()
                        .unwrap()
                        .push(left.map(|left| left.as_millis().div_ceil(1000)));
                    sleep(SECOND).await;
                }
                Ok::<_, Infallible>(Response::new(ReqBody::empty()))
            }
        }
    });
    let coalesced = layer().layer(inner);
    let within = |seconds: u64, wait: u64| {
        let total = TotalTimeoutLayer::new(SECOND * u32::try_from(seconds).unwrap());
        let call = total.layer(coalesced.clone()).oneshot(request());
        async move { timeout(SECOND * u32::try_from(wait).unwrap() + SECOND / 2, call).await }
    };

    let first = within(10, 9);
    let later = async {
        sleep(SECOND / 4).await;
        // It leaves after a second and a half.
        within(100, 1).await
    };
    drop(tokio::join!(first, later));

    assert_eq!(
        *seen.lock().unwrap(),
        [Some(10), Some(100), Some(8), Some(7)]
    );
}

#[tokio::test(start_paused = true)]
async fn b7_a_call_that_is_too_old_is_not_joined_and_serves_those_it_has() {
    let body = |text: &'static str| slow(ScriptedBody::new().wait(SECOND * 9).data(text));
    let inner = ScriptedService::new([body("old"), body("new")]);
    let layer = layer().max_age(SECOND * 5);
    let ask = stack(&layer, inner.clone());

    let old = async { text(ask().await?).await };
    let new = || async {
        sleep(SECOND * 6).await;
        text(ask().await?).await
    };
    let (old, new, newer) = tokio::join!(old, new(), new());

    assert_eq!(old.unwrap(), "old");
    assert_eq!((new.unwrap(), newer.unwrap()), ("new".into(), "new".into()));
    assert_eq!(inner.calls(), 2);
    assert_eq!(layer.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn b8_when_all_have_gone_the_call_is_cancelled_at_once() {
    let body = ScriptedBody::new().data("a").stall();
    let log = body.log();
    let inner = ScriptedService::new([Step::Hang, Step::Respond(Response::new(body))]);
    let layer = layer();
    let ask = stack(&layer, inner.clone());

    let mut waiting = [spawn(ask()), spawn(ask())];
    assert!(waiting.iter_mut().all(|call| call.poll().is_pending()));
    assert_eq!(inner.in_flight(), 1);
    drop(waiting);
    assert_eq!((inner.in_flight(), layer.in_flight()), (0, 0));

    let (first, second) = (ask().await.unwrap(), ask().await.unwrap());
    drop(first);
    assert!(!log.dropped());
    drop(second);
    assert!(log.dropped());
    assert_eq!(layer.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn b9_a_late_joiner_gets_the_beginning_and_what_comes() {
    let body = ScriptedBody::new()
        .data("a")
        .data("b")
        .wait(SECOND)
        .data("c");
    let inner = ScriptedService::once(body);
    let ask = stack(&layer(), inner.clone());

    let mut early = Box::pin(ask().await.unwrap().into_body());
    assert_eq!(next(&mut early).await.unwrap().unwrap(), "a");
    assert_eq!(next(&mut early).await.unwrap().unwrap(), "b");
    let late = async { text(ask().await?).await };
    let (late, live) = tokio::join!(late, next(&mut early));

    assert_eq!(late.unwrap(), "abc");
    assert_eq!(live.unwrap().unwrap(), "c");
    assert_eq!(inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn b9_past_the_limit_nobody_joins() {
    let body = || {
        ScriptedBody::new()
            .data("abc")
            .data("def")
            .wait(SECOND)
            .data("g")
    };
    let inner = ScriptedService::new([body(), body()].map(|b| Step::Respond(Response::new(b))));
    let layer = layer().max_bytes(5);
    let ask = stack(&layer, inner.clone());

    let mut early = Box::pin(ask().await.unwrap().into_body());
    next(&mut early).await.unwrap().unwrap();
    assert_eq!(layer.in_flight(), 1);
    next(&mut early).await.unwrap().unwrap();
    assert_eq!(layer.in_flight(), 0);
    assert_eq!(text(ask().await.unwrap()).await.unwrap(), "abcdefg");

    assert_eq!(inner.calls(), 2);
    assert_eq!(next(&mut early).await.unwrap().unwrap(), "g");
}

/// A body of so many frames of ten bytes.
fn frames(count: usize) -> ScriptedBody {
    (0..count).fold(ScriptedBody::new(), |body, n| body.data(format!("{n:010}")))
}

#[tokio::test(start_paused = true)]
async fn b9_the_fast_reader_waits_for_the_slow_one_no_longer_than_the_grace() {
    let ask = stack(&layer().max_bytes(50), ScriptedService::once(frames(100)));
    let (fast, slow) = (ask().await.unwrap(), ask().await.unwrap());
    let mut slow = Box::pin(slow.into_body());
    assert_eq!(next(&mut slow).await.unwrap().unwrap(), "0000000000");
    let start = Instant::now();

    let all = text(fast).await.unwrap();

    assert_eq!(all.len(), 1000);
    let waited = start.elapsed();
    assert!(
        waited >= SECOND && waited < SECOND + SECOND / 10,
        "{waited:?}"
    );
    let error = next(&mut slow).await.unwrap().unwrap_err();
    let lagged = error.downcast_ref::<Lagged>().unwrap();
    assert_eq!(lagged.after(), SECOND);
    assert!(next(&mut slow).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn b9_a_reader_that_keeps_up_loses_nothing_and_no_more_than_the_limit_is_held() {
    let body = frames(1000);
    let log = body.log();
    let ask = stack(&layer().max_bytes(50), ScriptedService::once(body));
    let (fast, slow) = (ask().await.unwrap(), ask().await.unwrap());
    let mut slow = Box::pin(slow.into_body());

    let fast = start(async move { text(fast).await.unwrap().len() });
    let mut read = 0;
    while let Some(frame) = next(&mut slow).await {
        assert_eq!(frame.unwrap(), format!("{read:010}"));
        read += 1;
        // Five frames are the limit, and one more may be under way.
        assert!(
            log.frames() <= read + 7,
            "{} read ahead of {read}",
            log.frames()
        );
        sleep(MOMENT).await;
    }

    assert_eq!(read, 1000);
    assert_eq!(fast.await.unwrap(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn b9_only_one_that_has_received_nothing_calls_for_itself() {
    let inner =
        ScriptedService::new([frames(100), frames(100)].map(|b| Step::Respond(Response::new(b))));
    let mut service = layer().max_bytes(50).layer(inner.clone());
    let fast = service.call(request());
    let untouched = service.call(request());

    assert_eq!(text(fast.await.unwrap()).await.unwrap().len(), 1000);
    assert_eq!(inner.calls(), 1);
    let response = untouched.await.unwrap();
    assert_eq!(response.extensions().get::<CacheStatus>(), None);
    assert_eq!(text(response).await.unwrap().len(), 1000);
    assert_eq!(inner.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn those_who_were_left_behind_do_not_keep_the_call_alive() {
    let body = frames(100).stall();
    let log = body.log();
    let ask = stack(&layer().max_bytes(50), ScriptedService::once(body));
    let (fast, slow) = (ask().await.unwrap(), ask().await.unwrap());
    let mut fast = Box::pin(fast.into_body());
    for _ in 0..100 {
        next(&mut fast).await.unwrap().unwrap();
    }

    drop(fast);

    assert!(log.dropped());
    drop(slow);
}

#[tokio::test(start_paused = true)]
async fn b10_what_must_not_share_does_not() {
    let inner = ScriptedService::default();
    let service = CoalesceLayer::new(by_path, Scope::tenant()).layer(inner.clone());
    let hold = |request: Request<ReqBody>| {
        inner.push([Step::Hang]);
        let mut call = spawn(service.clone().oneshot(request));
        assert!(call.poll().is_pending());
        call
    };
    let of = |tenant: &str, method: Method| {
        let mut request = request();
        request.extensions_mut().insert(Tenant::new(tenant));
        *request.method_mut() = method;
        request
    };

    let held = [
        hold(of("a", Method::GET)),
        // Another tenant, a method that is not idempotent (twice), nobody (twice).
        hold(of("b", Method::GET)),
        hold(of("a", Method::POST)),
        hold(of("a", Method::POST)),
        hold(request()),
        hold(request()),
    ];
    assert_eq!(inner.calls(), held.len());
    // And what may share does.
    let _held = (held, hold(of("a", Method::GET)));
    assert_eq!(inner.calls(), 6);
}

#[tokio::test(start_paused = true)]
async fn b10_what_is_private_is_not_given_to_strangers() {
    for (name, value) in [("cache-control", "private"), ("set-cookie", "id=1")] {
        let reply = || {
            let mut response = Response::new(ScriptedBody::new().data("a"));
            response.headers_mut().insert(name, value.parse().unwrap());
            Step::RespondAfter(SECOND, response)
        };
        let inner = ScriptedService::new([reply(), reply(), reply()]);
        let strangers = CoalesceLayer::new(by_path as Policy, Scope::shared());
        let ask = stack(&strangers, inner.clone());
        assert!(
            join_all((0..3).map(|_| ask()))
                .await
                .iter()
                .all(Result::is_ok)
        );
        assert_eq!(inner.calls(), 3, "{name}");

        let inner = ScriptedService::new([reply()]);
        let ask = stack(&layer(), inner.clone());
        let (first, second) = tokio::join!(ask(), ask());
        assert_eq!(inner.calls(), 1, "{name}");
        assert!(first.unwrap().headers().contains_key(name));
        assert!(!second.unwrap().headers().contains_key("set-cookie"));
    }
}

#[tokio::test]
async fn b11_after_many_keys_nothing_is_left() {
    let layer = layer();
    let service = layer.layer(ScriptedService::default());
    let mut held = Vec::new();
    for number in 0..10_000 {
        let request = Request::get(format!("/{number}"))
            .body(ReqBody::empty())
            .unwrap();
        let mut call = service.clone().call(request);
        if number % 2 == 0 {
            text((&mut call).await.unwrap()).await.unwrap();
        }
        held.push(call);
    }
    assert_eq!(layer.in_flight(), 5_000);
    drop(held);

    assert_eq!(layer.in_flight(), 0);
}

#[tokio::test]
async fn two_clones_of_a_layer_share_and_two_layers_do_not() {
    let inner = ScriptedService::new([Step::Hang, Step::Hang]);
    let one = layer();
    let mut calls = [
        spawn(one.layer(inner.clone()).oneshot(request())),
        spawn(one.clone().layer(inner.clone()).oneshot(request())),
        spawn(layer().layer(inner.clone()).oneshot(request())),
    ];

    assert!(calls.iter_mut().all(|call| call.poll().is_pending()));
    assert_eq!(inner.calls(), 2);
}

#[tokio::test]
async fn joining_does_not_wait_for_a_saturated_service() {
    let body = ScriptedBody::new().data("a").stall();
    let inner = ServiceBuilder::new()
        .concurrency_limit(1)
        .service(ScriptedService::once(body));
    let service = layer().layer(inner);
    let mut first = spawn(service.clone().oneshot(request()));
    let mut body = match first.poll() {
        Poll::Ready(response) => Box::pin(response.unwrap().into_body()),
        Poll::Pending => panic!("it is ready"),
    };
    assert_eq!(next(&mut body).await.unwrap().unwrap(), "a");

    let late = service.oneshot(request()).await.unwrap();
    assert_eq!(
        next(&mut Box::pin(late.into_body()))
            .await
            .unwrap()
            .unwrap(),
        "a"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_on_two_threads_all_get_all_of_it() {
    for _ in 0..50 {
        let body = (0..20).fold(ScriptedBody::new(), |body, n| {
            let body = body.data(format!("{n:02}"));
            if n % 5 == 0 {
                body.wait(Duration::from_micros(300))
            } else {
                body
            }
        });
        let inner = ScriptedService::new([Step::RespondAfter(MOMENT, Response::new(body))]);
        let ask = stack(&layer(), inner.clone());
        // All are aboard before the threads begin, however late these do.
        let mut calls = Vec::new();
        for _ in 0..8 {
            let mut call = Box::pin(maybe_done(ask()));
            std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_ready())).await;
            calls.push(call);
        }
        let readers: Vec<_> = (0..8)
            .zip(calls)
            .map(|(n, mut call)| {
                start(async move {
                    if n == 0 {
                        // The first goes away somewhere in the middle.
                        drop(timeout(MOMENT, call).await);
                        return None;
                    }
                    call.as_mut().await;
                    let reply = call.as_mut().take_output().unwrap();
                    Some(text(reply.unwrap()).await.unwrap())
                })
            })
            .collect();
        for reader in readers {
            let got = timeout(SECOND * 5, reader)
                .await
                .expect("nobody is stuck")
                .unwrap();
            assert!(got.is_none_or(|got| got.len() == 40));
        }
        assert_eq!(inner.calls(), 1);
    }
}

/// What one of several callers does.
#[derive(Debug, Clone)]
struct Caller {
    comes: u64,
    stays: u64,
    pauses: u64,
}

fn caller() -> impl Strategy<Value = Caller> {
    (0..3000_u64, 0..6000_u64, 0..400_u64).prop_map(|(comes, stays, pauses)| Caller {
        comes,
        stays,
        pauses,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    /// P2: while a call is under way there is no other, and who stays gets all of it in order.
    #[test]
    fn p2_there_is_one_call_at_a_time_whoever_comes_and_goes(
        callers in proptest::collection::vec(caller(), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async move {
            let inner = ScriptedService::default();
            let body = || (0..10).fold(ScriptedBody::new(), |body, n| {
                body.data(format!("{n}")).wait(Duration::from_millis(200))
            });
            inner.push((0..20).map(|_| slow(body())));
            let layer = layer();
            let ask = stack(&layer, inner.clone());
            let calls = callers.iter().map(|caller| {
                let ask = &ask;
                async move {
                    sleep(Duration::from_millis(caller.comes)).await;
                    let reads = async {
                        let mut body = Box::pin(ask().await.unwrap().into_body());
                        let mut all = String::new();
                        while let Some(frame) = next(&mut body).await {
                            all.push_str(std::str::from_utf8(&frame.unwrap()).unwrap());
                            sleep(Duration::from_millis(caller.pauses)).await;
                        }
                        all
                    };
                    timeout(Duration::from_millis(caller.stays), reads).await.ok()
                }
            });
            for got in join_all(calls).await.into_iter().flatten() {
                assert_eq!(got, "0123456789");
            }
            assert!(inner.max_in_flight() <= 1);
            assert_eq!((inner.in_flight(), layer.in_flight()), (0, 0));
        });
    }
}

//! What `retry` does over an upstream that fails in every way.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::{Ready, ready},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use blossom_layers::{
    BoxError,
    backoff::Backoff,
    body::{End, Known, ReqBody},
    cause_ref,
    observe::ObserveLayer,
    retry::{Budget, GaveUp, ResponseBody, Retry, RetryLayer, Standard},
    test_util::{ScriptedBody, ScriptedService, Step},
    timeout::TotalTimeoutLayer,
    types::{
        Attempt, Class, Classify, Deadline, Deferred, Record, Refusal, RefusalKind, Reply, Watch,
    },
};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, response::Parts};
use http_body_util::BodyExt;
use proptest::prelude::*;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn times(attempts: u32) -> NonZeroU32 {
    NonZeroU32::new(attempts).unwrap()
}

/// Waits a second before each retry, at most.
fn standard() -> Standard {
    Standard::new().backoff(Backoff::new(SECOND, SECOND).seed(7))
}

fn layer() -> RetryLayer {
    RetryLayer::new(standard())
}

fn get() -> Request<ReqBody> {
    Request::new(ReqBody::from("ask"))
}

fn post() -> Request<ReqBody> {
    let mut request = get();
    *request.method_mut() = Method::POST;
    request
}

fn answer(status: u16) -> Response<ScriptedBody> {
    let mut response = Response::new(ScriptedBody::new().data(status.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

fn failed(status: u16) -> Step {
    Step::Respond(answer(status))
}

fn told(status: u16, retry_after: &str) -> Step {
    let mut response = answer(status);
    let value = retry_after.parse().unwrap();
    response.headers_mut().insert("retry-after", value);
    Step::Respond(response)
}

fn stream(body: ScriptedBody) -> Step {
    let mut response = Response::new(body);
    let kind = "text/event-stream; charset=utf-8".parse().unwrap();
    response.headers_mut().insert("content-type", kind);
    Step::Respond(response)
}

async fn text(response: Response<ResponseBody<ScriptedBody>>) -> Result<Bytes, BoxError> {
    Ok(response.into_body().collect().await?.to_bytes())
}

/// Which attempts the upstream saw.
fn attempts(inner: &ScriptedService) -> Vec<u32> {
    let seen = inner.seen();
    let attempts = seen
        .iter()
        .map(|head| head.extensions.get::<Attempt>().map_or(1, |it| it.number()));
    attempts.collect()
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_passes_is_followed_by_the_answer() {
    let inner = ScriptedService::new([failed(503), Step::Fail("lost")]);

    let response = layer().layer(inner.clone()).oneshot(get()).await.unwrap();

    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.extensions().get::<Attempt>().unwrap().number(), 3);
    assert_eq!(attempts(&inner), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn the_last_failure_is_passed_on_as_it_came() {
    let inner = ScriptedService::new([failed(503), failed(502), failed(504)]);
    let response = layer().layer(inner.clone()).oneshot(get()).await.unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(text(response).await.unwrap(), "504");

    let inner = ScriptedService::new([Step::Fail("a"), Step::Fail("b"), Step::Fail("c")]);
    let error = layer().layer(inner).oneshot(get()).await.unwrap_err();
    let gave_up = error.downcast::<GaveUp>().unwrap();
    assert_eq!(gave_up.attempt().number(), 3);
    assert_eq!(gave_up.into_source().to_string(), "c");
}

#[tokio::test]
async fn a_single_attempt_needs_no_timer_and_its_error_is_not_wrapped() {
    let inner = ScriptedService::new([failed(404), Step::Fail("lost")]);
    let service = layer().layer(inner);

    let response = service.clone().oneshot(post()).await.unwrap();
    assert!(response.extensions().get::<Attempt>().is_none());
    let error = service.oneshot(post()).await.unwrap_err();
    assert_eq!(error.to_string(), "lost");
}

#[tokio::test(start_paused = true)]
async fn h2_what_will_not_pass_is_not_tried_again() {
    for status in [400, 401, 402, 403, 404, 413, 422] {
        let inner = ScriptedService::new([failed(status)]);
        let response = layer().layer(inner.clone()).oneshot(get()).await.unwrap();

        assert_eq!(response.status().as_u16(), status);
        assert_eq!(inner.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn h3_every_attempt_has_the_same_bytes_and_headers() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let inner = {
        let seen = seen.clone();
        service_fn(move |request: Request<ReqBody>| {
            let body = request.body().bytes().unwrap().clone();
            seen.lock()
                .unwrap()
                .push((request.headers().clone(), request.uri().clone(), body));
            ready(Ok::<_, BoxError>(answer(503)))
        })
    };
    let mut request = post();
    *request.uri_mut() = "http://localhost/a?b=c".parse().unwrap();
    let key = "one of a kind".parse().unwrap();
    request.headers_mut().insert("idempotency-key", key);

    layer().layer(inner).oneshot(request).await.unwrap();

    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|one| *one == seen[0]));
    assert_eq!(seen[0].2, "ask");
}

#[tokio::test(start_paused = true)]
async fn h5_a_body_that_is_a_stream_or_too_large_is_sent_once() {
    let inner = ScriptedService::new([failed(503), failed(503)]);
    let small = RetryLayer::new(standard().max_replay_bytes(2));

    let stream = post().map(|_| ReqBody::stream(ScriptedBody::new().data("x")));
    let response = layer().layer(inner.clone()).oneshot(stream).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let response = small.layer(inner.clone()).oneshot(post()).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);

    assert_eq!(inner.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn h6_a_wait_that_is_told_is_waited_in_full() {
    let inner = ScriptedService::new([told(429, "7"), told(503, "120")]);
    let start = Instant::now();

    let response = layer().layer(inner).oneshot(post()).await.unwrap();

    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(start.elapsed(), Duration::from_secs(127));
}

#[tokio::test(start_paused = true)]
async fn h6_a_past_date_or_zero_is_no_wait() {
    for now in ["0", "Sun, 06 Nov 1983 08:49:37 GMT"] {
        let inner = ScriptedService::new([told(429, now)]);
        let start = Instant::now();
        let response = layer().layer(inner).oneshot(post()).await.unwrap();

        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(start.elapsed(), Duration::ZERO, "{now}");
    }
}

#[tokio::test(start_paused = true)]
async fn h6_a_wait_that_is_too_long_ends_the_retries_and_stands_in_the_answer() {
    for long in ["121", "9999999", "Fri, 01 Jan 2100 00:00:00 GMT"] {
        let inner = ScriptedService::new([told(429, long)]);
        let start = Instant::now();
        let response = layer().layer(inner.clone()).oneshot(post()).await.unwrap();

        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()["retry-after"], long);
        assert_eq!((inner.calls(), start.elapsed()), (1, Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn f5_a_wait_that_makes_no_sense_leaves_the_backoff() {
    for odd in [
        "-1",
        "NaN",
        "1e309",
        "1, 2",
        "1000000000000000000000000000000",
    ] {
        let inner = ScriptedService::new([told(429, odd)]);
        let start = Instant::now();
        layer().layer(inner.clone()).oneshot(post()).await.unwrap();

        assert_eq!(inner.calls(), 2, "{odd}");
        assert!(start.elapsed() <= SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn h6_the_deadline_wins_over_a_wait_that_is_told() {
    let inner = ScriptedService::new([told(429, "2")]);
    let service = ServiceBuilder::new()
        .layer(TotalTimeoutLayer::new(SECOND * 2))
        .layer(layer())
        .service(inner.clone());

    let response = service.oneshot(post()).await.unwrap();

    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn p8_g5_what_remains_of_the_deadline_only_shrinks() {
    let remaining = Arc::new(std::sync::Mutex::new(Vec::new()));
    let inner = {
        let remaining = remaining.clone();
        service_fn(move |request: Request<ReqBody>| {
            let deadline = *request.extensions().get::<Deadline>().unwrap();
            let now = Instant::now().into_std();
            remaining.lock().unwrap().push(deadline.remaining(now));
            async {
                tokio::time::sleep(SECOND / 2).await;
                Ok::<_, BoxError>(answer(503))
            }
        })
    };
    let policy = standard()
        .max_attempts(times(1000))
        .budget(Budget::new(0, 1000));
    let service = ServiceBuilder::new()
        .layer(TotalTimeoutLayer::new(SECOND * 5))
        .layer(RetryLayer::new(policy))
        .service(inner);
    let start = Instant::now();

    let answer = service.oneshot(get()).await;

    // It ends in the last answer, or in the middle of an attempt.
    assert!(start.elapsed() <= SECOND * 5);
    assert!(answer.is_err() || answer.unwrap().status() == StatusCode::SERVICE_UNAVAILABLE);
    let remaining = remaining.lock().unwrap();
    assert!(remaining.len() > 2);
    assert!(remaining.is_sorted_by(|a, b| a > b));
}

/// How often the upstream was called for `calls` calls that all fail, a millisecond apart.
async fn load<S>(service: S, calls: u32, count: &AtomicU32) -> f64
where
    S: Service<Request<ReqBody>, Response: Send, Error: Send, Future: Send>
        + Clone
        + Send
        + 'static,
{
    let before = count.load(Ordering::SeqCst);
    let all = (0..calls).map(|call| {
        let service = service.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(call.into())).await;
            drop(service.oneshot(get()).await);
        }
    });
    futures_util::future::join_all(all).await;
    f64::from(count.load(Ordering::SeqCst) - before)
}

#[tokio::test(start_paused = true)]
async fn h1_an_outage_adds_a_tenth_and_the_floor_also_with_three_layers() {
    const CALLS: u32 = 3000;
    let count = Arc::new(AtomicU32::new(0));
    let down = {
        let count = count.clone();
        service_fn(move |_: Request<ReqBody>| {
            count.fetch_add(1, Ordering::SeqCst);
            ready(Ok::<_, Infallible>(answer(503)))
        })
    };
    let most = 1.10 * f64::from(CALLS) + 10.0;

    let alone = load(RetryLayer::default().layer(down.clone()), CALLS, &count).await;
    assert!(alone <= most && alone > f64::from(CALLS), "{alone}");

    let three = ServiceBuilder::new()
        .layer(RetryLayer::default())
        .layer(RetryLayer::default())
        .layer(RetryLayer::default())
        .service(down);
    let stacked = load(three, CALLS, &count).await;
    assert!(stacked <= most && stacked > f64::from(CALLS), "{stacked}");
}

#[tokio::test(start_paused = true)]
async fn h7_ten_thousand_calls_that_fail_at_once_come_back_evenly_spread() {
    const CALLS: usize = 10_000;
    const BUCKET: u128 = 100;
    // The windows of the first and of the second retry, in milliseconds.
    for (first, second) in [(500, 1000), (1000, 2000), (2000, 2000)] {
        let start = Instant::now();
        let retries: Arc<std::sync::Mutex<[BTreeMap<u128, usize>; 2]>> = Arc::default();
        let down = {
            let retries = retries.clone();
            service_fn(move |request: Request<ReqBody>| {
                if let Some(attempt) = request.extensions().get::<Attempt>() {
                    let retry = usize::try_from(attempt.number()).unwrap() - 2;
                    let bucket = start.elapsed().as_millis() / BUCKET;
                    *retries.lock().unwrap()[retry].entry(bucket).or_default() += 1;
                }
                ready(Ok::<_, Infallible>(answer(503)))
            })
        };
        let millis = Duration::from_millis;
        let policy = Standard::new()
            .backoff(Backoff::new(millis(first), millis(second)).seed(first))
            .budget(Budget::new(u32::MAX, u32::MAX));
        let service = RetryLayer::new(policy).layer(down);

        let calls = (0..CALLS).map(|_| service.clone().oneshot(get()));
        futures_util::future::join_all(calls).await;

        for (window, buckets) in [first, second].into_iter().zip(&*retries.lock().unwrap()) {
            assert_eq!(buckets.values().sum::<usize>(), CALLS);
            let fullest = f64::from(u32::try_from(*buckets.values().max().unwrap()).unwrap());
            let window = Duration::from_millis(window).as_secs_f64();
            let most = 1.2 * 0.1 / window * 10_000.0;
            assert!(fullest <= most, "{window} s: {fullest} of {most}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn h1_only_one_of_stacked_layers_retries() {
    let stack = ServiceBuilder::new()
        .layer(layer())
        .layer(layer())
        .layer(layer());

    let failing = ScriptedService::new((0..9).map(|_| failed(503)));
    let response = stack.service(failing.clone()).oneshot(get()).await;
    assert_eq!(response.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(attempts(&failing), [1, 2, 3]);

    let lost = ScriptedService::new((0..9).map(|_| Step::Fail("lost")));
    let error = stack
        .service(lost.clone())
        .oneshot(get())
        .await
        .unwrap_err();
    assert_eq!(error.downcast::<GaveUp>().unwrap().attempt().number(), 3);
    assert_eq!(attempts(&lost), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn h1_a_retry_that_the_budget_forbids_is_not_made_by_a_layer_further_out() {
    let broke = || RetryLayer::new(standard().budget(Budget::new(0, 0)));
    for step in [failed as fn(u16) -> Step, |_| Step::Fail("lost")] {
        let inner = ScriptedService::new((0..9).map(|_| step(503)));
        let stack = ServiceBuilder::new().layer(layer()).layer(broke());

        let result = stack.service(inner.clone()).oneshot(get()).await;

        assert_eq!(inner.calls(), 1);
        if let Err(error) = result {
            assert_eq!(error.downcast::<GaveUp>().unwrap().attempt().number(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_clones_share_the_budget_and_two_layers_do_not() {
    let exhausted = |layer: &RetryLayer| {
        let inner = ScriptedService::new([failed(503)]);
        let call = layer.layer(inner.clone()).oneshot(get());
        async move {
            call.await.unwrap();
            inner.calls() == 1
        }
    };
    let policy = || RetryLayer::new(standard().budget(Budget::new(0, 1)));
    let (first, second) = (policy(), policy());

    assert!(!exhausted(&first).await);
    assert!(exhausted(&first.clone()).await);
    assert!(!exhausted(&second).await);
}

/// Takes frames that begin with `:` for comments, and those that begin with `!` for errors.
#[derive(Debug)]
struct Words;

impl Watch for Words {
    fn data(&mut self, data: &Bytes, record: &mut Record) -> bool {
        if data.starts_with(b"!") {
            record.failure = Some("an event says so".into());
        }
        !data.starts_with(b":") && !data.starts_with(b"!")
    }

    fn end(&mut self, _: End, record: &mut Record) -> Option<Deferred> {
        record.complete &= record.timing.first_event.is_some();
        None
    }
}

fn words(_: &Parts) -> Option<Words> {
    Some(Words)
}

/// What a caller sees of streams that come one after the other, and how many were asked for.
async fn streamed(
    bodies: impl IntoIterator<Item = ScriptedBody>,
) -> (Result<Bytes, BoxError>, usize) {
    let inner = ScriptedService::new(bodies.into_iter().map(stream));
    let service = ServiceBuilder::new()
        .layer(layer())
        .layer(ObserveLayer::new(words))
        .service(inner.clone());
    let response = service.oneshot(get()).await.unwrap();
    let text = response.into_body().collect().await;
    (text.map(|text| text.to_bytes()), inner.calls())
}

fn whole() -> ScriptedBody {
    ScriptedBody::new().data(":").data("word")
}

#[tokio::test(start_paused = true)]
async fn d8_an_error_event_before_the_first_content_is_retried() {
    let error = ScriptedBody::new().data(": hello").data("! busy");
    let (text, calls) = streamed([error, whole()]).await;

    assert_eq!((text.unwrap(), calls), (":word".into(), 2));
}

#[tokio::test(start_paused = true)]
async fn d8_a_stream_that_is_cut_before_its_first_content_is_retried() {
    for cut in [
        ScriptedBody::new().data(": hello").error("cut"),
        ScriptedBody::new().data(": hello"),
        ScriptedBody::new(),
    ] {
        let (text, calls) = streamed([cut, whole()]).await;
        assert_eq!((text.unwrap(), calls), (":word".into(), 2));
    }
}

#[tokio::test(start_paused = true)]
async fn h4_after_its_first_content_nothing_is_retried() {
    let error = ScriptedBody::new().data("word").data("! busy");
    let (text, calls) = streamed([error, whole()]).await;
    assert_eq!((text.unwrap(), calls), ("word! busy".into(), 1));

    let cut = ScriptedBody::new().data("word").error("cut");
    let (text, calls) = streamed([cut, whole()]).await;
    assert_eq!(text.unwrap_err().to_string(), "cut");
    assert_eq!(calls, 1);
}

#[tokio::test(start_paused = true)]
async fn d8_after_two_seconds_the_head_is_passed_on_and_committed() {
    let slow = ScriptedBody::new()
        .data(": hello")
        .wait(SECOND * 3)
        .data("! busy");
    let start = Instant::now();
    let inner = ScriptedService::new([stream(slow), stream(whole())]);
    let service = ServiceBuilder::new()
        .layer(layer())
        .layer(ObserveLayer::new(words))
        .service(inner.clone());

    let response = service.oneshot(get()).await.unwrap();
    assert_eq!(start.elapsed(), SECOND * 2);
    let text = response.into_body().collect().await.unwrap().to_bytes();

    assert_eq!(text, ": hello! busy");
    assert_eq!(start.elapsed(), SECOND * 3);
    assert_eq!(inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn d8_64_kib_of_comments_commit_and_are_delivered_as_they_came() {
    let long = (0..70).fold(ScriptedBody::new(), |body, _| {
        body.data([b":", &[b'x'; 1023][..]].concat())
    });
    let (text, calls) = streamed([long.data("! busy"), whole()]).await;

    assert_eq!((text.unwrap().len(), calls), (70 * 1024 + 6, 1));
}

#[tokio::test(start_paused = true)]
async fn without_observe_the_first_data_is_content() {
    let body = ScriptedBody::new().data(": hello").error("cut");
    let inner = ScriptedService::new([stream(body), stream(whole())]);
    let response = layer().layer(inner.clone()).oneshot(get()).await.unwrap();

    assert_eq!(text(response).await.unwrap_err().to_string(), "cut");
    assert_eq!(inner.calls(), 1);

    let cut = ScriptedBody::new().error("cut");
    let inner = ScriptedService::new([stream(cut), stream(whole())]);
    let response = layer().layer(inner.clone()).oneshot(get()).await.unwrap();
    assert_eq!(text(response).await.unwrap(), ":word");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_stream_commits_at_its_head() {
    let inner = ScriptedService::once(ScriptedBody::new().error("cut"));
    let response = layer().layer(inner.clone()).oneshot(get()).await.unwrap();

    assert!(text(response).await.is_err());
    assert_eq!(inner.calls(), 1);
}

/// Reads in the body whether another try can help.
#[derive(Debug, Clone)]
struct Told;

impl Classify for Told {
    fn classify(&self, reply: &Reply<'_>) -> Class {
        match reply.status() {
            Some(status) if status.is_success() => Class::Success,
            _ if reply.text().ends_with(b"again") => Class::Transient,
            _ => Class::Permanent,
        }
    }

    fn wants_body(&self, _: &Reply<'_>) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn the_text_of_an_answer_that_failed_can_decide_and_is_delivered_as_it_came() {
    let busy = |body: ScriptedBody| {
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        Step::Respond(response)
    };
    let again = || busy(ScriptedBody::new().data("try ").wait(SECOND).data("again"));
    let no = busy(
        ScriptedBody::new()
            .data("do ")
            .data("not")
            .trailer("a", "b"),
    );
    let inner = ScriptedService::new([again(), no, again()]);
    let layer = RetryLayer::new(standard().classify(Told));

    let response = layer.layer(inner.clone()).oneshot(get()).await.unwrap();
    let whole = response.into_body().collect().await.unwrap();
    assert_eq!(whole.trailers().unwrap()["a"], "b");
    assert_eq!((whole.to_bytes(), inner.calls()), ("do not".into(), 2));

    // At the last attempt nothing hangs on it, and nothing is held.
    let once = RetryLayer::new(standard().classify(Told).max_attempts(times(1)));
    let start = Instant::now();
    once.layer(inner).oneshot(get()).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_text_that_does_not_end_is_not_waited_for_longer_than_a_stream() {
    let mut response = Response::new(ScriptedBody::new().data("try").stall());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    let inner = ScriptedService::new([Step::Respond(response)]);
    let layer = RetryLayer::new(standard().classify(Told));
    let start = Instant::now();

    let response = layer.layer(inner).oneshot(get()).await.unwrap();

    assert_eq!(start.elapsed(), SECOND * 2);
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
}

#[tokio::test(start_paused = true)]
async fn h11_the_bodies_of_failures_are_gone_before_the_next_attempt_or_soon_after() {
    let bodies: Vec<_> = (0..10)
        .map(|_| ScriptedBody::new().data("a").stall())
        .collect();
    let logs: Vec<_> = bodies.iter().map(ScriptedBody::log).collect();
    let steps = bodies.into_iter().map(|body| {
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        Step::Respond(response)
    });
    let policy = standard()
        .max_attempts(times(11))
        .budget(Budget::new(0, 100));
    let service = RetryLayer::new(policy).layer(ScriptedService::new(steps));

    service.oneshot(get()).await.unwrap();
    tokio::time::sleep(SECOND / 4).await;

    assert!(logs.iter().all(blossom_layers::test_util::BodyLog::dropped));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_layer_further_in_is_passed_on() {
    let count = Arc::new(AtomicU32::new(0));
    let inner = {
        let count = count.clone();
        service_fn(move |_: Request<ReqBody>| {
            count.fetch_add(1, Ordering::SeqCst);
            let refusal = Refusal::new(RefusalKind::Unavailable).retry_after(SECOND);
            ready(Err::<Response<ScriptedBody>, _>(refusal))
        })
    };

    let error = layer().layer(inner).oneshot(get()).await.unwrap_err();

    assert_eq!(cause_ref::<Refusal>(&*error).unwrap().wait(), Some(SECOND));
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_cannot_be_made_ready_ends_in_that_error() {
    let inner = ScriptedService::new([failed(503), Step::NotReady("closed")]);

    let error = layer()
        .layer(inner.clone())
        .oneshot(get())
        .await
        .unwrap_err();

    assert_eq!(error.to_string(), "closed");
    assert_eq!(inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn dropped_while_it_waits_it_calls_no_more() {
    let inner = ScriptedService::new([told(503, "60")]);
    let call = layer().layer(inner.clone()).oneshot(get());

    assert!(tokio::time::timeout(SECOND, call).await.is_err());
    tokio::time::sleep(SECOND * 100).await;
    assert_eq!((inner.calls(), inner.in_flight()), (1, 0));
}

/// Tries again, at once, while the status is one of a server's errors; as tower's policy and as ours.
#[derive(Debug, Clone)]
struct Again {
    left: usize,
}

impl Again {
    fn again(&mut self, failed: bool) -> Option<Ready<()>> {
        (failed && self.left > 0).then(|| {
            self.left -= 1;
            ready(())
        })
    }
}

fn cloned(request: &Request<ReqBody>) -> Option<Request<ReqBody>> {
    let mut clone = Request::new(request.body().try_clone()?);
    *clone.headers_mut() = request.headers().clone();
    Some(clone)
}

impl blossom_layers::retry::Policy<ReqBody> for Again {
    type Wait = Ready<()>;

    fn clone_request(&mut self, request: &Request<ReqBody>) -> Option<Request<ReqBody>> {
        cloned(request)
    }

    fn retry(&mut self, _: &Request<ReqBody>, reply: &Reply<'_>) -> Option<Ready<()>> {
        self.again(reply.status().is_none_or(|status| status.is_server_error()))
    }
}

impl tower::retry::Policy<Request<ReqBody>, Response<ScriptedBody>, BoxError> for Again {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<ReqBody>,
        result: &mut Result<Response<ScriptedBody>, BoxError>,
    ) -> Option<Ready<()>> {
        let failed = result
            .as_ref()
            .map_or(true, |response| response.status().is_server_error());
        self.again(failed)
    }

    fn clone_request(&mut self, request: &Request<ReqBody>) -> Option<Request<ReqBody>> {
        cloned(request)
    }
}

fn scripts() -> impl Strategy<Value = Vec<u16>> {
    // 0 is an error.
    proptest::collection::vec(
        prop_oneof![Just(0_u16), Just(200), Just(404), Just(503)],
        0..8,
    )
}

proptest! {
    #[test]
    fn it_calls_as_often_as_towers_and_ends_the_same(script in scripts(), left in 0_usize..5, known in any::<bool>()) {
        let steps = |script: &[u16]| script.iter().map(|status| match status {
            0 => Step::Fail("lost"),
            status => failed(*status),
        }).collect::<Vec<_>>();
        let request = || if known {
            get()
        } else {
            get().map(|_| ReqBody::stream(ScriptedBody::new().data("x")))
        };
        let (ours, theirs) = (ScriptedService::new(steps(&script)), ScriptedService::new(steps(&script)));
        let policy = Again { left };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (a, b) = runtime.block_on(async {
            let ours: Retry<_, _> = RetryLayer::new(policy.clone()).layer(ours.clone());
            let theirs = tower::retry::Retry::new(policy, theirs.clone());
            (ours.oneshot(request()).await, theirs.oneshot(request()).await)
        });

        prop_assert_eq!(ours.calls(), theirs.calls());
        prop_assert_eq!(
            a.ok().map(|response| response.status()),
            b.ok().map(|response| response.status())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn where_towers_gives_up_at_the_head_ours_retries() {
    let steps = || [stream(ScriptedBody::new().data("! busy")), stream(whole())];
    let theirs = ScriptedService::new(steps());
    let tower = tower::retry::Retry::new(Again { left: 1 }, theirs.clone());
    tower.oneshot(get()).await.unwrap();
    let ours = ScriptedService::new(steps());
    let service = ServiceBuilder::new()
        .layer(layer())
        .layer(ObserveLayer::new(words))
        .service(ours.clone());
    service.oneshot(get()).await.unwrap();

    assert_eq!((theirs.calls(), ours.calls()), (1, 2));
}

proptest! {
    /// Calls at random times, of which a random part fails.
    #[test]
    fn p7_attempts_and_retries_stay_within_their_limits(
        pauses in proptest::collection::vec(0_u64..500, 1..200),
        failing in 0_u8..=100,
        max_attempts in 1_u32..5,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time().start_paused(true).build().unwrap();
        let budget = Budget::default();
        let policy = standard().max_attempts(times(max_attempts)).budget(budget.clone());
        let most = Arc::new(AtomicU32::new(0));
        let inner = {
            let most = most.clone();
            let mut state = 1_u32;
            tower::util::BoxCloneService::new(service_fn(move |request: Request<ReqBody>| {
                most.fetch_max(request.extensions().get::<Attempt>().map_or(1, |it| it.number()), Ordering::SeqCst);
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let bad = (state >> 16) % 100 < u32::from(failing);
                ready(Ok::<_, BoxError>(answer(if bad { 503 } else { 200 })))
            }))
        };
        let calls = pauses.len() as u64;
        runtime.block_on(async {
            let service = RetryLayer::new(policy).layer(inner);
            for pause in pauses {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                service.clone().oneshot(get()).await.unwrap();
            }
        });
        let stats = budget.stats();
        prop_assert!(most.load(Ordering::SeqCst) <= max_attempts);
        prop_assert_eq!(stats.calls, calls);
    }
}

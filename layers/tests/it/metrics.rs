//! What the metrics layer says, and that it adds up.

use std::{
    borrow::Cow,
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use blossom_layers::{
    BoxError,
    body::{End, ReqBody},
    cache::{CacheLayer, tier::MemoryTier},
    coalesce::CoalesceLayer,
    limit::concurrency::ConcurrencyLimitLayer,
    metrics::{LEVELS, Levels, METRICS, MetricsLayer, Publisher, name},
    observe::ObserveLayer,
    retry::{RetryLayer, Standard},
    test_util::{ScriptedBody, ScriptedService, Step},
    timeout::IdleTimeoutLayer,
    types::{
        Attempt, CacheKey, CacheStatus, Deferred, Description, Ended, Nanos, Outcome, Record,
        Scope, Usage, Watch,
    },
};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response, StatusCode, response::Parts};
use http_body::Body;
use http_body_util::BodyExt;
use metrics_util::MetricKind;
use proptest::prelude::*;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::figures::{Figure, Figures, sum};

const SECOND: Duration = Duration::from_secs(1);

fn describe(request: &Request<()>) -> Option<Description<'_>> {
    let model = request.uri().path().trim_start_matches('/');
    Some(Description::new("chat").provider("ours").model(model))
}

fn request() -> Request<()> {
    Request::get("/small").body(()).unwrap()
}

/// Takes each frame for a token of the answer but `:`, and `end` for the proof of the whole.
struct Tokens(u64, bool);

impl Watch for Tokens {
    fn data(&mut self, data: &Bytes, record: &mut Record) -> bool {
        self.1 |= data == "end";
        if data.starts_with(b":") {
            return false;
        }
        self.0 += 1;
        record.usage = Some(Usage::new(7, self.0));
        true
    }

    fn end(&mut self, _: End, record: &mut Record) -> Option<Deferred> {
        record.complete &= self.1;
        None
    }
}

fn tokens(_: &Parts) -> Option<Tokens> {
    Some(Tokens(0, false))
}

fn events(body: ScriptedBody) -> Step {
    let mut response = Response::new(body);
    let events = http::HeaderValue::from_static("text/event-stream; charset=utf-8");
    response.headers_mut().insert("content-type", events);
    Step::RespondAfter(SECOND, response)
}

fn measured(
    steps: impl IntoIterator<Item = Step>,
) -> impl Service<
    Request<()>,
    Response = Response<impl Body<Data = Bytes, Error = BoxError>>,
    Error = BoxError,
> + Clone {
    ServiceBuilder::new()
        .layer(MetricsLayer::new().describe(describe))
        .layer(ObserveLayer::new(tokens))
        .service(ScriptedService::new(steps))
}

fn only(figures: &Figures, name: &str) -> Figure {
    let mut found = figures.named(name);
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found.remove(0)
}

#[tokio::test(start_paused = true)]
async fn a_call_lasts_to_the_end_of_its_body() {
    let figures = Figures::install();
    let body = ScriptedBody::new().wait(SECOND).data("end").wait(SECOND);

    let response = measured([Step::RespondAfter(SECOND, Response::new(body))])
        .oneshot(request())
        .await
        .unwrap();
    assert_eq!(figures.named(name::DURATION).len(), 0, "not before its end");
    response.into_body().collect().await.unwrap();

    let duration = only(&figures, name::DURATION);
    assert_eq!(duration.values, [3.0]);
    let labels: Vec<_> = duration.labels.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(
        labels,
        [
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "ours"),
            ("gen_ai.request.model", "small")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn chunks_are_of_event_streams_and_comments_are_none() {
    let figures = Figures::install();
    let body = ScriptedBody::new()
        .data(": wait")
        .wait(SECOND)
        .data("a")
        .wait(SECOND)
        .data("b")
        .wait(SECOND * 2)
        .data("end");
    let service = measured([
        events(body),
        Step::Respond(Response::new(ScriptedBody::new().data("end"))),
    ]);

    for _ in 0..2 {
        let response = service.clone().oneshot(request()).await.unwrap();
        response.into_body().collect().await.unwrap();
    }

    let all = figures.all();
    let values = |name: &str| {
        let mut of_name = all.iter().filter(|(known, _)| known == name);
        of_name.next().unwrap().1.values.clone()
    };
    assert_eq!(values(name::TIME_TO_FIRST_CHUNK), [2.0]);
    assert_eq!(values(name::TIME_PER_OUTPUT_CHUNK), [1.0, 2.0]);
}

#[tokio::test]
async fn tokens_are_counted_once_for_each_reply_of_the_upstream() {
    for (status, counted) in [
        (None, true),
        (Some(CacheStatus::Miss), true),
        (Some(CacheStatus::Bypass), true),
        (Some(CacheStatus::Hit), false),
        (Some(CacheStatus::Stale), false),
        (Some(CacheStatus::Coalesced), false),
    ] {
        let figures = Figures::install();
        let service = MetricsLayer::new().describe(describe).layer(service_fn(
            move |_: Request<()>| async move {
                let outcome = Outcome::new();
                outcome.update(|record| {
                    record.usage = Some(Usage::new(3, 4));
                    record.complete = true;
                });
                let mut response = Response::new(ScriptedBody::new().sized());
                response.extensions_mut().insert(outcome);
                if let Some(status) = status {
                    response.extensions_mut().insert(status);
                }
                Ok::<_, Infallible>(response)
            },
        ));
        service.oneshot(request()).await.unwrap();

        let all = figures.all();
        let tokens = if counted { 7.0 } else { 0.0 };
        assert_eq!(sum(&all, name::TOKEN_USAGE), tokens, "{status:?}");
        let results = f64::from(u8::from(status.is_some()));
        assert_eq!(sum(&all, name::CACHE_RESULTS), results);
        let (_, duration) = all
            .iter()
            .find(|(known, _)| known == name::DURATION)
            .unwrap();
        let label = duration.labels.get("blossom.cache.result");
        assert_eq!(label.cloned(), status.map(|status| status.to_string()));
    }
}

/// All requests are equal.
fn one_key(_: &Request<ReqBody>) -> Option<CacheKey> {
    Some(CacheKey::new([7; 32]))
}

fn three_tokens() -> ScriptedService {
    let body = || ScriptedBody::new().data("a").data("b").data("end");
    let answer = || Step::RespondAfter(SECOND, Response::new(body()));
    ScriptedService::new([answer(), answer()])
}

async fn read<S, R>(service: S)
where
    S: Service<Request<ReqBody>, Response = Response<R>, Error: std::fmt::Debug>,
    R: Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let response = service.oneshot(Request::new(ReqBody::empty())).await;
    response.unwrap().into_body().collect().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_hit_of_a_cache_counts_no_tokens() {
    let figures = Figures::install();
    let inner = three_tokens();
    let service = ServiceBuilder::new()
        .layer(MetricsLayer::new())
        .layer(
            CacheLayer::new(MemoryTier::new(1 << 20), one_key, Scope::shared())
                .time_to_live(SECOND * 60),
        )
        .layer(ObserveLayer::new(tokens))
        .service(inner.clone());

    read(service.clone()).await;
    read(service).await;

    assert_eq!(inner.calls(), 1);
    let all = figures.all();
    assert_eq!(sum(&all, name::TOKEN_USAGE), 7.0 + 3.0, "{all:?}");
    let results = all.iter().filter(|(known, _)| known == name::CACHE_RESULTS);
    let results: Vec<_> = results
        .map(|(_, figure)| &*figure.labels["blossom.cache.result"])
        .collect();
    assert_eq!(results, ["miss", "hit"]);
    assert_eq!(sum(&all, name::CALLS_ENDED), 2.0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_shared_counts_its_tokens_once() {
    let figures = Figures::install();
    let inner = three_tokens();
    let service = ServiceBuilder::new()
        .layer(MetricsLayer::new())
        .layer(CoalesceLayer::new(one_key, Scope::shared()))
        .layer(ObserveLayer::new(tokens))
        .service(inner.clone());

    tokio::join!(read(service.clone()), read(service));

    assert_eq!(inner.calls(), 1);
    let all = figures.all();
    assert_eq!(sum(&all, name::TOKEN_USAGE), 7.0 + 3.0, "{all:?}");
    assert_eq!(sum(&all, name::CACHE_RESULTS), 1.0, "one was coalesced");
    assert_eq!(sum(&all, name::CALLS_IN_FLIGHT), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_sent_again_tells_of_its_attempts_and_its_wait() {
    let figures = Figures::install();
    let mut busy = Response::new(ScriptedBody::new().sized());
    *busy.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let whole = Response::new(ScriptedBody::new().data("end"));
    let service = ServiceBuilder::new()
        .layer(MetricsLayer::new())
        .layer(RetryLayer::new(Standard::new()))
        .layer(ObserveLayer::new(tokens))
        .service(ScriptedService::new([
            Step::RespondAfter(SECOND, busy),
            Step::Respond(whole),
        ]));

    read(service).await;

    let all = figures.all();
    assert_eq!(sum(&all, name::ATTEMPTS), 2.0, "{all:?}");
    assert!(sum(&all, name::QUEUE_TIME) >= 1.0, "{all:?}");
}

#[tokio::test]
async fn the_attempts_of_a_call_are_those_that_its_answer_tells() {
    let figures = Figures::install();
    let mut again = Response::new(ScriptedBody::new().sized());
    again.extensions_mut().insert(Attempt::FIRST.next().next());
    let once = Response::new(ScriptedBody::new().sized());
    let service = measured([
        Step::Respond(again),
        Step::Respond(once),
        Step::Fail("gone"),
    ]);

    for _ in 0..3 {
        drop(service.clone().oneshot(request()).await);
    }

    assert_eq!(only(&figures, name::ATTEMPTS).values, [3.0, 1.0]);
}

/// What ends a call, and what it is called then.
async fn ended(step: Step, read: usize) -> (Vec<(String, Figure)>, String, Option<String>) {
    let figures = Figures::install();
    let service = ServiceBuilder::new()
        .layer(MetricsLayer::new().describe(describe))
        .layer(IdleTimeoutLayer::new(SECOND))
        .layer(ObserveLayer::new(tokens))
        .service(ScriptedService::new([step]));
    let mut call = Box::pin(service.oneshot(request()));
    let answer = tokio::time::timeout(SECOND * 5, &mut call).await;
    drop(call);
    if let Ok(Ok(response)) = answer {
        let mut body = pin!(response.into_body());
        for _ in 0..read {
            match body.frame().await {
                Some(Ok(_)) => {}
                _ => break,
            }
        }
    }
    let all = figures.all();
    assert_eq!(sum(&all, name::CALLS_STARTED), 1.0);
    assert_eq!(sum(&all, name::CALLS_ENDED), 1.0);
    assert_eq!(sum(&all, name::CALLS_IN_FLIGHT), 0.0);
    let label = |name: &str, label: &str| {
        let (_, figure) = all.iter().find(|(known, _)| known == name).unwrap();
        figure.labels.get(label).cloned()
    };
    let result = label(name::CALLS_ENDED, "blossom.result").unwrap();
    let error = label(name::DURATION, "error.type");
    (all, result, error)
}

/// A case, its answer, the frames that are read of it, how it is said to end, and its error.
type Case = (
    &'static str,
    Step,
    usize,
    &'static str,
    Option<&'static str>,
);

fn cases() -> [Case; 9] {
    let respond = |body| Step::Respond(Response::new(body));
    let status = |status| {
        let mut response = Response::new(ScriptedBody::new().sized());
        *response.status_mut() = status;
        Step::Respond(response)
    };
    let all = usize::MAX;
    [
        (
            "last frame",
            respond(ScriptedBody::new().data("end").sized()),
            all,
            "ok",
            None,
        ),
        (
            "none",
            respond(ScriptedBody::new().data("end")),
            all,
            "ok",
            None,
        ),
        (
            "error",
            respond(ScriptedBody::new().data("a").error("x")),
            all,
            "error",
            Some("_OTHER"),
        ),
        (
            "drop",
            respond(ScriptedBody::new().data("a").data("b")),
            1,
            "canceled",
            Some("canceled"),
        ),
        (
            "no proof",
            respond(ScriptedBody::new().data("a")),
            all,
            "error",
            Some("incomplete"),
        ),
        (
            "clock",
            respond(ScriptedBody::new().data("a").stall()),
            all,
            "error",
            Some("timeout"),
        ),
        (
            "status",
            status(StatusCode::BAD_GATEWAY),
            all,
            "error",
            Some("502"),
        ),
        ("call", Step::Fail("x"), all, "error", Some("_OTHER")),
        ("given up", Step::Hang, all, "canceled", Some("canceled")),
    ]
}

#[tokio::test(start_paused = true)]
async fn p9_j9_each_end_is_one_end_and_the_gauge_comes_back() {
    for (case, step, read, result, error) in cases() {
        let (_, seen, seen_error) = ended(step, read).await;
        assert_eq!((&*seen, seen_error.as_deref()), (result, error), "{case}");
    }
}

#[tokio::test]
async fn j9_a_panic_within_ends_the_call_too() {
    let figures = Figures::install();
    let panics = service_fn(|request: Request<()>| async move {
        assert!(request.uri().path().is_empty(), "the answer panics");
        Ok::<_, Infallible>(Response::new(ScriptedBody::new()))
    });
    let service = MetricsLayer::new().describe(describe).layer(panics);

    let answer = AssertUnwindSafe(service.oneshot(request())).catch_unwind();
    assert!(answer.await.is_err());

    let all = figures.all();
    assert_eq!(sum(&all, name::CALLS_IN_FLIGHT), 0.0);
    assert_eq!(sum(&all, name::CALLS_ENDED), 1.0);
}

#[tokio::test]
async fn j8_a_policy_that_panics_does_no_harm() {
    let figures = Figures::install();
    fn broken(_: &Request<()>) -> Option<Description<'_>> {
        panic!("the policy is broken")
    }
    let answer = MetricsLayer::new()
        .describe(broken)
        .layer(ScriptedService::default())
        .oneshot(request());
    assert!(answer.await.is_ok());

    let answer = MetricsLayer::new()
        .error_type(|_: &Ended<'_>| -> Option<Cow<'static, str>> { panic!("broken") })
        .layer(ScriptedService::default())
        .oneshot(request());
    assert!(answer.await.is_ok());
    assert_eq!(sum(&figures.all(), name::CALLS_ENDED), 1.0);
}

#[tokio::test]
async fn j4_a_hundredth_of_a_million_models_are_a_bounded_number_of_series() {
    let figures = Figures::install();
    let layer = MetricsLayer::new().describe(describe);
    for n in 0..10_000 {
        let request = Request::get(format!("/model-{n}")).body(()).unwrap();
        let service = layer.layer(ScriptedService::default());
        service.oneshot(request).await.unwrap();
    }

    let all = figures.all();
    // 100 with their names, and one for the rest.
    let most = 101 * METRICS.len();
    assert!(all.len() <= most, "{} series", all.len());
    assert_eq!(sum(&all, name::CALLS_ENDED), 10_000.0);
}

#[tokio::test]
async fn a_recorder_that_is_installed_later_is_found() {
    let service = measured([]);
    service.clone().oneshot(request()).await.unwrap();

    let figures = Figures::install();
    service.oneshot(request()).await.unwrap();

    assert_eq!(sum(&figures.all(), name::CALLS_ENDED), 1.0);
}

#[tokio::test]
async fn a_call_that_began_before_the_recorder_leaves_its_gauge_alone() {
    let body = ScriptedBody::new().data("a").data("end");
    let service = measured([Step::Respond(Response::new(body))]);
    let response = service.oneshot(request()).await.unwrap();

    let figures = Figures::install();
    response.into_body().collect().await.unwrap();

    assert_eq!(figures.all(), []);
}

#[tokio::test]
async fn every_figure_stands_in_the_table_with_its_kind_and_labels() {
    let figures = Figures::install();
    let service =
        MetricsLayer::new()
            .describe(describe)
            .layer(service_fn(|_: Request<()>| async {
                let outcome = Outcome::new();
                outcome.update(|record| {
                    record.usage = Some(Usage::new(3, 4));
                    record.timing.first_event = Some(SECOND);
                    record.timing.sent = Some(tokio::time::Instant::now().into_std());
                });
                let body = ScriptedBody::new().data("a").data("b");
                let mut response = Response::builder()
                    .header("content-type", "text/event-stream")
                    .body(body)
                    .unwrap();
                response.extensions_mut().insert(outcome);
                response.extensions_mut().insert(CacheStatus::Miss);
                Ok::<_, Infallible>(response)
            }));
    let response = service.oneshot(request()).await.unwrap();
    response.into_body().collect().await.unwrap();

    let seen = figures.all();
    for metric in METRICS {
        let found = seen.iter().find(|(name, _)| name == metric.name);
        let (_, figure) = found.unwrap_or_else(|| panic!("{} was not emitted", metric.name));
        let kind = match figure.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        assert_eq!(kind, metric.kind.as_str(), "{}", metric.name);
        for label in metric.labels {
            assert!(
                figure.labels.contains_key(*label),
                "{}: {label}",
                metric.name
            );
        }
        let common = [
            "gen_ai.operation.name",
            "gen_ai.provider.name",
            "gen_ai.request.model",
        ];
        for label in figure.labels.keys() {
            let known = common.contains(&&**label) || metric.labels.contains(&&**label);
            assert!(known, "{} has {label}", metric.name);
        }
    }
    for (name, _) in seen {
        assert!(METRICS.iter().any(|metric| metric.name == name), "{name}");
    }
}

/// Levels that a test sets.
type Set = Arc<Mutex<Levels>>;

fn publisher() -> (Publisher, Set) {
    let set = Set::default();
    let read = set.clone();
    (Publisher::new(move || *read.lock().unwrap()), set)
}

#[test]
fn levels_are_published_as_they_are_filled_in() {
    let figures = Figures::install();
    let (publisher, set) = publisher();
    publisher.publish();
    assert_eq!(figures.all(), [], "nothing is made up");

    let mut levels = Levels::default();
    levels.permits_in_use = Some(3);
    levels.permits_waiting = Some(0);
    levels.rate_waiting = Some(1);
    levels.rate_waits = Some(4);
    levels.breakers_open = Some(2);
    levels.breakers_half_open = Some(0);
    levels.spent = Some(Nanos(5));
    levels.saved = Some(Nanos(7));
    *set.lock().unwrap() = levels;
    assert_eq!(publisher.levels(), levels);
    publisher.publish();

    let seen = figures.all();
    assert_eq!(seen.len(), LEVELS.len());
    for metric in LEVELS {
        let (_, figure) = seen.iter().find(|(name, _)| name == metric.name).unwrap();
        assert!(figure.labels.is_empty());
        let counter = figure.kind == MetricKind::Counter;
        assert_eq!(
            counter,
            metric.kind.as_str() == "counter",
            "{}",
            metric.name
        );
    }
    assert_eq!(sum(&seen, name::PERMITS_IN_USE), 3.0);
    assert_eq!(sum(&seen, name::SAVED), 7.0);
    assert_eq!(sum(&seen, name::RATE_WAITS), 4.0);

    levels.permits_in_use = Some(1);
    levels.spent = Some(Nanos(6));
    *set.lock().unwrap() = levels;
    publisher.publish();
    let seen = figures.all();
    // The recorder gives what has changed since it was looked at.
    assert_eq!(sum(&seen, name::PERMITS_IN_USE), -2.0);
    assert_eq!(sum(&seen, name::SPENT), 1.0);
    assert_eq!(sum(&seen, name::SAVED), 0.0);
}

#[test]
fn what_two_publishers_tell_adds_up_and_a_gauge_is_taken_back() {
    let figures = Figures::install();
    let (first, set) = publisher();
    set.lock().unwrap().permits_in_use = Some(3);
    set.lock().unwrap().spent = Some(Nanos(10));
    let (second, set) = publisher();
    set.lock().unwrap().permits_in_use = Some(2);
    set.lock().unwrap().spent = Some(Nanos(10));
    first.publish();
    second.publish();
    first.publish();

    let seen = figures.all();
    assert_eq!(sum(&seen, name::PERMITS_IN_USE), 5.0);
    assert_eq!(sum(&seen, name::SPENT), 20.0);

    // The recorder gives what has changed since it was looked at.
    drop(first.clone());
    assert_eq!(sum(&figures.all(), name::PERMITS_IN_USE), 0.0);
    drop(first);
    let seen = figures.all();
    assert_eq!(sum(&seen, name::PERMITS_IN_USE), -3.0);
    assert_eq!(sum(&seen, name::SPENT), 0.0, "what was spent stays spent");
}

#[test]
fn a_recorder_that_comes_later_is_told_everything() {
    let (publisher, set) = publisher();
    set.lock().unwrap().rate_waits = Some(9);
    for _ in 0..2 {
        let figures = Figures::install();
        publisher.publish();
        assert_eq!(sum(&figures.all(), name::RATE_WAITS), 9.0);
        publisher.publish();
        assert_eq!(sum(&figures.all(), name::RATE_WAITS), 0.0);
    }
}

#[test]
fn j8_levels_that_cannot_be_read_do_no_harm() {
    let figures = Figures::install();
    Publisher::new(|| panic!("broken")).publish();
    assert_eq!(figures.all(), []);
}

/// The permits that the figures tell of. The recorder gives what has changed since it was looked at.
struct Permits(Figures, f64);

impl Permits {
    fn now(&mut self) -> f64 {
        self.1 += sum(&self.0.all(), name::PERMITS_IN_USE);
        self.1
    }
}

#[tokio::test(start_paused = true)]
async fn levels_go_with_the_calls_of_a_layer() {
    let mut permits = Permits(Figures::install(), 0.0);
    let limit = ConcurrencyLimitLayer::new(8);
    let handle = limit.handle();
    let publisher = Publisher::new(move || {
        let mut levels = Levels::default();
        levels.permits_in_use = Some(handle.in_flight() as u64);
        levels
    });
    let metrics = MetricsLayer::new().levels(publisher);
    let body = || ScriptedBody::new().data("a").data("b");
    let steps = [
        Step::RespondAfter(SECOND, Response::new(body())),
        Step::Respond(Response::new(body())),
        Step::Hang,
    ];
    let mut service = ServiceBuilder::new()
        .layer(metrics)
        .layer(limit)
        .service(ScriptedService::new(steps));

    let mut call = Box::pin(service.call(request()));
    assert!((&mut call).now_or_never().is_none());
    assert_eq!(permits.now(), 1.0, "it waits for its head");
    let response = call.await.unwrap();
    assert_eq!(permits.now(), 1.0, "it has a body");
    response.into_body().collect().await.unwrap();
    assert_eq!(permits.now(), 0.0, "its body has ended");

    let response = service.call(request()).await.unwrap();
    assert_eq!(permits.now(), 1.0);
    drop(response);
    assert_eq!(permits.now(), 0.0, "its body was dropped");

    let mut call = Box::pin(service.call(request()));
    assert!((&mut call).now_or_never().is_none());
    assert_eq!(permits.now(), 1.0);
    drop(call);
    assert_eq!(permits.now(), 0.0, "it was dropped");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What was started has ended as ok, error or canceled, whatever was done to the calls.
    #[test]
    fn p9_the_counters_add_up(script in proptest::collection::vec((0..5u8, 0..4u8), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let figures = Figures::install();
        let calls = script.len();
        runtime.block_on(async {
            for (step, reads) in script {
                let step = match step {
                    0 => Step::Respond(Response::new(ScriptedBody::new().data("a").data("end"))),
                    1 => Step::Respond(Response::new(ScriptedBody::new().data("a").error("cut"))),
                    2 => Step::Respond(Response::new(ScriptedBody::new().sized())),
                    3 => Step::Fail("gone"),
                    _ => Step::Hang,
                };
                let service = measured([step]);
                let mut call = Box::pin(service.oneshot(request()));
                if let Some(Ok(response)) = (&mut call).now_or_never() {
                    let mut body = pin!(response.into_body());
                    for _ in 0..reads {
                        if !matches!(body.frame().await, Some(Ok(_))) {
                            break;
                        }
                    }
                }
            }
        });
        let all = figures.all();
        let calls = f64::from(u32::try_from(calls).unwrap());
        prop_assert_eq!(sum(&all, name::CALLS_STARTED), calls);
        prop_assert_eq!(sum(&all, name::CALLS_ENDED), calls);
        prop_assert_eq!(sum(&all, name::CALLS_IN_FLIGHT), 0.0);
        let durations = all.iter().filter(|(known, _)| known == name::DURATION);
        let durations: usize = durations.map(|(_, figure)| figure.values.len()).sum();
        prop_assert_eq!(f64::from(u32::try_from(durations).unwrap()), calls);
    }
}

//! What `breaker` does over an upstream that fails, begins and breaks, or is asked by a crowd.

use std::{future::ready, num::NonZeroU32, time::Duration};

use blossom_layers::{
    BoxError,
    body::{End, ReqBody},
    breaker::{BreakerLayer, Broken, CircuitState, Rules},
    cause_ref,
    observe::ObserveLayer,
    test_util::{ScriptedBody, ScriptedService, Step},
    types::{Class, Deferred, PartitionKey, Record, Refusal, RefusalKind, Reply, Watch},
};
use bytes::Bytes;
use http::{Request, Response, StatusCode, response::Parts};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const OPEN: Duration = Duration::from_secs(15);

fn request() -> Request<ReqBody> {
    Request::get("http://a.example/x")
        .body(ReqBody::empty())
        .unwrap()
}

fn key() -> PartitionKey {
    "a.example".into()
}

fn failed(status: u16) -> Step {
    let mut response = Response::new(ScriptedBody::new().data("no"));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    Step::Respond(response)
}

fn body(body: ScriptedBody) -> Step {
    Step::Respond(Response::new(body))
}

/// Opens at the first failure.
fn quick() -> BreakerLayer {
    BreakerLayer::new().rules(Rules::new().in_a_row(NonZeroU32::MIN))
}

fn state(layer: &BreakerLayer) -> CircuitState {
    layer.handle().snapshot(&key()).state
}

async fn call<S, R>(service: &S) -> Result<Bytes, BoxError>
where
    S: Service<Request<ReqBody>, Response = Response<R>, Error = BoxError> + Clone,
    R: http_body::Body<Data = Bytes, Error = BoxError>,
{
    let response = service.clone().oneshot(request()).await?;
    Ok(response.into_body().collect().await?.to_bytes())
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_refuses_and_says_when_to_come_back() {
    let layer = quick();
    let inner = ScriptedService::new([failed(503)]);
    let service = layer.layer(inner.clone());
    call(&service).await.unwrap();
    tokio::time::advance(OPEN / 3).await;

    let error = call(&service).await.unwrap_err();

    let broken = error.downcast_ref::<Broken>().unwrap();
    assert_eq!(broken.partition(), &key());
    assert_eq!(broken.retry_after(), OPEN * 2 / 3);
    let refusal = cause_ref::<Refusal>(&*error).unwrap();
    assert_eq!(refusal.kind(), RefusalKind::Unavailable);
    assert_eq!(refusal.wait(), Some(OPEN * 2 / 3));
    assert_eq!(inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn errors_of_call_readiness_and_body_are_failures() {
    for step in [
        Step::Fail("lost"),
        Step::NotReady("closed"),
        body(ScriptedBody::new().data("a").error("cut")),
    ] {
        let layer = quick();
        let service = layer.layer(ScriptedService::new([step]));
        assert!(call(&service).await.is_err());
        assert_eq!(state(&layer), CircuitState::Open);
    }
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_of_the_upstream_does_not_open_it() {
    let refusal = |_: Request<ReqBody>| {
        let refusal = Refusal::new(RefusalKind::Overloaded);
        ready(Err::<Response<ScriptedBody>, _>(refusal))
    };
    let layer = quick();
    let service = layer.layer(service_fn(refusal));
    call(&service).await.unwrap_err();
    assert_eq!(state(&layer), CircuitState::Closed);

    let service = layer.layer(ScriptedService::new([
        failed(429),
        failed(404),
        failed(400),
    ]));
    for _ in 0..3 {
        call(&service).await.unwrap();
    }
    let snapshot = layer.handle().snapshot(&key());
    assert_eq!((snapshot.calls, snapshot.failures), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_dropped_is_a_success_once_it_has_begun() {
    let layer = quick();
    let stream = || body(ScriptedBody::new().data("a").stall());
    let service = layer.layer(ScriptedService::new([stream(), stream()]));

    drop(service.clone().oneshot(request()).await.unwrap());
    assert_eq!(layer.handle().snapshot(&key()).calls, 0);
    let mut response = service.clone().oneshot(request()).await.unwrap();
    response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(layer.handle().snapshot(&key()).calls, 0);
    drop(response);
    assert_eq!(layer.handle().snapshot(&key()).calls, 1);
}

/// Takes `!` for an error event.
#[derive(Debug)]
struct Events;

impl Watch for Events {
    fn data(&mut self, data: &Bytes, record: &mut Record) -> bool {
        if data == "!" {
            record.failure = Some("an event says so".into());
        }
        data != ":" && data != "!"
    }

    fn end(&mut self, _: End, _: &mut Record) -> Option<Deferred> {
        None
    }
}

fn events(_: &Parts) -> Option<Events> {
    Some(Events)
}

#[tokio::test(start_paused = true)]
async fn an_error_event_is_a_failure_though_the_body_ends_well() {
    let layer = quick();
    let inner = ScriptedService::new([body(ScriptedBody::new().data("a").data("!"))]);
    let service = ServiceBuilder::new()
        .layer(layer.clone())
        .layer(ObserveLayer::new(events))
        .service(inner);

    assert_eq!(call(&service).await.unwrap(), "a!");

    assert_eq!(state(&layer), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_probe_succeeds_when_its_answer_has_begun_and_not_with_a_comment() {
    let rules = Rules::new()
        .in_a_row(NonZeroU32::MIN)
        .probes(NonZeroU32::MIN);
    let layer = BreakerLayer::new().rules(rules);
    layer.handle().trip(&key());
    tokio::time::advance(OPEN).await;
    let stream = ScriptedBody::new().data(":").data("a").stall();
    let service = ServiceBuilder::new()
        .layer(layer.clone())
        .layer(ObserveLayer::new(events))
        .service(ScriptedService::new([body(stream)]));

    let mut response = service.oneshot(request()).await.unwrap();
    assert_eq!(state(&layer), CircuitState::HalfOpen);
    response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(state(&layer), CircuitState::HalfOpen);
    response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(state(&layer), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn h9_of_a_thousand_callers_exactly_three_are_probes() {
    let layer = BreakerLayer::new();
    layer.handle().trip(&key());
    tokio::time::advance(OPEN).await;
    let answers = (0..1000).map(|_| {
        let response = Response::new(ScriptedBody::new().data("a"));
        Step::RespondAfter(Duration::from_secs(1), response)
    });
    let inner = ScriptedService::new(answers);
    let service = layer.layer(inner.clone());

    let all = (0..1000).map(|_| call(&service));
    let results = futures_util::future::join_all(all).await;

    assert_eq!(inner.calls(), 3);
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3);
    assert_eq!(state(&layer), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn h9_probes_that_are_cancelled_in_any_place_never_wedge_it() {
    let layer = BreakerLayer::new();
    layer.handle().trip(&key());
    tokio::time::advance(OPEN).await;
    let hung = ScriptedService::new((0..2000).map(|call| match call % 2 {
        0 => Step::Hang,
        _ => body(ScriptedBody::new().stall()),
    }));
    let service = layer.layer(hung.clone());
    for round in 0..1000 {
        let mut probes: Vec<_> = (0..3)
            .map(|_| tokio_test::task::spawn(service.clone().oneshot(request())))
            .collect();
        let mut answers = Vec::new();
        // Some are dropped before they are polled, some in the call, some with a body in hand.
        for probe in probes.iter_mut().take(round % 4) {
            answers.push(probe.poll());
        }
        assert!(hung.in_flight() <= 3);
    }

    let well = layer.layer(ScriptedService::default());
    for _ in 0..3 {
        call(&well).await.unwrap();
    }
    assert_eq!(state(&layer), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn circuits_are_apart_and_live_in_the_layer() {
    let layer = quick();
    let service = layer.layer(ScriptedService::new([failed(503)]));
    call(&service).await.unwrap();

    let elsewhere = Request::get("http://b.example/")
        .body(ReqBody::empty())
        .unwrap();
    assert!(service.oneshot(elsewhere).await.is_ok());
    let clone = layer.clone().layer(ScriptedService::default());
    assert!(call(&clone).await.is_err(), "clones share");
    let other = quick().layer(ScriptedService::default());
    assert!(call(&other).await.is_ok(), "two layers do not");
    let names: Vec<_> = layer
        .handle()
        .snapshots()
        .into_iter()
        .map(|it| it.0)
        .collect();
    assert_eq!(names, ["a.example".into(), "b.example".into()]);
}

#[tokio::test(start_paused = true)]
async fn the_handle_reads_trips_and_resets() {
    let layer = BreakerLayer::new();
    let handle = layer.handle();
    let service = layer.layer(ScriptedService::default());
    assert_eq!(handle.snapshot(&key()).state, CircuitState::Closed);

    handle.trip(&key());
    assert_eq!(handle.snapshot(&key()).retry_after, Some(OPEN));
    assert!(call(&service).await.is_err());
    handle.reset(&key());
    assert!(call(&service).await.is_ok());
    assert_eq!(handle.snapshot(&key()).calls, 1);
}

#[tokio::test(start_paused = true)]
async fn f7_a_million_parts_take_bounded_memory_and_those_that_fail_are_kept() {
    // A hundredth here.
    let layer = quick()
        .max_partitions(10)
        .partition(|request: &Request<ReqBody>| Some(PartitionKey::new(request.uri().path())));
    let inner = ScriptedService::new([failed(503)]);
    let service = layer.layer(inner);
    let at = |path: &str| Request::get(path).body(ReqBody::empty()).unwrap();
    service.clone().oneshot(at("/bad")).await.unwrap();

    for part in 0..10_000 {
        let response = service
            .clone()
            .oneshot(at(&format!("/{part}")))
            .await
            .unwrap();
        response.into_body().collect().await.unwrap();
    }

    assert!(layer.handle().snapshots().len() <= 10);
    assert!(service.oneshot(at("/bad")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_request_of_no_part_and_parts_beyond_the_bound_pass_through() {
    let none = quick().partition(|_: &Request<ReqBody>| None);
    let service = none.layer(ScriptedService::new([failed(503), failed(503)]));
    call(&service).await.unwrap();
    call(&service).await.unwrap();
    assert!(none.handle().snapshots().is_empty());

    let zero = quick().max_partitions(0);
    let service = zero.layer(ScriptedService::new([failed(503), failed(503)]));
    call(&service).await.unwrap();
    call(&service).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_classification_of_ones_own_decides() {
    let teapots = |reply: &Reply<'_>| match reply.status() {
        Some(StatusCode::IM_A_TEAPOT) => Class::Transient,
        _ => Class::Success,
    };
    let rules = Rules::new().in_a_row(NonZeroU32::MIN);
    let layer = BreakerLayer::new().classify(teapots).rules(rules);
    let service = layer.layer(ScriptedService::new([failed(503), failed(418)]));

    call(&service).await.unwrap();
    assert_eq!(layer.handle().snapshot(&key()).state, CircuitState::Closed);
    call(&service).await.unwrap();
    assert_eq!(layer.handle().snapshot(&key()).state, CircuitState::Open);
    let states = [
        CircuitState::Closed,
        CircuitState::Open,
        CircuitState::HalfOpen,
    ];
    assert_eq!(states.map(|state| layer.handle().count(state)), [0, 1, 0]);
}

#[test]
fn a_refusal_needs_no_runtime_and_no_readiness() {
    let layer = quick();
    layer.handle().trip(&key());
    let inner = ScriptedService::new([Step::NotReady("closed")]);
    let mut future = tokio_test::task::spawn(layer.layer(inner).oneshot(request()));

    assert!(future.poll().is_ready());
}

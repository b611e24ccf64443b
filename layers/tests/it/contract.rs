//! The laws that every layer keeps, written once. A layer joins by a line in `contract!`.
//!
//! Each line gives a name and a way to wrap any inner service. What a layer does beside these laws is
//! tested where it stands.

use std::{future::Future, time::Duration};

use blossom_layers::{
    BoxError,
    backoff::Backoff,
    body::{End, ReqBody},
    breaker::BreakerLayer,
    buffer::BufferLayer,
    cache::{CacheLayer, tier::MemoryTier},
    coalesce::CoalesceLayer,
    estimate::{EstimateLayer, clamp::ClampLayer},
    limit::{
        concurrency::ConcurrencyLimitLayer,
        rate::{Quota, RateLimitLayer},
    },
    load_shed::LoadShedLayer,
    metrics::MetricsLayer,
    observe::ObserveLayer,
    respond::RespondLayer,
    retry::{RetryLayer, Standard},
    server_timing::ServerTimingLayer,
    spend::SpendLayer,
    test_util::{BodyLog, ReadyProbe, ScriptedBody, ScriptedService, Step},
    timeout::{
        FirstEventTimeoutLayer, GrpcTimeoutLayer, HeadTimeoutLayer, IdleTimeoutLayer,
        TotalTimeoutLayer,
    },
    trace::{TraceLayer, W3c},
    types::{CacheKey, Deferred, Nanos, Quote, Record, Scope, TokenEstimate, Watch},
};
use bytes::Bytes;
use http::{Request, Response, response::Parts};
use http_body::Body;
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt};

const LONG: Duration = Duration::from_secs(3600);

/// Learns nothing.
#[derive(Debug)]
struct Blind;

impl Watch for Blind {
    fn data(&mut self, _: &Bytes, _: &mut Record) -> bool {
        true
    }

    fn end(&mut self, _: End, _: &mut Record) -> Option<Deferred> {
        None
    }
}

fn blind(_: &Parts) -> Option<Blind> {
    Some(Blind)
}

/// Retries without a wait, so that no test waits.
fn at_once() -> Standard {
    Standard::new().backoff(Backoff::new(Duration::ZERO, Duration::ZERO))
}

fn four(_: &Request<ReqBody>) -> Option<TokenEstimate> {
    Some(TokenEstimate::new(4))
}

fn request() -> Request<ReqBody> {
    Request::new(ReqBody::from("ask"))
}

/// All requests are equal, and none are.
fn same(_: &Request<ReqBody>) -> Option<CacheKey> {
    Some(CacheKey::new([0; 32]))
}

fn none(_: &Request<ReqBody>) -> Option<CacheKey> {
    None
}

/// One answer with this body, and what is done to the body.
fn scripted(body: ScriptedBody) -> (ScriptedService, BodyLog) {
    let log = body.log();
    (ScriptedService::once(body), log)
}

/// All texts of an error and its sources.
fn texts(error: impl Into<BoxError>) -> String {
    let error = error.into();
    let mut next: Option<&dyn std::error::Error> = Some(&*error);
    let mut all = String::new();
    while let Some(error) = next {
        all.push_str(&error.to_string());
        next = error.source();
    }
    all
}

/// What must hold of the types.
fn is_well_typed<L, S, B, F>(layer: &L, service: &S, future: &F, body: &B, most_bytes: usize)
where
    L: std::fmt::Debug + Clone + Send + Sync,
    S: std::fmt::Debug + Clone + Send + Sync + Unpin,
    F: Future + Send,
    B: std::fmt::Debug + Send,
{
    assert!(!format!("{layer:?}{service:?}{body:?}").is_empty());
    let size = size_of_val(future);
    assert!(size <= most_bytes, "the future has {size} bytes");
}

macro_rules! contract {
    ($($name:ident: $layer:expr, future: $most_bytes:expr, errors: $errors:ident;)*) => {$(
        mod $name {
            use super::*;

            #[tokio::test]
            async fn drives_the_readied_inner_service() {
                let mut service = $layer.layer(ReadyProbe::default());
                for _ in 0..3 {
                    let ready = ServiceExt::<Request<ReqBody>>::ready(&mut service).await.unwrap();
                    ready.call(request()).await.unwrap();
                }
            }

            #[tokio::test]
            async fn polling_readiness_again_changes_nothing() {
                let mut service = $layer.layer(ReadyProbe::default());
                for _ in 0..3 {
                    ServiceExt::<Request<ReqBody>>::ready(&mut service).await.unwrap();
                }
                service.call(request()).await.unwrap();
            }

            #[tokio::test]
            async fn a_service_made_ready_may_be_dropped() {
                let inner = ScriptedService::default();
                let mut service = $layer.layer(inner.clone());
                ServiceExt::<Request<ReqBody>>::ready(&mut service).await.unwrap();
                drop(service);
                assert_eq!((inner.calls(), inner.in_flight()), (0, 0));
            }

            #[tokio::test]
            async fn a_dropped_future_releases_the_inner_one() {
                let inner = ScriptedService::new([Step::Hang]);
                let service = $layer.layer(inner.clone());
                let mut future = tokio_test::task::spawn(service.oneshot(request()));
                assert!(future.poll().is_pending());
                assert_eq!(inner.in_flight(), 1);
                drop(future);
                assert_eq!(inner.in_flight(), 0);
            }

            #[tokio::test]
            async fn a_dropped_body_is_released() {
                let (inner, log) = scripted(ScriptedBody::new().data("a").data("b"));
                let body = $layer.layer(inner).oneshot(request()).await.unwrap().into_body();
                let mut body = Box::pin(body);
                body.frame().await.unwrap().unwrap();
                assert!(!log.dropped());
                drop(body);
                assert!(log.dropped());
            }

            #[tokio::test]
            async fn frames_trailers_and_their_order_pass_through() {
                let (inner, _) = scripted(
                    ScriptedBody::new().data("a").data("b").trailer("grpc-status", "0"),
                );
                let body = $layer.layer(inner).oneshot(request()).await.unwrap().into_body();
                let mut body = Box::pin(body);
                for text in ["a", "b"] {
                    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), text);
                }
                let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
                assert_eq!(trailers["grpc-status"], "0");
                assert!(body.frame().await.is_none());
            }

            #[tokio::test]
            async fn length_and_end_pass_through() {
                let (inner, _) = scripted(ScriptedBody::new().data("abc").sized());
                let body = $layer.layer(inner).oneshot(request()).await.unwrap().into_body();
                let mut body = Box::pin(body);
                assert_eq!(body.size_hint().exact(), Some(3));
                assert!(!body.is_end_stream());
                body.frame().await.unwrap().unwrap();
                assert!(body.is_end_stream());
            }

            #[tokio::test]
            async fn an_error_of_the_body_is_preserved_and_given_once() {
                let (inner, _) = scripted(ScriptedBody::new().data("a").error("the cause"));
                let body = $layer.layer(inner).oneshot(request()).await.unwrap().into_body();
                let mut body = Box::pin(body);
                body.frame().await.unwrap().unwrap();
                let error = body.frame().await.unwrap().unwrap_err();
                assert!(texts(error).contains("the cause"));
            }

            #[tokio::test]
            async fn the_head_of_the_response_is_preserved() {
                let mut response = Response::new(ScriptedBody::new().sized());
                *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
                response.headers_mut().insert("x-kept", http::HeaderValue::from_static("1"));
                let inner = ScriptedService::new([Step::Respond(response)]);
                let response = $layer.layer(inner).oneshot(request()).await.unwrap();
                assert_eq!(response.status(), http::StatusCode::IM_A_TEAPOT);
                assert_eq!(response.headers()["x-kept"], "1");
            }

            #[tokio::test]
            async fn the_types_are_sound() {
                let layer = $layer;
                let service = layer.layer(ScriptedService::default());
                let future = service.clone().call_when_ready();
                let body = service.clone().oneshot(request()).await.unwrap().into_body();
                is_well_typed(&layer, &service, &future, &body, $most_bytes);
            }

            contract!(@errors $errors, $layer);
        }
    )*};

    // Layers that pass errors on.
    (@errors passed, $layer:expr) => {
        #[tokio::test]
        async fn an_error_of_the_call_is_preserved() {
            let inner = ScriptedService::new([Step::Fail("the cause")]);
            let error = $layer.layer(inner).oneshot(request()).await.unwrap_err();
            assert!(texts(error).contains("the cause"));
        }

        #[tokio::test]
        async fn an_error_of_readiness_is_preserved() {
            let inner = ScriptedService::new([Step::NotReady("the cause")]);
            let error = $layer.layer(inner).oneshot(request()).await.unwrap_err();
            assert!(texts(error).contains("the cause"));
        }
    };

    // Layers that send again before they pass an error on.
    (@errors repeated, $layer:expr) => {
        #[tokio::test]
        async fn the_last_error_of_the_call_is_preserved() {
            let steps = [Step::Fail("one"), Step::Fail("two"), Step::Fail("the cause")];
            let inner = ScriptedService::new(steps);
            let error = $layer.layer(inner).oneshot(request()).await.unwrap_err();
            assert!(texts(error).contains("the cause"));
        }

        #[tokio::test]
        async fn an_error_of_readiness_is_preserved() {
            let inner = ScriptedService::new([Step::NotReady("the cause")]);
            let error = $layer.layer(inner).oneshot(request()).await.unwrap_err();
            assert!(texts(error).contains("the cause"));
        }
    };

    // Layers that answer for errors.
    (@errors answered, $layer:expr) => {
        #[tokio::test]
        async fn an_error_becomes_an_answer() {
            for step in [Step::Fail("the cause"), Step::NotReady("the cause")] {
                let inner = ScriptedService::new([step]);
                let response = $layer.layer(inner).oneshot(request()).await.unwrap();
                assert!(response.status().is_server_error());
            }
        }
    };
}

/// The future of a call, to be measured.
trait CallWhenReady: Service<Request<ReqBody>> + Sized {
    fn call_when_ready(mut self) -> Self::Future {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(self.poll_ready(&mut cx).is_ready());
        self.call(request())
    }
}

impl<S: Service<Request<ReqBody>>> CallWhenReady for S {}

contract! {
    breaker: BreakerLayer::new(), future: 320, errors: passed;
    buffer: BufferLayer::new(), future: 448, errors: passed;
    cache: CacheLayer::new(MemoryTier::new(1 << 20), same, Scope::fixed("a")),
        future: 512, errors: passed;
    cache_bypassed: CacheLayer::new(MemoryTier::new(0), none, Scope::fixed("a")),
        future: 512, errors: passed;
    coalesce: CoalesceLayer::new(same, Scope::fixed("a")), future: 512, errors: passed;
    coalesce_bypassed: CoalesceLayer::new(none, Scope::fixed("a")), future: 512, errors: passed;
    estimate: EstimateLayer::new(four).warn_above(3), future: 96, errors: passed;
    estimate_clamp: ClampLayer::new(|_: &mut Request<ReqBody>| ()), future: 64, errors: passed;
    limit_concurrency: ConcurrencyLimitLayer::new(8), future: 336, errors: passed;
    limit_rate: RateLimitLayer::new([Quota::tokens(99, LONG)]).learn(), future: 400, errors: passed;
    load_shed: LoadShedLayer::new(), future: 64, errors: passed;
    metrics: MetricsLayer::new(), future: 64, errors: passed;
    observe: ObserveLayer::new(blind), future: 64, errors: passed;
    respond: RespondLayer::new(), future: 96, errors: answered;
    retry: RetryLayer::new(at_once()), future: 640, errors: repeated;
    server_timing: ServerTimingLayer::new(), future: 64, errors: passed;
    spend: SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(1))), future: 448, errors: passed;
    spend_savings: SpendLayer::new(|_: &Quote, _: &Record| None).savings(), future: 160, errors: passed;
    timeout_head: HeadTimeoutLayer::new(LONG), future: 192, errors: passed;
    timeout_first_event: FirstEventTimeoutLayer::new(LONG), future: 208, errors: passed;
    timeout_grpc: GrpcTimeoutLayer::new().always(), future: 64, errors: passed;
    timeout_idle: IdleTimeoutLayer::new(LONG), future: 64, errors: passed;
    timeout_unread: IdleTimeoutLayer::new(LONG).max_unread(LONG), future: 64, errors: passed;
    timeout_total: TotalTimeoutLayer::new(LONG), future: 208, errors: passed;
    trace_call: TraceLayer::call(), future: 64, errors: passed;
    trace_attempt: TraceLayer::attempt().propagate(W3c::default()), future: 64, errors: passed;
}

//! Exports over OTLP, to a receiver on loopback.

use std::{
    future::{Ready, ready},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use blossom::{Blossom, otel::Otel, protocol::Message, sandbox::Sandbox};
use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::{Metric, metric::Data},
    trace::v1::Span,
};
use prost::Message as _;
use tokio::net::TcpListener;
use tracing_subscriber::layer::SubscriberExt as _;

/// What a collector was sent.
#[derive(Debug, Clone, Default)]
struct Received {
    spans: Arc<Mutex<Vec<Span>>>,
    metrics: Arc<Mutex<Vec<Metric>>>,
    services: Arc<Mutex<Vec<String>>>,
}

impl Received {
    fn traces(State(received): State<Self>, body: Bytes) -> Ready<()> {
        let export = ExportTraceServiceRequest::decode(body).unwrap();
        for resource in export.resource_spans {
            let attributes = resource.resource.unwrap().attributes;
            let name = string(&attributes, "service.name").unwrap();
            received.services.lock().unwrap().push(name);
            let spans = resource
                .scope_spans
                .into_iter()
                .flat_map(|scope| scope.spans);
            received.spans.lock().unwrap().extend(spans);
        }
        ready(())
    }

    fn metrics(State(received): State<Self>, body: Bytes) -> Ready<()> {
        let export = ExportMetricsServiceRequest::decode(body).unwrap();
        for resource in export.resource_metrics {
            let metrics = resource
                .scope_metrics
                .into_iter()
                .flat_map(|scope| scope.metrics);
            received.metrics.lock().unwrap().extend(metrics);
        }
        ready(())
    }

    /// A collector on a thread of its own, as it would be elsewhere; its base URL.
    fn collect(&self) -> String {
        let received = self.clone();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let app = Router::new()
                    .route("/v1/traces", post(Self::traces))
                    .route("/v1/metrics", post(Self::metrics))
                    .with_state(received);
                axum::serve(listener, app).await.unwrap();
            });
        });
        format!("http://{}/", told.recv().unwrap())
    }
}

impl Received {
    /// A call that continues the incoming trace, and its attempt, which the upstream saw as `context`.
    fn assert_spans(&self, context: &str) {
        let spans = self.spans.lock().unwrap().clone();
        let (call, attempt) = (span(&spans, "chat openai"), span(&spans, "attempt"));
        let incoming: Vec<_> = INCOMING.split('-').collect();
        assert_eq!(hex(&call.trace_id), incoming[1], "the trace is continued");
        assert_eq!(hex(&call.parent_span_id), incoming[2]);
        assert_eq!(attempt.trace_id, call.trace_id);
        assert_eq!(attempt.parent_span_id, call.span_id);
        assert_eq!(context.split('-').nth(2), Some(&*hex(&attempt.span_id)));
        for (name, value) in [
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.request.model", "openai"),
        ] {
            assert_eq!(string(&call.attributes, name).as_deref(), Some(value));
        }
        assert_eq!(call.kind, 3, "a client's");
    }

    fn assert_figures(&self) {
        let metrics = self.metrics.lock().unwrap().clone();
        let named = |name: &str| metrics.iter().find(|metric| metric.name == name).unwrap();
        let duration = named("gen_ai.client.operation.duration");
        assert_eq!(duration.unit, "s");
        let Some(Data::Histogram(histogram)) = &duration.data else {
            panic!("{duration:?}");
        };
        let point = &histogram.data_points[0];
        assert_eq!((point.count, point.explicit_bounds[0]), (1, 0.01));
        assert_eq!(named("gen_ai.client.token.usage").unit, "{token}");
        assert!(matches!(
            named("blossom.calls.ended").data,
            Some(Data::Sum(_))
        ));
        assert!(matches!(
            named("blossom.calls.in_flight").data,
            Some(Data::Gauge(_))
        ));
    }
}

fn string(attributes: &[KeyValue], name: &str) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.key == name)?;
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        other => Some(format!("{other:?}")),
    }
}

fn span<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found = spans.iter().find(|span| span.name == name);
    found.unwrap_or_else(|| panic!("no span {name}: {spans:?}"))
}

#[tokio::test]
async fn spans_and_figures_reach_a_collector_and_the_upstream_knows_their_ids() {
    let received = Received::default();
    let otel = Otel::builder()
        .endpoint(received.collect())
        .service_name("shop")
        .build()
        .unwrap();
    let subscriber = tracing_subscriber::registry().with(otel.layer());
    let sandbox = Sandbox::start().unwrap();
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .propagate_trace(otel.propagate())
        .build()
        .unwrap();

    {
        let _subscribed = tracing::subscriber::set_default(subscriber);
        let recorder = otel.recorder();
        let _recorded = metrics::set_default_local_recorder(&recorder);
        let chat = client.text().chat([Message::user("Tell me of rivers")]);
        let chat = chat.model("openai").header("traceparent", INCOMING);
        chat.await.unwrap();
    }
    // The exporters have threads of their own; nothing of theirs needs this one.
    otel.shutdown().unwrap();

    assert_eq!(received.services.lock().unwrap().first().unwrap(), "shop");
    let sent = sandbox.requests();
    received.assert_spans(sent[0].header("traceparent").unwrap());
    received.assert_figures();
}

#[tokio::test]
async fn a_collector_that_is_away_harms_no_call_and_is_told() {
    let otel = Otel::builder()
        .endpoint("http://127.0.0.1:1")
        .timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    let subscriber = tracing_subscriber::registry().with(otel.layer());
    let sandbox = Sandbox::start().unwrap();
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .build()
        .unwrap();

    let _subscribed = tracing::subscriber::set_default(subscriber);
    client.text().generate("Hi").await.unwrap();

    assert!(otel.flush().is_err());
}

#[test]
fn an_endpoint_that_is_no_url_is_refused_and_not_shown() {
    let error = Otel::builder()
        .endpoint("http://CANARY host")
        .build()
        .unwrap_err();
    assert!(!format!("{error} {error:?}").contains("CANARY"));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const INCOMING: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

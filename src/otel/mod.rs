//! Exports spans and figures over OTLP, the protocol of OpenTelemetry collectors.
//!
//! HTTP with protobuf, through the [`Transport`] of this crate: no other HTTP client comes with it.
//! [`Otel`] holds the exporters. Its [`layer`](Otel::layer) takes spans from `tracing`, its
//! [`recorder`](Otel::recorder) figures from the `metrics` facade, its
//! [`propagate`](Otel::propagate) gives requests the ids of the exported spans. Each can be used
//! alone; [`install`](Otel::install) sets the first two for the whole program.
//!
//! Spans and figures of the whole program are exported, not only those of this crate; filter them with
//! the means of `tracing-subscriber`. Exports run on threads of the OpenTelemetry SDK, with a runtime
//! of their own: they take no time of the program's, and what cannot be delivered is dropped.
//!
//! ```no_run
//! use blossom::{Blossom, otel::Otel};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let otel = Otel::builder().service_name("shop").build()?;
//! otel.install()?;
//! let client = Blossom::builder().api_key("sk_..").propagate_trace(otel.propagate()).build()?;
//! // .. and at the end of the program:
//! otel.shutdown()?;
//! # let _ = client;
//! # Ok(())
//! # }
//! ```
//!
//! The OpenTelemetry SDK reads `OTEL_*` variables of the environment for what has no setting here:
//! sizes of batches, compression, and headers of its own. What is set here prevails.

mod export;
mod recorder;

use std::{error, fmt, num::NonZeroU64, num::NonZeroU128, time::Duration};

use opentelemetry::{
    Context, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, TraceContextExt as _, TraceState, TracerProvider as _},
};
use opentelemetry_otlp::{Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    metrics::{PeriodicReader, SdkMeterProvider},
    trace::SdkTracerProvider,
};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{Layer, layer::SubscriberExt as _, registry::LookupSpan};

use self::export::Exporter;
pub use self::recorder::OtelRecorder;
use crate::{
    layers::{
        BoxError,
        trace::{Propagate, TraceContext},
    },
    transport::Transport,
};

/// Exporters of spans and figures. See the [module docs](self).
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use blossom::otel::Otel;
///
/// let otel = Otel::builder().endpoint("http://127.0.0.1:4318").service_name("my-app").build()?;
/// # drop(otel);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Otel {
    tracers: SdkTracerProvider,
    meters: SdkMeterProvider,
}

impl Otel {
    /// Begins exporters.
    pub fn builder() -> OtelBuilder {
        OtelBuilder::default()
    }

    /// A layer for `tracing-subscriber` that exports spans.
    #[must_use]
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.tracers.tracer("blossom"))
            // A parent that comes from elsewhere is set when the span is entered already.
            .with_context_activation(false)
    }

    /// A recorder for the `metrics` facade that exports figures.
    #[must_use]
    pub fn recorder(&self) -> OtelRecorder {
        OtelRecorder::new(&self.meters)
    }

    /// The trace context of exported spans, for
    /// [`propagate_trace`](crate::Builder::propagate_trace). A trace that came in with a request is
    /// continued.
    #[must_use]
    pub const fn propagate(&self) -> OtelContext {
        OtelContext(())
    }

    /// Sets the layer and the recorder for the whole program.
    ///
    /// # Errors
    ///
    /// [`OtelError`] if there is a subscriber or a recorder already. Then add
    /// [`layer`](Self::layer) to that subscriber, and the rest by hand.
    pub fn install(&self) -> Result<(), OtelError> {
        let subscriber = tracing_subscriber::registry().with(self.layer());
        tracing::subscriber::set_global_default(subscriber)
            .map_err(|error| OtelError::new("there is a subscriber already", error))?;
        metrics::set_global_recorder(self.recorder())
            .map_err(|_| OtelError::new("there is a recorder already", "recorder"))
    }

    /// Exports what there is, and waits for it.
    ///
    /// # Errors
    ///
    /// [`OtelError`] if it cannot be delivered.
    pub fn flush(&self) -> Result<(), OtelError> {
        let spans = self.tracers.force_flush();
        let figures = self.meters.force_flush();
        spans
            .and(figures)
            .map_err(|error| OtelError::new("not everything was exported", error))
    }

    /// Exports what there is, and ends. Nothing is exported after it.
    ///
    /// # Errors
    ///
    /// [`OtelError`] if it cannot be delivered, or was ended before.
    pub fn shutdown(&self) -> Result<(), OtelError> {
        let spans = self.tracers.shutdown();
        let figures = self.meters.shutdown();
        spans
            .and(figures)
            .map_err(|error| OtelError::new("not everything was exported", error))
    }
}

/// Settings of [`Otel`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct OtelBuilder {
    endpoint: String,
    service_name: String,
    interval: Duration,
    timeout: Duration,
    transport: Option<Transport>,
}

impl Default for OtelBuilder {
    fn default() -> Self {
        Self {
            endpoint: "http://127.0.0.1:4318".to_owned(),
            service_name: "blossom".to_owned(),
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(10),
            transport: None,
        }
    }
}

impl OtelBuilder {
    /// The collector's base URL, to which `/v1/traces` and `/v1/metrics` are added. Default:
    /// `http://127.0.0.1:4318`, where collectors listen.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = endpoint.into();
        self
    }

    /// `service.name` of all that is exported. Default: `blossom`.
    pub fn service_name(mut self, service_name: impl Into<String>) -> Self {
        self.service_name = service_name.into();
        self
    }

    /// How often figures are exported. Default: 60 s.
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How long one export may take. Default: 10 s.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Exports through `transport`: for a collector with a key, a certificate of its own, or plain
    /// HTTP beyond this machine. Default: one that takes plain HTTP for loopback only.
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Builds the exporters. Opens no connection.
    ///
    /// # Errors
    ///
    /// [`OtelError`] if the endpoint is no URL, or the machine gives no threads.
    pub fn build(self) -> Result<Otel, OtelError> {
        let wrong = |error: BoxError| OtelError::new("the exporters cannot be built", error);
        let transport = match self.transport {
            Some(transport) => transport,
            None => Transport::builder()
                .build()
                .map_err(|error| wrong(error.into()))?,
        };
        let exporter = || Exporter::new(transport.clone(), self.timeout).map_err(wrong);
        let base = self.endpoint.trim_end_matches('/');
        if base.parse::<http::Uri>().is_err() {
            // Not shown: it may hold a secret.
            return Err(wrong("the endpoint is no URL".into()));
        }
        let spans = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(exporter()?)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(self.timeout)
            .with_endpoint(format!("{base}/v1/traces"))
            .build()
            .map_err(|error| wrong(error.into()))?;
        let figures = opentelemetry_otlp::MetricExporter::builder()
            .with_http()
            .with_http_client(exporter()?)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(self.timeout)
            .with_endpoint(format!("{base}/v1/metrics"))
            .build()
            .map_err(|error| wrong(error.into()))?;
        let resource = Resource::builder_empty()
            .with_service_name(self.service_name)
            .build();
        let reader = PeriodicReader::builder(figures)
            .with_interval(self.interval)
            .build();
        Ok(Otel {
            tracers: SdkTracerProvider::builder()
                .with_batch_exporter(spans)
                .with_resource(resource.clone())
                .build(),
            meters: SdkMeterProvider::builder()
                .with_reader(reader)
                .with_resource(resource)
                .build(),
        })
    }
}

/// The trace context of exported spans. See [`Otel::propagate`].
#[derive(Debug, Clone, Copy)]
pub struct OtelContext(());

impl Propagate for OtelContext {
    fn context(&self, incoming: Option<TraceContext>) -> Option<TraceContext> {
        let span = tracing::Span::current();
        if let Some(incoming) = incoming {
            // A span that has begun already keeps the parent that it has.
            span.set_parent(remote(incoming)).ok();
        }
        let context = span.context();
        let span = context.span();
        let ids = span.span_context();
        Some(TraceContext::new(
            NonZeroU128::new(u128::from_be_bytes(ids.trace_id().to_bytes()))?,
            NonZeroU64::new(u64::from_be_bytes(ids.span_id().to_bytes()))?,
            ids.is_sampled(),
        ))
    }
}

fn remote(incoming: TraceContext) -> Context {
    let flags = if incoming.is_sampled() {
        TraceFlags::SAMPLED
    } else {
        TraceFlags::default()
    };
    Context::new().with_remote_span_context(SpanContext::new(
        TraceId::from_bytes(incoming.trace_id().get().to_be_bytes()),
        SpanId::from_bytes(incoming.span_id().get().to_be_bytes()),
        flags,
        true,
        TraceState::default(),
    ))
}

/// What went wrong with exporters.
#[derive(Debug)]
pub struct OtelError {
    what: &'static str,
    source: BoxError,
}

impl OtelError {
    fn new(what: &'static str, source: impl Into<BoxError>) -> Self {
        Self {
            what,
            source: source.into(),
        }
    }
}

impl fmt::Display for OtelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl error::Error for OtelError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&*self.source)
    }
}

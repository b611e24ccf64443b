//! Exports spans and figures over OTLP, the protocol of OpenTelemetry collectors.
//!
//! HTTP with protobuf, through the [`Transport`](crate::transport::Transport) of this crate: no
//! other HTTP client comes with it.
//! [`Otel`] holds the exporters. Its [`layer`](Otel::layer) takes spans from `tracing`, its
//! [`recorder`](Otel::recorder) figures from the `metrics` facade, its
//! [`propagate`](Otel::propagate) gives requests the ids of the exported spans. Each can be used
//! alone; [`install`](Otel::install) sets the first two for the whole program.
//!
//! Spans and figures of the whole program are exported, not only those of this crate; filter them with
//! the means of `tracing-subscriber`. Exports run on threads of the OpenTelemetry SDK, with a runtime
//! of their own: they take no time of the program's, and what cannot be delivered is dropped.
//!
//! ```
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

mod builder;
mod export;
mod recorder;

use std::{error, fmt, num::NonZeroU64, num::NonZeroU128};

use opentelemetry::{
    Context, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, TraceContextExt as _, TraceState, TracerProvider as _},
};
use opentelemetry_sdk::{metrics::SdkMeterProvider, trace::SdkTracerProvider};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{Layer, layer::SubscriberExt as _, registry::LookupSpan};

pub use self::{builder::OtelBuilder, recorder::OtelRecorder};
use crate::layers::{
    BoxError,
    trace::{Propagate, TraceContext},
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
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::otel::Otel;
    /// let otel = Otel::builder().service_name("shop").build()?;
    /// assert!(otel.flush().is_ok(), "there is nothing to export yet");
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> OtelBuilder {
        OtelBuilder::default()
    }

    /// A layer for `tracing-subscriber` that exports spans.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::{layers::trace::Propagate, otel::Otel, sandbox::Sandbox};
    /// use tracing_subscriber::layer::SubscriberExt;
    ///
    /// # let sandbox = Sandbox::start()?;
    /// let otel = Otel::builder().endpoint(sandbox.base_url()).build()?;
    /// let subscriber = tracing_subscriber::registry().with(otel.layer());
    /// tracing::subscriber::with_default(subscriber, || tracing::info_span!("shopping").in_scope(|| ()));
    /// assert!(otel.flush().is_err(), "the sandbox is no collector");
    /// assert_eq!(sandbox.requests()[0].path(), "/v1/traces");
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::{otel::Otel, sandbox::Sandbox};
    /// # let sandbox = Sandbox::start()?;
    /// let otel = Otel::builder().endpoint(sandbox.base_url()).build()?;
    /// metrics::with_local_recorder(&otel.recorder(), || metrics::counter!("sold").increment(1));
    /// assert!(otel.flush().is_err(), "the sandbox is no collector");
    /// assert_eq!(sandbox.requests()[0].path(), "/v1/metrics");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn recorder(&self) -> OtelRecorder {
        OtelRecorder::new(&self.meters)
    }

    /// The trace context of exported spans, for
    /// [`propagate_trace`](crate::Builder::propagate_trace). A trace that came in with a request is
    /// continued.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # use blossom::{layers::trace::Propagate, otel::Otel};
    /// # // Nobody listens there.
    /// # let otel = Otel::builder().endpoint("http://127.0.0.1:1").build()?;
    /// let client = blossom::Blossom::builder()
    ///     .base_url(sandbox.base_url())
    ///     .propagate_trace(otel.propagate())
    ///     .build()?;
    /// assert!(otel.propagate().context(None).is_none(), "outside of all spans there is no trace");
    /// # drop(client);
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::otel::Otel;
    /// # // Nobody listens there.
    /// # let otel = Otel::builder().endpoint("http://127.0.0.1:1").build()?;
    /// assert!(otel.install().is_ok());
    /// assert!(otel.install().is_err(), "there is a subscriber already");
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::{otel::Otel, sandbox::Sandbox};
    /// # let sandbox = Sandbox::start()?;
    /// let otel = Otel::builder().endpoint(sandbox.base_url()).build()?;
    /// assert!(otel.flush().is_ok(), "there is nothing to export yet");
    /// metrics::with_local_recorder(&otel.recorder(), || metrics::counter!("sold").increment(1));
    /// assert!(otel.flush().is_err(), "the sandbox is no collector");
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::otel::Otel;
    /// # // Nobody listens there.
    /// # let otel = Otel::builder().endpoint("http://127.0.0.1:1").build()?;
    /// assert!(otel.shutdown().is_ok());
    /// assert!(otel.shutdown().is_err(), "it was ended before");
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown(&self) -> Result<(), OtelError> {
        let spans = self.tracers.shutdown();
        let figures = self.meters.shutdown();
        spans
            .and(figures)
            .map_err(|error| OtelError::new("not everything was exported", error))
    }
}

/// The trace context of exported spans. See [`Otel::propagate`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # // Nobody listens there.
/// # let otel = Otel::builder().endpoint("http://127.0.0.1:1").build()?;
/// use blossom::{layers::trace::Propagate, otel::{Otel, OtelContext}};
///
/// let context: OtelContext = otel.propagate();
/// assert!(context.context(None).is_none(), "outside of all spans there is no trace");
/// # Ok(())
/// # }
/// ```
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
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::error::Error;
///
/// use blossom::otel::{Otel, OtelError};
///
/// let error: OtelError = Otel::builder().endpoint("no URL").build().unwrap_err();
/// assert_eq!(error.source().map(|source| source.to_string()).as_deref(), Some("the endpoint is no URL"));
/// # Ok(())
/// # }
/// ```
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

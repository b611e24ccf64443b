//! Counts and measures calls, by the names of the OpenTelemetry conventions for generative AI.
//!
//! It speaks to the [`metrics`](https://docs.rs/metrics) facade: whoever installs a recorder
//! (Prometheus, OTLP, a test) gets the figures of [`METRICS`]. A duration goes to the end of the
//! *body*; a stream that is read for a minute took a minute.
//!
//! What it does not do: it does not look into bodies. Tokens come from the
//! [`Outcome`](crate::types::Outcome) that `observe` publishes, the cache's result from its
//! [`CacheStatus`](crate::types::CacheStatus), the time in queues from the
//! [`Timing`](crate::types::Timing). Without those layers the figures are left out, never guessed.
//! Tokens are counted once for each reply of the upstream: an answer from the cache, and one that was
//! shared with an equal call, count none.
//!
//! # Labels
//!
//! A [`Describe`](crate::types::Describe) policy says what a request asks for, an
//! [`ErrorType`](crate::types::ErrorType) policy which word an error is. Both may pass on what a
//! caller wrote, so the layer bounds them: at most [`max_series`](MetricsLayer::max_series)
//! combinations, all others are `other`; at most 64 words for errors, all others are `_OTHER`; no
//! word over 128 bytes, and none with control characters.
//!
//! # Levels
//!
//! What stands in handles (permits that are held, what was spent) is of no call. A [`Publisher`] reads
//! and tells it: by itself whenever a call of the layer that has it goes on
//! ([`levels`](MetricsLayer::levels)), and whenever it is asked to, as before a scrape.
//!
//! # Where it goes
//!
//! Outermost but for `trace::call`: it measures what the caller sees, queues, retries and the cache
//! included.
//!
//! ```
//! # use blossom_layers::{metrics::MetricsLayer, timeout::TotalTimeoutLayer};
//! # use tower::ServiceBuilder;
//! let stack = ServiceBuilder::new()
//!     .layer(MetricsLayer::new()) // sees the refusals of all within
//!     .layer(TotalTimeoutLayer::new(std::time::Duration::from_secs(60)));
//! # let _ = stack;
//! ```
//!
//! # Readiness
//!
//! Forwarded: `call` runs on the service that was made ready.
//!
//! # Streaming
//!
//! Frames pass in the poll in which they came; each is a look at the clock where the reply is an
//! event stream. Trailers, `size_hint` and `is_end_stream` pass through.
//!
//! # Cancellation
//!
//! A future or a body that is dropped ends its call as `canceled`, also in a panic: what was started
//! has always ended, and the gauge of calls in flight comes back.
//!
//! # Cost
//!
//! Without a recorder nothing is asked, nothing allocated, no clock read: 8 bytes in the future and
//! 16 in the body. A recorder is looked up anew for each call, so one that is installed later is
//! found; a call belongs to the recorder that was there when it began. With one, a call costs an
//! allocation, two looks at the clock, and what the recorder takes for its handles. Levels are read
//! up to four times a call, under a lock; of them only what has changed is told.
//!
//! # Example
//!
//! ```
//! # use std::convert::Infallible;
//! # use http::{Request, Response};
//! # use tower::{ServiceBuilder, ServiceExt};
//! use blossom_layers::{body::ReqBody, metrics::MetricsLayer, types::Description};
//! use metrics_util::debugging::DebuggingRecorder;
//!
//! fn describe(_: &Request<ReqBody>) -> Option<Description<'_>> {
//!     Some(Description::new("chat").provider("ours").model("small"))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let recorder = DebuggingRecorder::new();
//! let figures = recorder.snapshotter();
//! let _installed = metrics::set_default_local_recorder(&recorder);
//!
//! let service = ServiceBuilder::new()
//!     .layer(MetricsLayer::new().describe(describe))
//!     .service_fn(|_: Request<ReqBody>| async {
//!         Ok::<_, Infallible>(Response::new(ReqBody::empty()))
//!     });
//! service.oneshot(Request::new(ReqBody::empty())).await.unwrap();
//!
//! let seen = figures.snapshot().into_vec();
//! let duration = seen.iter().find(|(key, ..)| {
//!     key.key().name() == "gen_ai.client.operation.duration"
//! });
//! assert!(duration.is_some());
//! # }
//! ```
//!
//! # Sources
//!
//! [Metrics of the conventions](https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-metrics.md)
//! (status: development). Time to the first chunk and time per output chunk are of event streams
//! only, as they say.

mod body;
mod call;
mod future;
mod layer;
mod levels;
mod names;
mod publisher;
mod recorder;
mod series;
mod service;

pub use self::{
    body::ResponseBody,
    future::ResponseFuture,
    layer::MetricsLayer,
    levels::{LEVELS, Levels},
    names::{Kind, METRICS, Metric, describe, name},
    publisher::Publisher,
    service::Metrics,
};

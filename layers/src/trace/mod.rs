//! A span for each call and one for each attempt, open until the body ends.
//!
//! | layer | span | stands |
//! | --- | --- | --- |
//! | [`TraceLayer::call`] | `call`: what the caller asked for and got | outermost |
//! | [`TraceLayer::attempt`] | `attempt`, a child of the call's: one request to the upstream | inside retries |
//!
//! Spans are of level `INFO` and bear the attributes of the OpenTelemetry conventions for generative
//! AI: operation, provider and model by a [`Describe`](crate::types::Describe) policy; usage, finish
//! reason and answering model from the [`Outcome`](crate::types::Outcome) that `observe` publishes;
//! the cache's result; status; `error.type` by an [`ErrorType`](crate::types::ErrorType) policy. The
//! fields `otel.name`, `otel.kind` and `otel.status_code` are those that `tracing-opentelemetry`
//! reads.
//!
//! The id that a request bears in `x-request-id` stands in `blossom.request.id`.
//!
//! What they do not show: no other header, no path, no query string, no text of an error, and nothing of a
//! prompt or an answer unless [`content`](TraceLayer::content) asks for it.
//!
//! # Shared calls
//!
//! Where equal calls share a flight, as behind `cache` or `coalesce`, attempts are children of the call
//! that began it, whoever drives it. The span of one who joins while the upstream is at work follows from
//! (`Span::follows_from`, a link in OpenTelemetry) the span in which the flight began.
//!
//! # Trace context
//!
//! With [`propagate`](TraceLayer::propagate) the request bears a `traceparent` field
//! ([W3C Trace Context]): one that came in is continued with an id of the new span, otherwise a trace
//! begins. `tracestate` passes as it came. Off by default: the ids tell an upstream which of its
//! requests belong together.
//!
//! # Where it goes
//!
//! ```
//! # use std::time::Duration;
//! # use blossom_layers::{timeout::{HeadTimeoutLayer, TotalTimeoutLayer}, trace::*};
//! # use tower::ServiceBuilder;
//! let stack = ServiceBuilder::new()
//!     .layer(TraceLayer::call()) // outside everything: sees what the caller sees
//!     .layer(TotalTimeoutLayer::new(Duration::from_secs(600)))
//!     // .. cache, retry ..
//!     .layer(TraceLayer::attempt()) // inside retries: one span each
//!     .layer(HeadTimeoutLayer::new(Duration::from_secs(60)));
//! # let _ = stack;
//! ```
//!
//! # Readiness
//!
//! Forwarded: `call` runs on the service that was made ready.
//!
//! # Streaming
//!
//! The span is entered for each poll of the future and of the body, so that what is logged within
//! belongs to it, and it is closed when the body ends. Frames, trailers, `size_hint` and
//! `is_end_stream` pass through.
//!
//! # Cancellation
//!
//! A future or a body that is dropped closes its span, with `error.type` `canceled`. A call's span
//! is not closed before those of its attempts, as `tracing` has it: parents outlive children.
//!
//! # Cost
//!
//! Without a subscriber that wants it, a span is a look at one atomic number, and 8 bytes in the
//! future and in the body: nothing is asked and nothing allocated. With one, a call costs two
//! allocations of ours (one boxed span, one extension by which attempts find their parent) and
//! what the subscriber does. A subscriber or a policy that panics does no harm to the request.
//!
//! # Example
//!
//! ```
//! # use std::convert::Infallible;
//! # use http::{Request, Response};
//! # use tower::{ServiceBuilder, ServiceExt};
//! use blossom_layers::{
//!     body::ReqBody,
//!     trace::{TraceLayer, W3c},
//!     types::Description,
//! };
//!
//! fn describe(_: &Request<ReqBody>) -> Option<Description<'_>> {
//!     Some(Description::new("chat").model("small"))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let service = ServiceBuilder::new()
//!     .layer(TraceLayer::call().describe(describe).propagate(W3c::default()))
//!     .service_fn(|request: Request<ReqBody>| async move {
//!         assert!(request.headers().contains_key("traceparent"));
//!         Ok::<_, Infallible>(Response::new(ReqBody::empty()))
//!     });
//! service.oneshot(Request::new(ReqBody::empty())).await.unwrap();
//! # }
//! ```
//!
//! # Differences from tower-http
//!
//! `TraceLayer` closes its span at the end of the body too, and logs events on the way; its span
//! shows method and URI, query string included. Here there are no events: what there is to say stands in
//! the span.
//!
//! # Sources
//!
//! [Spans of the conventions](https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-spans.md)
//! (status: development).
//!
//! [W3C Trace Context]: https://www.w3.org/TR/trace-context/

mod body;
mod content;
mod context;
mod future;
mod layer;
mod service;
mod span;

pub use self::{
    body::ResponseBody,
    content::{Content, NoContent},
    context::{NoContext, Propagate, TraceContext, W3c},
    future::ResponseFuture,
    layer::TraceLayer,
    service::Trace,
};

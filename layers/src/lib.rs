//! Tower layers for generative HTTP services that hold until the body ends.
//!
//! Each is generic over `http::Request` and `http::Response`, and stands alone: in a client, an axum
//! application, a tonic server. A feature each, none by default; without any, the crate is [`types`]
//! and [`body`].
//!
//! | feature | what it adds | crates it pulls |
//! | --- | --- | --- |
//! | `backoff` | how long to wait before another try: full jitter, and `Retry-After` | fastrand, httpdate |
//! | `breaker` | stops calling an upstream that fails, for a while | tokio |
//! | `buffer` | turns any request body into `ReqBody` | |
//! | `cache` | answers again what has been answered before; entries and tiers | blake3, fastrand, httpdate, sha2, tokio |
//! | `cache-disk` | a tier on disk that survives the process; Unix only | redb, rustix, tokio |
//! | `cache-memory` | a tier in memory | |
//! | `coalesce` | lets equal requests in flight share one call | blake3, tokio |
//! | `estimate` | estimates prompt tokens, warns and refuses; lowers `max_tokens` | |
//! | `limit-concurrency` | limits how many calls are under way at once, to the end of their bodies | tokio |
//! | `limit-rate` | limits what is admitted in any window of a period: requests, tokens, cost | httpdate, tokio |
//! | `load-shed` | refuses at once while a service is not ready | tokio |
//! | `metrics` | counts and measures calls | metrics, tokio |
//! | `observe` | watches a body once and publishes its `Outcome` | tokio |
//! | `respond` | turns refusals into HTTP or gRPC answers | |
//! | `retry` | sends a request again when another try can help | fastrand, httpdate, tokio |
//! | `server-timing` | tells the callers of a server where the time went | tokio |
//! | `spend` | counts what calls cost, and keeps budgets | tokio |
//! | `sse` | the incremental event-stream decoder | memchr |
//! | `task` | starts work that must outlive its caller | tokio |
//! | `timeout` | four clocks: head, first event, idle, total | tokio |
//! | `tokens-bpe` | counts tokens exactly: `o200k_base`, `cl100k_base` | bpe-openai |
//! | `trace` | a span for each call and attempt, and trace context | fastrand, tracing |
//! | `test-util` | inner services and bodies for tests of layers | tokio |
//! | `full` | every one of them but `test-util` | |
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use blossom_layers::{
//!     limit::concurrency::ConcurrencyLimitLayer, respond::RespondLayer, timeout::TotalTimeoutLayer,
//! };
//! # use blossom_layers::test_util::{ScriptedBody, ScriptedService};
//! # use http::Request;
//! # use http_body_util::BodyExt;
//! # use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), blossom_layers::BoxError> {
//! # let upstream = ScriptedService::once(ScriptedBody::new().data("hello"));
//! let service = ServiceBuilder::new()
//!     .layer(RespondLayer::new()) // what is refused within is answered
//!     .layer(TotalTimeoutLayer::new(Duration::from_secs(60)))
//!     .layer(ConcurrencyLimitLayer::new(64)) // of bodies, not of heads
//!     .service(upstream);
//!
//! let Ok(response) = service.oneshot(Request::new(())).await;
//! assert_eq!(response.collect().await?.to_bytes(), "hello");
//! # Ok(())
//! # }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]
// Of the library, not of its tests and examples.
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::print_stdout,
        clippy::print_stderr,
        clippy::exit
    )
)]

#[cfg(feature = "backoff")]
pub mod backoff;
pub mod body;
#[cfg(feature = "breaker")]
pub mod breaker;
#[cfg(feature = "buffer")]
pub mod buffer;
#[cfg(feature = "cache")]
pub mod cache;
#[cfg(feature = "coalesce")]
pub mod coalesce;
#[cfg(feature = "_flight")]
mod directives;
mod error;
#[cfg(feature = "estimate")]
pub mod estimate;
#[cfg(feature = "_flight")]
pub mod flight;
#[cfg(any(feature = "limit-concurrency", feature = "limit-rate"))]
pub mod limit;
#[cfg(feature = "load-shed")]
pub mod load_shed;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "observe")]
pub mod observe;
#[cfg(feature = "_oneshot")]
mod oneshot;
#[cfg(feature = "respond")]
pub mod respond;
#[cfg(feature = "retry")]
pub mod retry;
#[cfg(feature = "server-timing")]
pub mod server_timing;
#[cfg(feature = "spend")]
pub mod spend;
#[cfg(feature = "sse")]
pub mod sse;
mod sync;
#[cfg(feature = "task")]
pub mod task;
#[cfg(any(test, feature = "test-util"))]
pub mod test_util;
#[cfg(feature = "timeout")]
pub mod timeout;
#[cfg(feature = "_timer")]
mod timer;
#[cfg(feature = "trace")]
pub mod trace;
pub mod types;

#[cfg(any(feature = "metrics", feature = "trace"))]
use self::error::boxed_ref;
pub use self::error::{BoxError, cause_ref};

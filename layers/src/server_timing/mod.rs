//! Tells the caller of a server where the time of its answer went, in `Server-Timing`.
//!
//! | entry | says, in milliseconds |
//! | --- | --- |
//! | `cache` | what the cache made of the call; a word, not a time |
//! | `queue` | how long it waited for permits, quotas and other attempts |
//! | `head` | when the upstream's head came, from the sending |
//! | `first` | when the first event with part of the answer came |
//! | `body` | when the upstream's body ended |
//!
//! The first three stand in the head, as does what is known by then of an answer that was stored. The
//! rest comes as a trailer field where there can be one: the request says `TE: trailers`, and the length
//! of the body is not known beforehand. Browsers show both in their developer tools.
//!
//! What it does not do: without an [`Outcome`](crate::types::Outcome) or a
//! [`CacheStatus`](crate::types::CacheStatus) in the response, by `observe` and a cache, it says nothing.
//!
//! # Where it goes
//!
//! In a server, inside `respond` and outside all that waits. Times tell strangers how a system works:
//! leave it out where the caller should not know.
//!
//! # Readiness
//!
//! Forwarded: `call` runs on the service that was made ready.
//!
//! # Streaming
//!
//! Frames pass as they come; a trailer field is added to the trailers that come, or makes its own.
//!
//! # Cancellation
//!
//! Dropping the future or the body drops the inner one.
//!
//! # Cost
//!
//! A look at the clock, and two allocations for the field.
//!
//! # Example
//!
//! ```
//! # use std::convert::Infallible;
//! # use http::{Request, Response};
//! # use tower::{ServiceBuilder, ServiceExt};
//! use blossom_layers::{
//!     body::ReqBody, server_timing::ServerTimingLayer, types::CacheStatus,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let service = ServiceBuilder::new()
//!     .layer(ServerTimingLayer::new())
//!     .service_fn(|_: Request<ReqBody>| async {
//!         let mut response = Response::new(ReqBody::empty());
//!         response.extensions_mut().insert(CacheStatus::Hit);
//!         Ok::<_, Infallible>(response)
//!     });
//!
//! let response = service.oneshot(Request::new(ReqBody::empty())).await.unwrap();
//! assert_eq!(response.headers()["server-timing"], "cache;desc=hit");
//! # }
//! ```
//!
//! # Sources
//!
//! [Server Timing](https://www.w3.org/TR/server-timing/); RFC 9110 section 6.5 on trailers.

mod body;
mod entries;
mod future;
mod service;

pub use self::{
    body::ResponseBody,
    future::ResponseFuture,
    service::{ServerTiming, ServerTimingLayer},
};

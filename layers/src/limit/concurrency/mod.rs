//! Limits how many calls are under way at once, from the request to the end of the body.
//!
//! All calls together, each part by itself (a tenant, a model, an upstream), or both at once in one
//! layer. Who finds no room waits in a bounded queue: first come first served within a part, in turns
//! between the parts. What does not fit into the queue is refused at once with [`Overloaded`].
//!
//! What it does not do: it does not limit how many calls begin in a time.
//!
//! # Where it goes
//!
//! Inside `retry` and the cache, so that a hit takes no permit and nobody holds one while it backs
//! off; inside `limit::rate`, so that nobody holds one while it waits for quota; outside the timeouts
//! of an attempt, so that waiting is not counted against the upstream. `timeout::total` stands
//! outside: who waits past its [`Deadline`](crate::types::Deadline) leaves the queue before the
//! upstream sees the request.
//!
//! # Readiness
//!
//! Always ready: the inner service is not touched in `poll_ready`. The future takes its permit first,
//! then readies and calls a clone. Clones of a service, and all services of a layer and its clones,
//! share one limit; two layers that were made by [`new`](ConcurrencyLimitLayer::new) share nothing.
//!
//! # Streaming
//!
//! The permit hangs on the response body, and goes back when the body ends in any of the four ways.
//! A body that is held and not read keeps its permit: see
//! `timeout::IdleTimeoutLayer::max_unread`.
//!
//! # Cancellation
//!
//! A future that is dropped gives back what it has, at any point: its place in the queue, a permit it
//! was given and has not yet seen, the permit of the call under way. The next in line is woken.
//!
//! # Cost
//!
//! Without waiting: a lock for a few instructions to take a permit and one to give it back, no
//! allocation, no clock. With parts, two look-ups in a map. Parts that have nothing under way and
//! nobody waiting are forgotten. It adds 630 instructions to a call; tower's limit, which ends at the
//! head and keeps no parts, adds 300 (callgrind, x86-64, 2026-11-25).
//!
//! # Example
//!
//! ```
//! # use std::convert::Infallible;
//! # use http::{Request, Response};
//! # use tower::{ServiceBuilder, ServiceExt};
//! use blossom_layers::{
//!     body::ReqBody,
//!     limit::concurrency::{ConcurrencyLimitLayer, Overloaded},
//!     types::PartitionKey,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! // 64 in all, 8 for each tenant, and no queue.
//! let tenant = |request: &Request<ReqBody>| {
//!     let name = request.headers().get("x-tenant")?.to_str().ok()?;
//!     Some(PartitionKey::new(name))
//! };
//! let layer = ConcurrencyLimitLayer::new(64).per_partition(8, tenant).max_waiting(0);
//! let limits = layer.handle();
//! let service = ServiceBuilder::new().layer(layer).service_fn(|_: Request<ReqBody>| async {
//!     Ok::<_, Infallible>(Response::new(ReqBody::from("hello")))
//! });
//!
//! let open = service.clone().oneshot(Request::default()).await.unwrap();
//! assert_eq!(limits.in_flight(), 1, "its body is not read yet");
//!
//! limits.set_limit(1);
//! let error = service.oneshot(Request::default()).await.unwrap_err();
//! assert!(error.is::<Overloaded>());
//!
//! drop(open);
//! assert_eq!(limits.in_flight(), 0);
//! # }
//! ```
//!
//! # Differences from tower
//!
//! tower's `ConcurrencyLimit` gives the permit back at the response head, so that ten streams can be
//! open at a limit of one. It takes it in `poll_ready`, where the request is not known yet and a
//! clone that was made ready and is not called holds a permit. Its queue has no bound, and its limit
//! cannot change.

mod error;
mod future;
mod handle;
mod layer;
mod permit;
mod queue;
mod service;
mod turns;

pub use self::{
    error::DeadlinePassed,
    future::ResponseFuture,
    handle::{Handle, PartitionLoad},
    layer::ConcurrencyLimitLayer,
    permit::Permit,
    service::ConcurrencyLimit,
};
pub use crate::types::Overloaded;

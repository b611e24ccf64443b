//! Refuses at once, with a time to come back, instead of waiting for a service that is not ready.
//!
//! A service whose `poll_ready` is pending is asked for nothing: the call is answered with
//! [`Overloaded`], whose [`retry_after`](Overloaded::retry_after) is the mean time that calls have
//! taken here lately.
//!
//! What it does not do: it keeps no count and no queue. It sheds what the inner service sheds by not
//! being ready.
//!
//! # Where it goes
//!
//! Directly outside a service of somebody else's that says by its readiness that it is full, such as
//! tower's `ConcurrencyLimit` or `Buffer`. The layers of this crate that limit are always ready, and
//! shed by themselves: over them it does nothing, and
//! `limit::concurrency::ConcurrencyLimitLayer::max_waiting(0)` is what it would be.
//!
//! ```
//! # use blossom_layers::{limit::concurrency::ConcurrencyLimitLayer, load_shed::LoadShedLayer};
//! # use tower::ServiceBuilder;
//! // Wrong: the limit is always ready, so that nothing is ever shed; calls wait in its queue.
//! let wrong = ServiceBuilder::new()
//!     .layer(LoadShedLayer::new())
//!     .layer(ConcurrencyLimitLayer::new(64));
//!
//! // Right: the limit sheds by itself.
//! let right = ServiceBuilder::new().layer(ConcurrencyLimitLayer::new(64).max_waiting(0));
//! # let _ = (wrong, right);
//! ```
//!
//! # Readiness
//!
//! Always ready, unless the inner service has failed; `call` runs on the service that was made ready,
//! or on none.
//!
//! # Streaming
//!
//! The response is not touched, and a call is measured to its head: foreign services that limit take
//! it for the end, and are ready again.
//!
//! # Cancellation
//!
//! Dropping the future drops the inner one. A call that ends without a head says nothing about the
//! time that calls take.
//!
//! # Cost
//!
//! An atomic. The first eight calls are measured, then one in 32: two readings of the clock. No
//! allocation and no lock; 145 instructions on the mean (callgrind, x86-64, 2026-11-25).
//!
//! # Example
//!
//! ```
//! # use std::convert::Infallible;
//! # use http::{Request, Response};
//! # use tower::{ServiceBuilder, ServiceExt};
//! use blossom_layers::{
//!     body::ReqBody,
//!     load_shed::{LoadShedLayer, Overloaded},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let service = ServiceBuilder::new()
//!     .layer(LoadShedLayer::new())
//!     .concurrency_limit(0) // never ready
//!     .service_fn(|_: Request<ReqBody>| async {
//!         Ok::<_, Infallible>(Response::new(ReqBody::empty()))
//!     });
//!
//! let error = service.oneshot(Request::default()).await.unwrap_err();
//! let overloaded = error.downcast_ref::<Overloaded>().unwrap();
//! assert_eq!(overloaded.retry_after().as_secs(), 1, "nothing was seen yet");
//! # }
//! ```
//!
//! # Differences from tower
//!
//! tower's `LoadShed` refuses in the same cases. Its error does not say when to come back.

mod future;
mod layer;
mod service;
mod service_time;

pub use self::{future::ResponseFuture, layer::LoadShedLayer, service::LoadShed};
pub use crate::types::Overloaded;

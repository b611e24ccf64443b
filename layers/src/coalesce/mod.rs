//! Lets equal requests in flight share one upstream call, whole or streamed.
//!
//! The first request begins a call; equal ones that come before its body has ended join it. All get
//! the same head, frames and trailers, also those who come late, and nobody depends on the one who
//! came first: when it goes away, the others go on.
//!
//! What it does not do: it keeps nothing once a reply has ended. A `cache` layer coalesces by
//! itself; this layer is for stacks without one.
//!
//! # Where it goes
//!
//! Outside retries, limits and timeouts of one attempt, so that a shared call is retried, counted and
//! paid for once; inside the total timeout, which is each caller's own. Outside authentication it
//! would share the answers of strangers: a [`Scope`](crate::types::Scope) says who may share with
//! whom.
//!
//! # Readiness
//!
//! Always ready: joining needs nothing of the inner service. The call itself readies a clone.
//!
//! # Streaming
//!
//! A frame reaches the reader who waits in the poll in which it came. The reply is kept up to
//! [`max_bytes`](CoalesceLayer::max_bytes), so that a late joiner gets all of it and a slow reader
//! holds up nobody. Of a larger one only what somebody has still to read is kept; nobody joins it any
//! more, and the fastest reader waits for the slowest no longer than
//! [`lag_grace`](CoalesceLayer::lag_grace). Then the slow one ends in
//! [`Lagged`](crate::flight::Lagged), or, if it had received nothing, makes a call of its own.
//!
//! A failure is shared as well ([`Shared`](crate::flight::Shared), whose source it is): repeating
//! is for a layer further in. The inner service sees the latest deadline of those who wait, as a
//! [`SharedDeadline`](crate::types::SharedDeadline).
//!
//! Among all callers ([`Scope::shared`](crate::types::Scope::shared)) a reply that says `private` or
//! `no-store`, or that sets a cookie, goes to the one who began; the others call for themselves.
//! Elsewhere followers get it without the cookie.
//!
//! # Cancellation
//!
//! Dropping a future or a body leaves the call to the others. The last one cancels it at once.
//!
//! # Cost
//!
//! A key, one lock of all keys and a few allocations for a call, and a copy of the head for each
//! reader; two short locks for a frame. Waiting costs nothing until the inner service wakes.
//!
//! # Example
//!
//! ```
//! # use std::{convert::Infallible, sync::{Arc, atomic::{AtomicUsize, Ordering}}};
//! # use http::{Request, Response};
//! # use tower::{ServiceBuilder, ServiceExt};
//! use blossom_layers::{
//!     body::ReqBody,
//!     coalesce::CoalesceLayer,
//!     types::{CacheKey, CacheStatus, Scope},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! // A key of your own; elsewhere it is a hash of the whole request.
//! let by_path = |request: &Request<ReqBody>| {
//!     let mut key = [0; 32];
//!     for (to, from) in key.iter_mut().zip(request.uri().path().bytes()) {
//!         *to = from;
//!     }
//!     Some(CacheKey::new(key))
//! };
//! let calls = Arc::new(AtomicUsize::new(0));
//! # let counter = calls.clone();
//! let service = ServiceBuilder::new()
//!     .layer(CoalesceLayer::new(by_path, Scope::fixed("team-a")))
//!     .service_fn(move |_: Request<ReqBody>| {
//! #       let calls = counter.clone();
//!         async move {
//!             calls.fetch_add(1, Ordering::Relaxed);
//!             tokio::task::yield_now().await;
//!             Ok::<_, Infallible>(Response::new(ReqBody::from("hello")))
//!         }
//!     });
//!
//! let ask = || service.clone().oneshot(Request::new(ReqBody::empty()));
//! let (first, second) = tokio::join!(ask(), ask());
//! assert_eq!(calls.load(Ordering::Relaxed), 1);
//! assert_eq!(first.unwrap().extensions().get::<CacheStatus>(), None);
//! assert_eq!(second.unwrap().extensions().get(), Some(&CacheStatus::Coalesced));
//! # }
//! ```
//!
//! Elsewhere this is known as *single flight*.

mod body;
mod future;
mod landing;
mod layer;
mod service;

pub use self::{
    body::ResponseBody, future::ResponseFuture, layer::CoalesceLayer, service::Coalesce,
};

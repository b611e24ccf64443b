//! Sends a request again when another try can help, and while that cannot hurt.
//!
//! What it does not do: it never sends again what has begun to reach the caller, it never changes a
//! request between attempts, and it never multiplies the load of an upstream that is down.
//!
//! The layer owns the mechanics: it keeps the request, decides when a reply is committed, gets rid of
//! replies that are not wanted, and counts attempts. *Whether* and *when* is asked of a [`Policy`],
//! which has two methods, as tower's has. [`Standard`] is the one to start from:
//!
//! | it asks | by default |
//! | --- | --- |
//! | how a reply counts: [`Classify`](crate::types::Classify) | [`ByStatus`](crate::types::ByStatus) |
//! | whether the request may be sent again: [`Repeat`] | [`Idempotent`] |
//! | how often in all | 3 attempts |
//! | how long to wait | full jitter of 500 ms, doubling to 8 s; `Retry-After` up to 120 s in full |
//! | how many retries there may be: [`Budget`] | 10 % of the calls, and no fewer than 10, in any 10 s |
//!
//! # Where it goes
//!
//! Outside all that belongs to one attempt: breaker, limits, timeouts of the head, `observe`. So each
//! attempt queues again and holds nothing while it backs off. Inside the total timeout, whose
//! [`Deadline`](crate::types::Deadline) it never waits past, inside `buffer`, without which a body cannot
//! be sent again, and inside a cache.
//!
//! Layers that are stacked do not multiply: the innermost repeats a call, and what it gives back says so,
//! in [`Attempt`](crate::types::Attempt) or [`GaveUp`]. A request that is sent again says which attempt it
//! is; layers further in do not repeat that one.
//!
//! ```
//! # use std::time::Duration;
//! # use blossom_layers::{buffer::BufferLayer, retry::RetryLayer, timeout::*};
//! # use tower::ServiceBuilder;
//! let stack = ServiceBuilder::new()
//!     .layer(TotalTimeoutLayer::new(Duration::from_secs(60))) // over all attempts
//!     .layer(BufferLayer::new())
//!     .layer(RetryLayer::default())
//!     // .. breaker, limits ..
//!     .layer(HeadTimeoutLayer::new(Duration::from_secs(10))); // of each attempt
//! # let _ = stack;
//! ```
//!
//! # Readiness
//!
//! Repeating: readiness is forwarded, and the first attempt runs on the service that was made ready.
//! Later attempts make ready what that call has left behind.
//!
//! # Streaming
//!
//! A reply is committed at its head, with two exceptions in which the head is held for up to
//! [`commit_after`](RetryLayer::commit_after):
//!
//! - A successful `text/event-stream` commits with its first content, so that an error event, or a cut,
//!   before the answer has begun can be retried. An [`Outcome`](crate::types::Outcome) in the reply, which
//!   `observe` places, says what content is; without one, any data is. 64 KiB or 1,024 frames commit too.
//! - An answer that failed, of which the policy wants to see the beginning, is held until its end or
//!   16 KiB.
//!
//! What was looked at is delivered as it came. What is not delivered is read to its end in the
//! background, up to 64 KiB and 250 ms, so that its connection can serve again; a longer one is closed.
//!
//! # Cancellation
//!
//! Dropping the future drops the attempt that is under way, or the wait.
//!
//! # Cost
//!
//! A clone of the request and of the inner service, a count in the budget, and an allocation for what
//! another attempt would take. No timer and no lock before something fails. A stream whose head is held
//! is boxed, and so is what holds it. On success it adds some 1,150 instructions to a call (x86-64,
//! 2026-11-25); tower's `Retry` adds 825.
//!
//! # Example
//!
//! ```
//! # use std::convert::Infallible;
//! # use http::{Request, Response, StatusCode};
//! # use tower::{ServiceBuilder, ServiceExt};
//! use blossom_layers::{body::ReqBody, retry::RetryLayer, types::Attempt};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! // Fails once.
//! let service = ServiceBuilder::new()
//!     .layer(RetryLayer::default())
//!     .service_fn(|request: Request<ReqBody>| async move {
//!         let mut response = Response::new(ReqBody::empty());
//!         if request.extensions().get::<Attempt>().is_none() {
//!             *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
//!         }
//!         Ok::<_, Infallible>(response)
//!     });
//!
//! let response = service.oneshot(Request::new(ReqBody::empty())).await.unwrap();
//! assert_eq!(response.status(), StatusCode::OK);
//! assert_eq!(response.extensions().get::<Attempt>().unwrap().number(), 2);
//! # }
//! ```
//!
//! With a policy made to measure:
//!
//! ```
//! use std::{num::NonZeroU32, time::Duration};
//!
//! use blossom_layers::{
//!     backoff::Backoff,
//!     retry::{Budget, RetryLayer, Standard},
//!     types::{Class, Reply},
//! };
//!
//! let policy = Standard::new()
//!     .max_attempts(NonZeroU32::new(5).unwrap_or(NonZeroU32::MIN))
//!     .backoff(Backoff::new(Duration::from_millis(50), Duration::from_secs(1)))
//!     .budget(Budget::new(20, 5))
//!     .classify(|reply: &Reply<'_>| match reply.status() {
//!         Some(status) if !status.is_server_error() => Class::Success,
//!         _ => Class::Transient,
//!     });
//! let layer = RetryLayer::new(policy).commit_after(Duration::from_secs(1));
//! # let _ = layer;
//! ```
//!
//! # Differences from tower
//!
//! tower's `Retry` commits at the response head: a stream that fails before its first event is the
//! caller's. It drops replies unread, which closes their connections; it waits as its policy says, has no
//! word for `Retry-After` and none for a deadline; and layers that are stacked multiply. Its policy may
//! change request and reply; ours cannot, so that every attempt has the same bytes.
//!
//! # Sources
//!
//! [Exponential Backoff And Jitter], [Handling Overload] on budgets, RFC 9110 section 9.2.2 on which
//! methods are idempotent and section 10.2.3 on `Retry-After`.
//!
//! [Exponential Backoff And Jitter]: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
//! [Handling Overload]: https://sre.google/sre-book/handling-overload/

mod body;
mod budget;
mod drain;
mod error;
mod future;
mod held;
mod layer;
mod policy;
mod service;
mod standard;

pub use self::{
    body::ResponseBody,
    budget::{Budget, BudgetStats},
    error::GaveUp,
    future::ResponseFuture,
    layer::RetryLayer,
    policy::{Idempotent, Policy, Repeat},
    service::Retry,
    standard::{Standard, Wait},
};

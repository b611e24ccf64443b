//! Gives up on a reply that keeps the caller waiting: four clocks, four layers.
//!
//! | layer | starts | stops | says |
//! | --- | --- | --- | --- |
//! | [`HeadTimeoutLayer`] | when the request is sent | at the response head | "nobody answers" |
//! | [`FirstEventTimeoutLayer`] | when the request is sent | at the first event that holds part of the answer | "it does not begin" |
//! | [`IdleTimeoutLayer`] | when a reader waits for a frame | at the next frame | "it went silent" |
//! | [`TotalTimeoutLayer`] | when the call is made | at the end of the body | "it takes too long" |
//!
//! They are types of their own, because each one answers another question, and each wants another
//! duration: a stream that is healthy for an hour has a head after a second.
//!
//! [`GrpcTimeoutLayer`] tells a gRPC upstream what is left of the time: it is no clock.
//!
//! What they do not do: they do not retry, and they do not answer the caller; the error is an
//! [`Elapsed`] that names the clock, or an [`Unread`].
//!
//! # Where it goes
//!
//! `total` stands outermost: it covers queues, retries and the body. The others stand inside
//! retries and limits, so that each attempt has clocks of its own and waiting for a permit is not
//! counted. `observe` stands inside them: without its [`Outcome`](crate::types::Outcome) the first
//! frame of data counts as the first event, and comments that only keep a connection alive count as
//! well.
//!
//! ```
//! # use std::time::Duration;
//! # use blossom_layers::timeout::*;
//! # use tower::ServiceBuilder;
//! let stack = ServiceBuilder::new()
//!     .layer(TotalTimeoutLayer::new(Duration::from_secs(600))) // outside retries
//!     // .. retry, limits ..
//!     .layer(HeadTimeoutLayer::new(Duration::from_secs(60)))
//!     .layer(FirstEventTimeoutLayer::new(Duration::from_secs(300)))
//!     .layer(IdleTimeoutLayer::new(Duration::from_secs(300)));
//! # let _ = stack;
//! ```
//!
//! # Readiness
//!
//! Forwarded: `call` runs on the service that was made ready.
//!
//! # Streaming
//!
//! The answer is polled before the clock: what is ready at the deadline is an answer. A frame is
//! passed on in the poll in which it came. A clock that fires in the body drops the inner body at
//! once, which resets an HTTP/2 stream and closes an HTTP/1 connection; the reader gets the error,
//! then the end. *Idle* counts only while a reader waits: a reader who pauses is not punished.
//!
//! A body that is held but never read keeps whatever hangs on it. [`IdleTimeoutLayer::max_unread`]
//! takes it away.
//!
//! # Cancellation
//!
//! Dropping the future or the body drops the inner one and the timer.
//!
//! # Cost
//!
//! A timer only from the first `Pending` on, so an answer that is ready needs neither timer nor runtime
//! and allocates nothing. The head's timer stands in its future; those of the others are one allocation
//! each, at the first wait. `max_unread` costs two allocations a reply and one task for all replies of a
//! layer.
//!
//! # Example
//!
//! ```
//! # use std::{convert::Infallible, time::Duration};
//! # use http::{Request, Response};
//! # use tower::{ServiceBuilder, ServiceExt};
//! use blossom_layers::timeout::{Clock, Elapsed, HeadTimeoutLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let service = ServiceBuilder::new()
//!     .layer(HeadTimeoutLayer::new(Duration::from_millis(5)))
//!     .service_fn(|_: Request<()>| std::future::pending::<Result<Response<()>, Infallible>>());
//!
//! let error = service.oneshot(Request::new(())).await.unwrap_err();
//! let elapsed = error.downcast_ref::<Elapsed>().unwrap();
//! assert_eq!(elapsed.clock(), Clock::Head);
//! assert_eq!(elapsed.after(), Duration::from_millis(5));
//! # }
//! ```
//!
//! # Differences from tower
//!
//! tower's `Timeout` ends at the response head: a body behind it may run for ever. Its one clock is
//! [`HeadTimeoutLayer`] here. tower-http's body timeout is our idle clock, but it is polled before
//! the frame and also runs while nobody reads.

mod error;
mod first_event;
mod grpc;
mod head;
mod idle;
mod total;
mod unread;

pub use self::{
    error::{Clock, Elapsed, Unread},
    first_event::{FirstEventTimeout, FirstEventTimeoutLayer},
    grpc::{GrpcTimeout, GrpcTimeoutLayer},
    head::{After, HeadTimeout, HeadTimeoutLayer},
    idle::{IdleTimeout, IdleTimeoutLayer},
    total::{TotalTimeout, TotalTimeoutLayer},
};

/// Response futures and bodies of the four clocks.
///
/// ```
/// # use http::Request;
/// # use http_body_util::BodyExt as _;
/// # use tower::{Layer as _, ServiceExt as _};
/// use std::time::Duration;
///
/// use blossom_layers::{
///     test_util::{ScriptedBody, ScriptedService},
///     timeout::{IdleTimeoutLayer, TotalTimeoutLayer, future::{IdleBody, TotalBody}},
/// };
/// use tower::ServiceBuilder;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// // The body of a stack has a name: that of a field that keeps it.
/// struct Answer { body: TotalBody<IdleBody<ScriptedBody>> }
///
/// let service = ServiceBuilder::new()
///     .layer(TotalTimeoutLayer::new(Duration::from_secs(600)))
///     .layer(IdleTimeoutLayer::new(Duration::from_secs(30)))
///     .service(ScriptedService::once(ScriptedBody::new().data("hello")));
/// let answer = Answer { body: service.oneshot(Request::new(())).await?.into_body() };
/// assert_eq!(answer.body.collect().await?.to_bytes(), "hello");
/// # Ok(())
/// # }
/// ```
pub mod future {
    pub use super::{
        first_event::{FirstEventBody, FirstEventFuture},
        head::HeadFuture,
        idle::{IdleBody, IdleFuture},
        total::{TotalBody, TotalFuture},
    };
}

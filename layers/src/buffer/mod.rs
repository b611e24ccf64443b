//! Turns any request body into a [`ReqBody`](crate::body::ReqBody): whole in memory up to a limit,
//! a stream beyond it.
//!
//! Caches, coalescing, estimates and retries need the request's bytes. This is the only layer that
//! buffers them; those further in ask [`Known`](crate::body::Known).
//!
//! What it does not do: it does not refuse a large body. One over the limit is sent as a stream,
//! with nothing lost and nothing read ahead; it then bypasses what needs the bytes.
//!
//! # Where it goes
//!
//! Outside everything that needs the bytes, inside the total timeout, so that a caller who sends its
//! body slowly is timed.
//!
//! # Readiness
//!
//! Forwarded: the inner service that was made ready is called, also when the body has to be read
//! first; a clone takes its place meanwhile.
//!
//! # Streaming
//!
//! The response is not touched.
//!
//! # Cancellation
//!
//! Dropping the future drops what was read, and the body.
//!
//! # Cost
//!
//! Nothing for a body that is a `ReqBody` already, or empty. A body of one frame is not copied. Else
//! one copy of the frames.
//!
//! # Example
//!
//! ```
//! # use std::convert::Infallible;
//! # use bytes::Bytes;
//! # use http::{Request, Response};
//! # use http_body_util::Full;
//! # use tower::{ServiceBuilder, ServiceExt};
//! use blossom_layers::{
//!     body::{Known, ReqBody},
//!     buffer::BufferLayer,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let service = ServiceBuilder::new()
//!     .layer(BufferLayer::new().max_request_bytes(64 * 1024))
//!     .service_fn(|request: Request<ReqBody>| async move {
//!         assert_eq!(request.body().bytes().unwrap(), "hello");
//!         Ok::<_, Infallible>(Response::new(()))
//!     });
//! let request = Request::new(Full::new(Bytes::from("hello")));
//! service.oneshot(request).await.unwrap();
//! # }
//! ```
//!
//! # Differences from tower
//!
//! tower's `Buffer` puts a queue and a task before a service. This layer buffers bytes, not
//! requests.

mod error;
mod future;
mod layer;
mod service;

pub use self::{
    error::RequestBodyFailed, future::ResponseFuture, layer::BufferLayer, service::Buffer,
};

//! Turns the refusals of a stack into answers, so that a server never has to.
//!
//! Layers that refuse end in an error; a server must answer. This is the one table from cause to
//! answer. It makes the stack infallible, so that axum's `Router::layer` takes it as it is.
//!
//! | cause ([`RefusalKind`](crate::types::RefusalKind)) | HTTP | gRPC |
//! | --- | --- | --- |
//! | `Timeout` | 504 | 4 `DEADLINE_EXCEEDED` |
//! | `Overloaded`, `Unavailable` | 503 | 14 `UNAVAILABLE` |
//! | `RateLimited`, `Spent` | 429 | 8 `RESOURCE_EXHAUSTED` |
//! | `TooLarge` | 413 | 8 `RESOURCE_EXHAUSTED` |
//! | anything else | 500 | 13 `INTERNAL` |
//!
//! HTTP answers are problem details ([RFC 9457]) with `Retry-After` where the refusal says when to
//! come back, and `Cache-Control: no-store`. Requests of content type `application/grpc` and its
//! kin get a response of trailers only. An answer never shows the text of an error that is not ours.
//!
//! What it does not do: it does not touch answers of the inner service, whatever their status.
//!
//! # Where it goes
//!
//! Outermost in a server, outside every layer that can refuse.
//!
//! # Readiness
//!
//! Forwarded. An inner service whose readiness fails is ready here; the next call is answered with
//! that failure.
//!
//! # Streaming
//!
//! Frames pass through. An error after the head can no longer be an answer: over HTTP it breaks the
//! body, as it must, so that nobody takes a part for the whole; over gRPC (not gRPC-Web) it becomes
//! the trailers that carry the status.
//!
//! # Cancellation
//!
//! Dropping the future or the body drops the inner one.
//!
//! # Cost
//!
//! Nothing for answers of the inner service but a look at the request's content type.
//!
//! # Example
//!
//! ```
//! # use std::{convert::Infallible, time::Duration};
//! # use http::{Request, Response, StatusCode};
//! # use tower::{ServiceBuilder, ServiceExt};
//! use blossom_layers::{body::ReqBody, respond::RespondLayer, timeout::HeadTimeoutLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let service = ServiceBuilder::new()
//!     .layer(RespondLayer::new())
//!     .layer(HeadTimeoutLayer::new(Duration::from_millis(5)))
//!     .service_fn(|_: Request<()>| std::future::pending::<Result<Response<ReqBody>, Infallible>>());
//!
//! let Ok(response) = service.oneshot(Request::new(())).await;
//! assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
//! assert_eq!(response.headers()["content-type"], "application/problem+json");
//! # }
//! ```
//!
//! [RFC 9457]: https://www.rfc-editor.org/rfc/rfc9457

mod answer;
mod body;
mod future;
mod layer;
mod service;

pub use self::{body::ResponseBody, future::ResponseFuture, layer::RespondLayer, service::Respond};

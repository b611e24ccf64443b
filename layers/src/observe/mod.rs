//! Watches each response body once and publishes what became of it.
//!
//! The [`Outcome`](crate::types::Outcome) of a reply (usage, finish reason, errors inside the body,
//! the time of its first event, whether it is complete) is known only when the body ends. This layer
//! asks an [`Observe`](crate::types::Observe) policy to follow the frames as they pass, and places a
//! shared handle in the extensions of the response. Limits, budgets, metrics and caches further out
//! read that handle when their own guards end; none of them decodes the body again.
//!
//! What it does not do: it changes nothing. An incomplete reply passes as it came; who must refuse
//! it reads [`Record::complete`](crate::types::Record::complete).
//!
//! # Where it goes
//!
//! Directly outside the transport, inside all that wants to know: the timeouts (whose *first event*
//! clock reads it), limits, retry, cache. Outside decompression.
//!
//! # Readiness
//!
//! Forwarded: `call` runs on the service that was made ready.
//!
//! # Streaming
//!
//! Each frame is shown to the policy and passed on in the same poll. Trailers, `size_hint` and
//! `is_end_stream` pass through.
//!
//! # Cancellation
//!
//! A body that is dropped has the end [`End::Dropped`](crate::body::End::Dropped), and is never
//! complete. A future that is dropped has no outcome, since nobody holds its handle.
//!
//! # Cost
//!
//! One allocation for the handle, one for the body, those of the response's extensions, and what the
//! policy does.
//!
//! # Example
//!
//! ```
//! # use std::convert::Infallible;
//! # use http::{Request, Response, response::Parts};
//! # use http_body_util::BodyExt;
//! # use tower::{ServiceBuilder, ServiceExt};
//! use bytes::Bytes;
//! use blossom_layers::{
//!     body::{End, ReqBody},
//!     observe::ObserveLayer,
//!     types::{Deferred, Outcome, Record, Watch},
//! };
//!
//! // A reply is complete if it says so itself.
//! struct Marker { seen: bool }
//!
//! impl Watch for Marker {
//!     fn data(&mut self, data: &Bytes, _: &mut Record) -> bool {
//!         self.seen |= data.ends_with(b".");
//!         true
//!     }
//!     fn end(&mut self, _: End, record: &mut Record) -> Option<Deferred> {
//!         record.complete &= self.seen;
//!         None
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let service = ServiceBuilder::new()
//!     .layer(ObserveLayer::new(|_: &Parts| Some(Marker { seen: false })))
//!     .service_fn(|_: Request<()>| async {
//!         Ok::<_, Infallible>(Response::new(ReqBody::from("It is done")))
//!     });
//!
//! let response = service.oneshot(Request::new(())).await.unwrap();
//! let outcome = response.extensions().get::<Outcome>().unwrap().clone();
//! response.into_body().collect().await.unwrap();
//!
//! assert!(outcome.ended());
//! assert!(!outcome.complete(), "there was no full stop");
//! # }
//! ```

mod body;
mod future;
mod layer;
mod service;

pub use self::{body::ResponseBody, future::ResponseFuture, layer::ObserveLayer, service::Observe};

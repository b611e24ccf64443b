//! Request and response bodies.
//!
//! | type | for |
//! | --- | --- |
//! | [`ReqBody`] | a request body that may be known whole, and then can be sent again |
//! | [`Known`] | what layers that need the request's bytes ask of a body |
//! | [`Guarded`] | a response body with a guard that ends exactly once, however the body ends |
//! | [`Tee`] | a response body that is recorded while it passes |
//! | [`Replay`] | a response body that plays a recording |
//! | [`Peek`] | a response body whose first frames can be seen before they are passed on |
//!
//! # The end of a body
//!
//! A body ends in four ways: its last frame with `is_end_stream`, `None`, an error, or a drop. A
//! body that is at its end when it is made ends at once, since nobody will poll it. [`End`] names
//! what happened; [`Guarded`] is where it is found out.
//!
//! # Example
//!
//! ```
//! use std::{cell::Cell, sync::Arc};
//!
//! use blossom_layers::body::{Replay, ReqBody, Tee};
//! use http_body_util::BodyExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), blossom_layers::BoxError> {
//! let taken = Cell::new(None);
//! let body = Tee::new(ReqBody::from("hello"), 1024, |what| taken.set(Some(what)));
//! assert_eq!(body.collect().await?.to_bytes(), "hello");
//!
//! let taken = taken.take().ok_or("the body has ended")?;
//! let again = Replay::new(Arc::new(taken.recording.ok_or("it was small")?));
//! assert_eq!(again.collect().await?.to_bytes(), "hello");
//! # Ok(())
//! # }
//! ```

mod guarded;
mod peek;
mod replay;
mod request;
mod tee;

pub use self::{
    guarded::{End, Guard, Guarded},
    peek::Peek,
    replay::{Recording, Replay},
    request::{Known, ReqBody},
    tee::{Taken, Tee},
};

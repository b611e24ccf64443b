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

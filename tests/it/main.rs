//! The tests of the whole.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed unwrap is a failed test"
)]

mod api;
mod architecture;
mod batch;
mod blocking;
mod cache;
mod client;
mod conversation;
mod cost;
mod dialects;
mod errors;
mod faults;
mod limits;
mod media;
mod memo;
mod observability;
mod performance_guide;
mod recorded;
mod retry;
mod round_trip;
mod sandbox;
mod support;
mod tonic;
mod transport;

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
mod defaults;
mod dialects;
mod errors;
mod faults;
mod killed;
mod limits;
mod media;
mod memo;
mod memory;
mod observability;
mod performance_guide;
mod recorded;
mod report;
mod retry;
mod round_trip;
mod sandbox;
mod support;
mod tonic;
mod transport;

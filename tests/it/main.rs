//! The tests of the whole.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed unwrap is a failed test"
)]

mod architecture;
mod batch;
mod client;
mod observability;
mod sandbox;
mod transport;

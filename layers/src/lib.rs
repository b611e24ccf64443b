//! Tower layers for generative HTTP services that hold until the body ends.
#![cfg_attr(docsrs, feature(doc_cfg))]
// Of the library, not of its tests and examples.
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::print_stdout,
        clippy::print_stderr,
        clippy::exit
    )
)]

pub mod body;
#[cfg(feature = "buffer")]
pub mod buffer;
mod error;
#[cfg(feature = "observe")]
pub mod observe;
#[cfg(feature = "respond")]
pub mod respond;
#[cfg(feature = "sse")]
pub mod sse;
mod sync;
#[cfg(feature = "task")]
pub mod task;
#[cfg(any(test, feature = "test-util"))]
pub mod test_util;
#[cfg(feature = "timeout")]
pub mod timeout;
pub mod types;

pub use self::error::{BoxError, cause_ref};

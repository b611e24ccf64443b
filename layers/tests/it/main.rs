//! The tests of the layers.

#[cfg(feature = "sse")]
mod sse;

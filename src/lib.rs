#![doc = include_str!("../README.md")]
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

pub mod batch;
#[cfg(feature = "blocking")]
#[cfg_attr(docsrs, doc(cfg(feature = "blocking")))]
pub mod blocking;
mod builder;
pub mod client;
#[cfg(feature = "config")]
#[cfg_attr(docsrs, doc(cfg(feature = "config")))]
pub mod config;
pub mod conversation;
mod error;
pub mod guide;
#[cfg(feature = "cache-memory")]
#[cfg_attr(docsrs, doc(cfg(feature = "cache-memory")))]
pub mod memo;
#[cfg(feature = "otel")]
#[cfg_attr(docsrs, doc(cfg(feature = "otel")))]
pub mod otel;
pub mod policy;
mod preset;
pub mod protocol;
#[cfg(feature = "sandbox")]
#[cfg_attr(docsrs, doc(cfg(feature = "sandbox")))]
pub mod sandbox;
pub mod tokens;
pub mod transport;

#[doc(inline)]
pub use blossom_layers as layers;
#[doc(inline)]
pub use blossom_layers::body::ReqBody as Body;

#[cfg(feature = "cache-memory")]
#[cfg_attr(docsrs, doc(cfg(feature = "cache-memory")))]
pub use self::memo::{CacheManager, cached};
pub use self::{
    batch::{Batch, Progress},
    builder::{Builder, FromService},
    client::{Blossom, Image, Speech, Text, TextStream},
    conversation::Conversation,
    error::{Error, ErrorKind, Result},
    protocol::{Delta, Dialect, Endpoint, Quality},
};

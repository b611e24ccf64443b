//! The manual.
//!
//! All of its code runs without a key, against the embedded upstream:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use blossom::{Blossom, sandbox::Sandbox};
//!
//! let sandbox = Sandbox::start()?;
//! let client = Blossom::builder().base_url(sandbox.base_url()).build()?;
//! println!("{}", client.text().generate("What is Rust?").await?);
//! assert_eq!(sandbox.generations(), 1);
//! # Ok(())
//! # }
//! ```

/// Layers in an axum application.
#[doc = include_str!("axum.md")]
pub mod axum {}

/// Layers on a tonic server and channel.
#[doc = include_str!("tonic.md")]
pub mod tonic {}

/// What goes where in a stack, and why.
#[doc = include_str!("ordering.md")]
pub mod ordering {}

/// Streams, from the head to the last byte.
#[doc = include_str!("streaming.md")]
pub mod streaming {}

/// What is kept, for whom and how long, and how to say otherwise.
#[cfg(feature = "cache-memory")]
#[doc = include_str!("caching.md")]
pub mod caching {}
/// Where entries are kept: in memory, on disk, in both.
#[doc = include_str!("tiers.md")]
pub mod tiers {}

/// What is fast and cheap, and which claims hold.
#[doc = include_str!("performance.md")]
pub mod performance {}

/// A checklist.
#[doc = include_str!("production.md")]
pub mod production {}

/// Every setting, in code, in the environment and in a file.
#[doc = include_str!("configuration.md")]
pub mod configuration {}

/// Calls at once, batches, cancellation.
#[doc = include_str!("concurrency.md")]
pub mod concurrency {}

/// What a client holds, and its bounds.
#[doc = include_str!("resources.md")]
pub mod resources {}

/// For those who know the SDK for Python.
#[doc = include_str!("migrating_from_python.md")]
pub mod migrating_from_python {}

/// How it is built, and what must stay so.
#[doc = include_str!("architecture.md")]
pub mod architecture {}

/// Every failure, its kind, and what to do.
#[doc = include_str!("errors.md")]
pub mod errors {}

/// What a call will cost, what it has cost, and how to bound both.
#[doc = include_str!("cost.md")]
pub mod cost {}

/// Figures, spans, times, and what none of them shows.
#[doc = include_str!("observability.md")]
pub mod observability {}

/// The embedded upstream, from Rust and from any other language.
#[cfg(feature = "sandbox")]
#[cfg_attr(docsrs, doc(cfg(feature = "sandbox")))]
#[doc = include_str!("sandbox.md")]
pub mod sandbox {}

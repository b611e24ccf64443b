//! A cache for values, and functions whose results are kept.
//!
//! [`CacheManager`] keeps any value that serde can write under a name, in memory and, if asked, on disk.
//! [`cached`](fn@cached) makes a function of one that calls another only for what it has not seen. Neither has
//! anything to do with the client's own cache, which keeps replies: these keep what a program makes of
//! them.
//!
//! Equal calls at the same time are one call. Errors pass through and are not kept.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> blossom::Result<()> {
//! use std::time::Duration;
//!
//! use blossom::{CacheManager, cached};
//!
//! let hour = Duration::from_secs(60 * 60);
//! let cache = CacheManager::builder().max_memory_items(1000).ttl(hour).build()?;
//! cache.set("answer", &42, hour).await;
//! assert_eq!(cache.get::<i32>("answer").await, Some(42));
//!
//! let length = cached(hour, |text: String| async move { Ok::<_, blossom::Error>(text.len()) });
//! assert_eq!(length.call("hello".to_owned()).await?, 5);
//! assert_eq!(length.call("hello".to_owned()).await?, 5);
//! assert_eq!(length.stats().calls_saved(), 1);
//! # Ok(())
//! # }
//! ```

mod builder;
mod cached;
mod calls;
mod manager;
mod stats;

pub use self::{
    builder::CacheManagerBuilder,
    cached::{Cached, KeyOf, Unkeyed, cached},
    manager::CacheManager,
    stats::MemoStats,
};

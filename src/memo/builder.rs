#[cfg(feature = "cache-disk")]
use std::path::PathBuf;
use std::{sync::Arc, time::Duration};

use super::CacheManager;
#[cfg(feature = "cache-disk")]
use crate::layers::cache::tier::{DiskTier, TierStack};
#[cfg(feature = "cache-disk")]
use crate::{Error, ErrorKind};
use crate::{
    Result,
    layers::cache::{Tier, tier::MemoryTier},
};

/// Builds a [`CacheManager`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// use std::time::Duration;
///
/// let cache = blossom::CacheManager::builder()
///     .max_memory_items(1000)
///     .cache_dir(folder.path().join("cache"))
///     .ttl(Duration::from_secs(3600))
///     .build()?;
/// cache.set("key", "value", None).await;
/// assert!(cache.exists("key").await);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct CacheManagerBuilder {
    max_memory_items: u64,
    max_memory_bytes: u64,
    ttl: Duration,
    #[cfg(feature = "cache-disk")]
    disk: Option<bool>,
    #[cfg(feature = "cache-disk")]
    cache_dir: Option<PathBuf>,
}

impl CacheManagerBuilder {
    pub(super) const fn new() -> Self {
        Self {
            max_memory_items: 1000,
            max_memory_bytes: 64 << 20,
            ttl: Duration::from_secs(60 * 60),
            #[cfg(feature = "cache-disk")]
            disk: None,
            #[cfg(feature = "cache-disk")]
            cache_dir: None,
        }
    }

    /// The most values in memory: 1,000 unless told otherwise. The one used longest ago goes first.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = blossom::CacheManager::builder().max_memory_items(2).build()?;
    /// for key in ["a", "b", "c"] {
    ///     cache.set(key, &1, None).await;
    /// }
    /// assert_eq!(cache.stats().entries, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn max_memory_items(mut self, items: u64) -> Self {
        self.max_memory_items = items;
        self
    }

    /// The most bytes in memory: 64 MiB unless told otherwise.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = blossom::CacheManager::builder().max_memory_bytes(1 << 10).build()?;
    /// let too_large = "x".repeat(1 << 12);
    /// assert!(!cache.set("text", &too_large, None).await);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn max_memory_bytes(mut self, bytes: u64) -> Self {
        self.max_memory_bytes = bytes;
        self
    }

    /// How long a value is kept where nothing else is said: one hour unless told otherwise.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # tokio::time::pause();
    /// use std::time::Duration;
    ///
    /// let cache = blossom::CacheManager::builder().ttl(Duration::from_secs(60)).build()?;
    /// cache.set("answer", &42, None).await;
    /// # tokio::time::advance(Duration::from_secs(61)).await;
    /// // After 61 seconds:
    /// assert!(!cache.exists("answer").await);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Whether values are kept on disk as well, where they survive the process: not unless a directory
    /// is given.
    ///
    /// ```
    /// let nowhere = blossom::CacheManager::builder().enable_disk_cache(true);
    /// assert!(nowhere.build().is_err(), "it needs a directory");
    /// ```
    #[cfg(feature = "cache-disk")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cache-disk")))]
    pub const fn enable_disk_cache(mut self, enable: bool) -> Self {
        self.disk = Some(enable);
        self
    }

    /// The directory for values on disk. It must be one that only its owner can use, and is made if it
    /// is not there. Turns the disk on, unless [`enable_disk_cache`](Self::enable_disk_cache) says no.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("cache");
    /// let cache = blossom::CacheManager::builder().cache_dir(&path).build()?;
    /// assert!(path.is_dir());
    /// assert!(cache.set("answer", &42, None).await);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "cache-disk")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cache-disk")))]
    pub fn cache_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(path.into());
        self
    }

    /// The manager.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Builder`](crate::ErrorKind::Builder) if the directory cannot be used, or a disk is
    /// asked for without one.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let file = folder.path().join("a file");
    /// # std::fs::write(&file, "")?;
    /// use blossom::{CacheManager, ErrorKind};
    ///
    /// assert!(CacheManager::builder().build().is_ok());
    /// let error = CacheManager::builder().cache_dir(file).build().unwrap_err(); // no directory
    /// assert_eq!(error.kind(), ErrorKind::Builder);
    /// # Ok(())
    /// # }
    /// ```
    pub fn build(self) -> Result<CacheManager> {
        let memory = MemoryTier::with_max_entries(self.max_memory_bytes, self.max_memory_items);
        let ttl = self.ttl;
        Ok(CacheManager::over(self.tier(memory)?, ttl))
    }

    #[cfg(feature = "cache-disk")]
    fn tier(self, memory: MemoryTier) -> Result<Arc<dyn Tier>> {
        let path = match (self.disk, self.cache_dir) {
            (Some(false), _) | (None, None) => return Ok(Arc::new(memory)),
            (Some(true), None) => {
                return Err(Error::new(
                    ErrorKind::Builder,
                    "a disk cache needs a directory; call .cache_dir(path)",
                ));
            }
            (_, Some(path)) => path,
        };
        let disk = DiskTier::open(path).map_err(|error| {
            Error::new(ErrorKind::Builder, error.to_string()).with_source(error)
        })?;
        Ok(Arc::new(TierStack::new(Arc::new(memory), Arc::new(disk))))
    }

    #[cfg(not(feature = "cache-disk"))]
    #[expect(clippy::unnecessary_wraps, reason = "a disk can fail")]
    fn tier(self, memory: MemoryTier) -> Result<Arc<dyn Tier>> {
        Ok(Arc::new(memory))
    }
}

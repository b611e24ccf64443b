//! Builds a cache of values.

use std::{sync::Arc, time::Duration};

use super::CacheManager;
use crate::{
    Error, ErrorKind, Result,
    layers::cache::{Tier, tier::MemoryTier},
};

/// Begins a [`CacheManager`].
///
/// | setting | default | why |
/// | --- | --- | --- |
/// | `max_memory_items` | 1,000 | enough for the answers of an application's day |
/// | `max_memory_bytes` | 64 MiB | values differ in size: items alone bound nothing |
/// | `ttl` | 1 h | of functions and values that name none |
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct CacheManagerBuilder {
    max_memory_items: u64,
    max_memory_bytes: u64,
    ttl: Duration,
}

impl Default for CacheManagerBuilder {
    fn default() -> Self {
        Self {
            max_memory_items: 1000,
            max_memory_bytes: 64 * 1024 * 1024,
            ttl: Duration::from_secs(3600),
        }
    }
}

impl CacheManagerBuilder {
    /// The most values in memory. Default: 1,000.
    pub const fn max_memory_items(mut self, items: u64) -> Self {
        self.max_memory_items = items;
        self
    }

    /// The most memory that they take, keys included. Default: 64 MiB.
    pub const fn max_memory_bytes(mut self, bytes: u64) -> Self {
        self.max_memory_bytes = bytes;
        self
    }

    /// The time to live that [`CacheManager::ttl`] gives. Default: 1 h.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Builds the cache.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Builder`] if it could keep nothing.
    pub fn build(self) -> Result<CacheManager> {
        for (name, value) in [
            ("max_memory_items", self.max_memory_items),
            ("max_memory_bytes", self.max_memory_bytes),
        ] {
            if value == 0 {
                return Err(Error::new(
                    ErrorKind::Builder,
                    format!("{name} of 0 keeps nothing; use 1 or more"),
                ));
            }
        }
        Ok(CacheManager::new(self.memory(), self.ttl))
    }

    fn memory(&self) -> Arc<dyn Tier> {
        Arc::new(MemoryTier::with_max_entries(
            self.max_memory_bytes,
            self.max_memory_items,
        ))
    }
}

impl CacheManager {
    /// The cache of a function that has none.
    pub(super) fn in_memory() -> Self {
        let builder = CacheManagerBuilder::default();
        Self::new(builder.memory(), builder.ttl)
    }
}

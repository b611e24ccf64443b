//! What has happened to a cache of values.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::layers::cache::TierStats;

/// Counts as they happen.
#[derive(Debug, Default)]
pub(super) struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    coalesced: AtomicU64,
}

impl Counters {
    pub(super) fn looked_up(&self, found: bool) {
        let count = if found { &self.hits } else { &self.misses };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn coalesced(&self) {
        self.coalesced.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self, tier: &TierStats) -> CacheManagerStats {
        CacheManagerStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            coalesced: self.coalesced.load(Ordering::Relaxed),
            tier: *tier,
        }
    }
}

/// What has happened to a [`CacheManager`](super::CacheManager) so far.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheManagerStats {
    /// Lookups that found a value.
    pub hits: u64,
    /// Lookups that found none; each of a cached function is a call of it.
    pub misses: u64,
    /// Lookups that waited for a value which another was making.
    pub coalesced: u64,
    /// What the storage below tells.
    pub tier: TierStats,
}

impl CacheManagerStats {
    /// All lookups.
    #[must_use]
    pub const fn lookups(&self) -> u64 {
        self.hits
            .saturating_add(self.misses)
            .saturating_add(self.coalesced)
    }

    /// Lookups that needed no call of their own.
    #[must_use]
    pub const fn calls_saved(&self) -> u64 {
        self.hits.saturating_add(self.coalesced)
    }

    /// The share of lookups that needed no call of their own, in percent, 0.0 to 100.0; 0.0 without
    /// lookups.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share is an estimate")]
    pub fn hit_rate(&self) -> f64 {
        match self.lookups() {
            0 => 0.0,
            lookups => self.calls_saved() as f64 * 100.0 / lookups as f64,
        }
    }
}

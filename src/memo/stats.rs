use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::layers::cache::TierStats;

/// What a [`CacheManager`](super::CacheManager) has done since it was made, by all that is built on it.
///
/// `hits + coalesced + misses` is the number of times that a value was asked for.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache = blossom::CacheManager::builder().build()?;
/// cache.set("answer", &42, None).await;
/// cache.get::<u32>("answer").await;
/// let stats = cache.stats();
/// assert_eq!((stats.hit_rate(), stats.calls_saved()), (100.0, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MemoStats {
    /// Values that were there.
    pub hits: u64,
    /// Values that somebody else was just making.
    pub coalesced: u64,
    /// Values that were not there.
    pub misses: u64,
    /// Values that are kept now, in memory and on disk.
    pub entries: u64,
    /// Their weight in bytes.
    pub weight_bytes: u64,
}

impl MemoStats {
    /// How much of what was asked for needed no call, in percent: 0.0 to 100.0.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = blossom::CacheManager::builder().build()?;
    /// cache.set("answer", &42, None).await;
    /// for key in ["answer", "answer", "answer", "question"] {
    ///     cache.get::<u32>(key).await;
    /// }
    /// assert_eq!(cache.stats().hit_rate(), 75.0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
    pub fn hit_rate(&self) -> f64 {
        let asked = self.calls_saved().saturating_add(self.misses);
        if asked == 0 {
            return 0.0;
        }
        100.0 * self.calls_saved() as f64 / asked as f64
    }

    /// How many calls were not made.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = blossom::CacheManager::builder().build()?;
    /// cache.set("answer", &42, None).await;
    /// for key in ["answer", "answer", "answer", "question"] {
    ///     cache.get::<u32>(key).await;
    /// }
    /// assert_eq!(cache.stats().calls_saved(), 3);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn calls_saved(&self) -> u64 {
        self.hits.saturating_add(self.coalesced)
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    hits: AtomicU64,
    coalesced: AtomicU64,
    misses: AtomicU64,
}

impl Counters {
    pub(super) fn hit(&self) {
        self.hits.fetch_add(1, Relaxed);
    }

    pub(super) fn coalesced(&self) {
        self.coalesced.fetch_add(1, Relaxed);
    }

    pub(super) fn miss(&self) {
        self.misses.fetch_add(1, Relaxed);
    }

    pub(super) fn stats(&self, tier: &TierStats) -> MemoStats {
        MemoStats {
            hits: self.hits.load(Relaxed),
            coalesced: self.coalesced.load(Relaxed),
            misses: self.misses.load(Relaxed),
            entries: tier.entries,
            weight_bytes: tier.weight_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_in_percent_and_zero_of_nothing() {
        assert!(MemoStats::default().hit_rate().abs() < f64::EPSILON);
        let stats = MemoStats {
            hits: 1,
            coalesced: 2,
            misses: 1,
            ..MemoStats::default()
        };
        assert!((stats.hit_rate() - 75.0).abs() < f64::EPSILON);
        assert_eq!(stats.calls_saved(), 3);
    }
}

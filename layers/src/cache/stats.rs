use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::TierStats;

/// What a cache has done since it was made.
///
/// Each request is counted once, under [`hits`](Self::hits), [`stale`](Self::stale),
/// [`misses`](Self::misses), [`coalesced`](Self::coalesced) or [`bypassed`](Self::bypassed), whatever
/// becomes of it.
///
/// ```
/// use blossom_layers::{
///     cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier},
///     types::Scope,
/// };
///
/// let layer = CacheLayer::new(MemoryTier::new(1 << 20), CanonicalKey::new(), Scope::shared());
/// let stats = layer.handle().stats();
/// println!("{} saved of {}, {:.1} %", stats.calls_saved(), stats.requests(), stats.hit_rate());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CacheStats {
    /// Requests that were answered by a fresh entry.
    pub hits: u64,
    /// Requests that were answered by a stale entry, which is being refreshed.
    pub stale: u64,
    /// Requests that began a call of the upstream, or that wanted none to be made.
    pub misses: u64,
    /// Requests that joined the call of an equal one.
    pub coalesced: u64,
    /// Requests that were not for the cache, by reason.
    pub bypassed: Bypassed,
    /// Of the misses and the coalesced: those that got a stale entry because the upstream failed.
    pub rescued: u64,
    /// Replies that were stored.
    pub stored: u64,
    /// Replies that ended and were not stored: they may not, they are incomplete, or the tier did not
    /// take them.
    pub not_stored: u64,
    /// Entries that a tier gave for a key or an owner they do not belong to; each was a miss.
    pub mismatched: u64,
    /// Bytes of bodies that did not come from the upstream.
    pub saved_bytes: u64,
    /// Tokens that the upstream had reported for those bodies.
    pub saved_tokens: u64,
    /// What the tier says, of entries that went among others.
    pub tier: TierStats,
}

/// Requests that were not for the cache, by reason.
///
/// ```
/// use blossom_layers::cache::Bypassed;
///
/// let mut bypassed = Bypassed::default();
/// bypassed.no_key = 2;
/// bypassed.partial = 1;
/// assert_eq!(bypassed.total(), 3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Bypassed {
    /// The key policy gave no key.
    pub no_key: u64,
    /// The scope found no owner.
    pub no_owner: u64,
    /// The request says `no-store`.
    pub no_store: u64,
    /// The request wants a part, only what has changed, or another protocol.
    pub partial: u64,
    /// A policy, the tier or the service's clone panicked; the request failed.
    pub panicked: u64,
}

impl Bypassed {
    /// All reasons together.
    ///
    /// ```
    /// # use blossom_layers::cache::Bypassed;
    /// let mut bypassed = Bypassed::default();
    /// bypassed.no_owner = 1;
    /// bypassed.no_store = 2;
    /// assert_eq!(bypassed.total(), 3);
    /// ```
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.no_key + self.no_owner + self.no_store + self.partial + self.panicked
    }
}

impl CacheStats {
    /// All requests.
    ///
    /// ```
    /// # use blossom_layers::cache::CacheStats;
    /// let mut stats = CacheStats::default();
    /// (stats.hits, stats.misses, stats.bypassed.no_key) = (3, 1, 1);
    /// assert_eq!(stats.requests(), 5);
    /// ```
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.hits + self.stale + self.misses + self.coalesced + self.bypassed.total()
    }

    /// Calls of the upstream that were not made.
    ///
    /// ```
    /// # use blossom_layers::cache::CacheStats;
    /// let mut stats = CacheStats::default();
    /// (stats.hits, stats.coalesced) = (3, 2);
    /// assert_eq!(stats.calls_saved(), 5);
    /// ```
    #[must_use]
    pub const fn calls_saved(&self) -> u64 {
        self.hits + self.coalesced
    }

    /// How many percent of the requests that were for the cache it answered, fresh or stale; 0 if
    /// there were none.
    ///
    /// ```
    /// # use blossom_layers::cache::CacheStats;
    /// let mut stats = CacheStats::default();
    /// (stats.hits, stats.misses) = (3, 1);
    /// assert_eq!(stats.hit_rate(), 75.0);
    /// ```
    #[must_use]
    pub fn hit_rate(&self) -> f64 {
        let asked = self.requests() - self.bypassed.total();
        if asked == 0 {
            return 0.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
        let rate = (self.hits + self.stale) as f64 / asked as f64;
        rate * 100.0
    }
}

/// Why a request is not for the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bypass {
    NoKey,
    NoOwner,
    NoStore,
    Partial,
    Panicked,
}

/// The counters behind [`CacheStats`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    hits: AtomicU64,
    stale: AtomicU64,
    misses: AtomicU64,
    coalesced: AtomicU64,
    no_key: AtomicU64,
    no_owner: AtomicU64,
    no_store: AtomicU64,
    partial: AtomicU64,
    panicked: AtomicU64,
    rescued: AtomicU64,
    stored: AtomicU64,
    not_stored: AtomicU64,
    mismatched: AtomicU64,
    saved_bytes: AtomicU64,
    saved_tokens: AtomicU64,
}

fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Counters {
    pub(super) fn hit(&self) {
        one(&self.hits);
    }

    pub(super) fn stale(&self) {
        one(&self.stale);
    }

    pub(super) fn miss(&self) {
        one(&self.misses);
    }

    pub(super) fn coalesced(&self) {
        one(&self.coalesced);
    }

    pub(super) fn rescued(&self) {
        one(&self.rescued);
    }

    pub(super) fn mismatched(&self) {
        one(&self.mismatched);
    }

    pub(super) fn bypassed(&self, why: Bypass) {
        one(match why {
            Bypass::NoKey => &self.no_key,
            Bypass::NoOwner => &self.no_owner,
            Bypass::NoStore => &self.no_store,
            Bypass::Partial => &self.partial,
            Bypass::Panicked => &self.panicked,
        });
    }

    pub(super) fn ended(&self, stored: bool) {
        one(if stored {
            &self.stored
        } else {
            &self.not_stored
        });
    }

    pub(super) fn saved(&self, bytes: u64, tokens: u64) {
        self.saved_bytes.fetch_add(bytes, Relaxed);
        self.saved_tokens.fetch_add(tokens, Relaxed);
    }

    pub(super) fn stats(&self, tier: TierStats) -> CacheStats {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        CacheStats {
            hits: read(&self.hits),
            stale: read(&self.stale),
            misses: read(&self.misses),
            coalesced: read(&self.coalesced),
            bypassed: Bypassed {
                no_key: read(&self.no_key),
                no_owner: read(&self.no_owner),
                no_store: read(&self.no_store),
                partial: read(&self.partial),
                panicked: read(&self.panicked),
            },
            rescued: read(&self.rescued),
            stored: read(&self.stored),
            not_stored: read(&self.not_stored),
            mismatched: read(&self.mismatched),
            saved_bytes: read(&self.saved_bytes),
            saved_tokens: read(&self.saved_tokens),
            tier,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_percent_and_zero_before_the_first_request() {
        let counters = Counters::default();
        assert!(counters.stats(TierStats::default()).hit_rate().abs() < f64::EPSILON);

        counters.hit();
        counters.coalesced();
        counters.miss();
        counters.stale();
        counters.bypassed(Bypass::NoKey);
        let stats = counters.stats(TierStats::default());

        assert!((stats.hit_rate() - 50.0).abs() < f64::EPSILON);
        assert_eq!((stats.requests(), stats.calls_saved()), (5, 2));
    }
}

use std::{fmt, sync::Arc};

use super::{
    CacheStats, Invalidation, Tier,
    fill::Shared,
    plan::{in_bucket, own_key},
    tier::Flush,
};
use crate::types::{CacheKey, Owner, ScopeDigest};

/// A view of a cache from outside its stack: what it has done, and what it is to forget.
///
/// Made by [`CacheLayer::handle`](super::CacheLayer::handle). Clones are views of the same cache. A
/// reply that was asked for before something was invalidated is not stored after, and nobody who comes
/// after joins its call.
///
/// ```
/// use blossom_layers::{
///     cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier},
///     types::Scope,
/// };
///
/// let layer = CacheLayer::new(MemoryTier::new(1 << 20), CanonicalKey::new(), Scope::shared());
/// let handle = layer.handle();
/// handle.invalidate_tag("faq");
/// assert_eq!((handle.in_flight(), handle.stats().hit_rate()), (0, 0.0));
/// ```
#[derive(Clone)]
pub struct CacheHandle {
    shared: Arc<Shared>,
    buckets: usize,
}

impl CacheHandle {
    pub(super) const fn new(shared: Arc<Shared>, buckets: usize) -> Self {
        Self { shared, buckets }
    }

    /// What it has done so far.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        self.shared.counters.stats(self.shared.tier.stats())
    }

    /// How many calls equal requests may join at this moment.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.flights.len()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.invalidate(&Invalidation::All);
    }

    /// Forgets everything of one owner.
    pub fn invalidate_scope(&self, owner: Owner<'_>) {
        self.invalidate(&Invalidation::Scope(ScopeDigest::of(owner)));
    }

    /// Forgets everything that bears this tag, of all owners.
    pub fn invalidate_tag(&self, tag: &str) {
        self.invalidate(&Invalidation::Tag(tag.into()));
    }

    /// Forgets the reply that one owner has under a key of its own, as given by
    /// [`CacheOptions::key`](crate::types::CacheOptions::key).
    pub fn invalidate_key(&self, owner: Owner<'_>, key: &str) {
        let scoped = ScopeDigest::of(owner).scoped(&own_key(key));
        for bucket in 0..self.buckets.max(1) {
            self.remove(&in_bucket(scoped, bucket));
        }
    }

    /// Forgets the reply under this key, as entries have it: scope included.
    pub fn remove(&self, key: &CacheKey) {
        self.shared.flights.supersede(|flown, _| flown == key);
        self.shared.tier.remove(key);
    }

    fn invalidate(&self, what: &Invalidation) {
        let tier = &self.shared.tier;
        tier.invalidate(what, tier.generation());
        self.shared.flights.supersede(|_, note| match what {
            Invalidation::All => true,
            Invalidation::Scope(scope) => note.scope == *scope,
            Invalidation::Tag(tag) => note.bears(tag),
        });
    }

    /// Waits until all that was stored before is as safe as the tier can make it.
    ///
    /// # Errors
    ///
    /// If it could not be made safe.
    #[must_use = "nothing is flushed until it is awaited"]
    pub fn flush(&self) -> Flush {
        self.shared.tier.flush()
    }
}

impl fmt::Debug for CacheHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CacheHandle").field(&self.shared).finish()
    }
}

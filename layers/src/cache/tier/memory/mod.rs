//! The tier in memory.

mod lru;

use std::{
    fmt,
    future::ready,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use self::lru::Lru;
use super::{
    Entry, Flush, Found, Generation, Invalidation, Lookup, Tier, TierStats, purges::Purges,
    stats::Cause,
};
use crate::{cache::Freshness, types::CacheKey};

/// Keeps entries in memory, bounded by their weight in bytes.
///
/// A lookup is answered at once: a hit is one short lock and one reference count. When room is
/// needed, the entry used longest ago goes first, so that a reply which has just come is there when it
/// is asked for again. Freshness is by the clock of tokio. What is dead is reclaimed when it is next
/// asked for, or when its room is needed; there is no upkeep beside that, and no thread.
///
/// The bound always holds. One `put` evicts at most 1,024 entries, which takes less than a
/// millisecond; an entry that finds no room even so is refused, and has made some for the next.
///
/// Clones share what they keep.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::{sync::Arc, time::Duration};
///
/// use blossom_layers::{
///     cache::{Entry, Found, Lifetime, Tier, tier::MemoryTier},
///     types::{CacheKey, Owner, ScopeDigest},
/// };
///
/// let tier = MemoryTier::new(64 << 20);
/// let now = tokio::time::Instant::now().into_std();
/// let entry = Entry::new(CacheKey::new([1; 32]), ScopeDigest::of(Owner::Shared), now)
///     .lifetime(Lifetime::new(Duration::from_secs(60)));
///
/// tier.put(Arc::new(entry));
/// assert!(matches!(tier.get(&CacheKey::new([1; 32])).found().await, Found::Hit(_)));
/// # }
/// ```
#[derive(Clone)]
pub struct MemoryTier {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    purges: Purges,
    max_bytes: u64,
    max_entries: u64,
}

#[derive(Default)]
struct State {
    lru: Lru,
    stats: TierStats,
}

impl MemoryTier {
    /// A tier that holds up to `max_bytes`, counted by [`Entry::weight`]. With zero it keeps nothing.
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// # use blossom_layers::{cache::{Entry, Lifetime, tier::*}, types::{CacheKey, Owner, ScopeDigest}};
    /// # let (key, scope) = (CacheKey::new([1; 32]), ScopeDigest::of(Owner::Shared));
    /// # let entry = Entry::new(key, scope, Instant::now());
    /// # let entry = entry.lifetime(Lifetime::new(Duration::from_secs(60)));
    /// assert!(!MemoryTier::new(100).put(Arc::new(entry)), "it weighs more");
    /// ```
    #[must_use]
    pub fn new(max_bytes: u64) -> Self {
        Self::with_max_entries(max_bytes, u64::MAX)
    }

    /// A tier that holds up to `max_bytes` and up to `max_entries`.
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// # use blossom_layers::{cache::{Entry, Lifetime, tier::*}, types::{CacheKey, Owner, ScopeDigest}};
    /// # let (key, scope) = (CacheKey::new([1; 32]), ScopeDigest::of(Owner::Shared));
    /// # let entry = Entry::new(key, scope, Instant::now());
    /// # let entry = entry.lifetime(Lifetime::new(Duration::from_secs(60)));
    /// let tier = MemoryTier::with_max_entries(1 << 20, 1);
    /// let other = Entry::new(CacheKey::new([2; 32]), scope, Instant::now()).lifetime(*entry.lifetimes());
    /// tier.put(Arc::new(entry));
    /// tier.put(Arc::new(other));
    /// assert_eq!(tier.stats().evicted.size, 1);
    /// ```
    #[must_use]
    pub fn with_max_entries(max_bytes: u64, max_entries: u64) -> Self {
        let max_entries = max_entries.min(u64::from(lru::MOST));
        Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                purges: Purges::default(),
                max_bytes,
                max_entries,
            }),
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock but the allocator.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for an entry of this weight, or as much as one call may.
    fn make_room(&self, state: &mut State, weight: u64, gone: &mut Vec<Arc<Entry>>) -> bool {
        let State { lru, stats } = state;
        while stats.weight_bytes > self.max_bytes.saturating_sub(weight)
            || stats.entries >= self.max_entries
        {
            if gone.len() >= EVICTIONS {
                return false;
            }
            let Some((entry, weight)) = lru.pop_oldest() else {
                return false;
            };
            stats.leave(weight, Cause::Size);
            gone.push(entry);
        }
        true
    }
}

impl State {
    fn look(
        &mut self,
        key: &CacheKey,
        purges: &Purges,
        now: Instant,
    ) -> (Found, Option<Arc<Entry>>) {
        let Some((place, entry, used_at)) = self.lru.peek(key) else {
            return (Found::Miss, None);
        };
        let is_idle = |idle_for| now.saturating_duration_since(used_at) >= idle_for;
        let cause = if purges.cover(entry) {
            Cause::Removed
        } else if entry.lifetimes().idle_for.is_some_and(is_idle) {
            Cause::Expired
        } else {
            let entry = entry.clone();
            match entry.freshness(now) {
                Freshness::Fresh => {
                    self.lru.touch(place, now);
                    return (Found::Hit(entry), None);
                }
                Freshness::Stale => {
                    self.lru.touch(place, now);
                    return (Found::Stale(entry), None);
                }
                Freshness::Dead => Cause::Expired,
            }
        };
        (Found::Miss, self.take(key, cause))
    }

    fn take(&mut self, key: &CacheKey, cause: Cause) -> Option<Arc<Entry>> {
        let (entry, weight) = self.lru.remove(key)?;
        self.stats.leave(weight, cause);
        Some(entry)
    }
}

// What goes is dropped after the lock: freeing takes longer than forgetting.
impl Tier for MemoryTier {
    fn get(&self, key: &CacheKey) -> Lookup {
        self.get_at(key, tokio::time::Instant::now().into_std())
    }

    fn get_at(&self, key: &CacheKey, now: Instant) -> Lookup {
        let mut state = self.shared.state();
        let (found, gone) = state.look(key, &self.shared.purges, now);
        state.stats.looked(&found);
        drop(state);
        drop(gone);
        Lookup::Ready(found)
    }

    fn put(&self, entry: Arc<Entry>) -> bool {
        let now = tokio::time::Instant::now().into_std();
        let shared = &self.shared;
        let weight = u64::try_from(entry.weight()).unwrap_or(u64::MAX);
        let fits = weight <= shared.max_bytes && shared.max_entries > 0;
        let mut gone = Vec::new();
        let mut state = shared.state();
        // What was there before goes in any case: it was meant to be replaced.
        let replaced = state.take(entry.key(), Cause::Replaced);
        let taken =
            fits && !shared.purges.cover(&entry) && shared.make_room(&mut state, weight, &mut gone);
        if taken {
            state.lru.insert(entry, weight, now);
            state.stats.enter(weight);
        } else {
            state.stats.refused += 1;
        }
        drop(state);
        drop((replaced, gone));
        taken
    }

    fn remove(&self, key: &CacheKey) {
        let gone = self.shared.state().take(key, Cause::Removed);
        drop(gone);
    }

    fn generation(&self) -> Generation {
        self.shared.purges.generation()
    }

    fn invalidate(&self, what: &Invalidation, after: Generation) -> Generation {
        let generation = self.shared.purges.invalidate(what, after);
        if *what == Invalidation::All {
            let mut state = self.shared.state();
            let gone = std::mem::take(&mut state.lru);
            state.stats.all_leave(Cause::Removed);
            drop(state);
            drop(gone);
        }
        generation
    }

    fn flush(&self) -> Flush {
        Box::pin(ready(Ok(())))
    }

    fn stats(&self) -> TierStats {
        self.shared.state().stats
    }
}

impl fmt::Debug for MemoryTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTier")
            .field("max_bytes", &self.shared.max_bytes)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

// About half a microsecond each, with what it frees.
const EVICTIONS: usize = 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        body::Recording,
        cache::Lifetime,
        types::{Owner, ScopeDigest},
    };

    fn entry(key: u8, bytes: usize) -> Entry {
        let mut recording = Recording::default();
        recording.push(vec![key; bytes].into());
        let scope = ScopeDigest::of(Owner::Shared);
        let now = tokio::time::Instant::now().into_std();
        Entry::new(CacheKey::new([key; 32]), scope, now)
            .recording(Arc::new(recording))
            .lifetime(Lifetime::new(Duration::from_secs(60)))
    }

    fn get(tier: &MemoryTier, key: u8) -> Found {
        match tier.get(&CacheKey::new([key; 32])) {
            Lookup::Ready(found) => found,
            Lookup::Pending(_) => unreachable!("memory answers at once"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn time_to_idle_begins_anew_with_each_lookup() {
        let tier = MemoryTier::new(1 << 20);
        let lifetime = Lifetime::new(Duration::from_secs(60)).idle_for(Duration::from_secs(2));
        tier.put(Arc::new(entry(1, 9).lifetime(lifetime)));

        for _ in 0..3 {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(matches!(get(&tier, 1), Found::Hit(_)));
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(matches!(get(&tier, 1), Found::Miss));
        assert_eq!(tier.stats().evicted.expired, 1);
    }

    #[tokio::test]
    async fn p12_never_weighs_more_than_it_may() {
        let most = 100_000;
        let tier = MemoryTier::new(most);
        for round in 0..2000_u32 {
            tier.put(Arc::new(entry(
                (round * round % 127) as u8,
                (round % 4000) as usize,
            )));
            assert!(tier.stats().weight_bytes <= most);
        }

        let stats = tier.stats();
        assert_eq!(stats.stored - stats.evicted.total(), stats.entries);
        assert!(stats.evicted.size > 0 && stats.evicted.replaced > 0);
    }

    #[tokio::test]
    async fn an_entry_too_large_is_refused_and_what_it_was_to_replace_is_gone() {
        let tier = MemoryTier::new(10_000);
        assert!(tier.put(Arc::new(entry(1, 10))));

        assert!(!tier.put(Arc::new(entry(1, 10_001))));

        assert!(matches!(get(&tier, 1), Found::Miss));
        assert_eq!(tier.stats().refused, 1);
    }

    #[tokio::test]
    async fn holds_no_more_entries_than_it_may() {
        let tier = MemoryTier::with_max_entries(1 << 20, 10);
        for key in 0..50 {
            tier.put(Arc::new(entry(key, 1)));
        }

        assert_eq!(tier.stats().entries, 10);
        assert!(matches!(get(&tier, 49), Found::Hit(_)));
    }

    #[tokio::test]
    async fn a16_nothing_is_kept_where_there_is_no_room() {
        let tier = MemoryTier::new(0);

        assert!(!tier.put(Arc::new(entry(1, 1))));
        assert!(matches!(get(&tier, 1), Found::Miss));
    }

    #[tokio::test]
    async fn a18_what_was_asked_for_before_an_invalidation_is_not_taken_after_it() {
        let tier = MemoryTier::new(1 << 20);
        let begun = tier.generation();
        tier.invalidate(&Invalidation::All, begun);

        assert!(!tier.put(Arc::new(entry(1, 1).generation(begun))));
        assert!(tier.put(Arc::new(entry(1, 1).generation(tier.generation()))));
    }

    #[tokio::test]
    async fn one_put_evicts_a_bounded_number_and_the_next_finds_the_room() {
        let each = entry(0, 0).weight() as u64;
        let tier = MemoryTier::new(each * 3000);
        for number in 0..3000_u32 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&number.to_le_bytes());
            let now = tokio::time::Instant::now().into_std();
            let scope = ScopeDigest::of(Owner::Shared);
            assert!(tier.put(Arc::new(Entry::new(CacheKey::new(key), scope, now))));
        }
        let large = Arc::new(entry(1, entry(0, 0).weight() * 1500));

        assert!(!tier.put(large.clone()));
        assert_eq!(tier.stats().evicted.size, EVICTIONS as u64);
        assert!(tier.put(large));
        assert!(matches!(get(&tier, 1), Found::Hit(_)));
    }

    #[tokio::test]
    async fn clearing_gives_the_memory_back_at_once() {
        let tier = MemoryTier::new(1 << 20);
        let kept = Arc::new(entry(1, 9));
        tier.put(kept.clone());

        tier.invalidate(&Invalidation::All, tier.generation());

        assert_eq!(Arc::strong_count(&kept), 1);
        let stats = tier.stats();
        assert_eq!(
            (stats.entries, stats.weight_bytes, stats.evicted.removed),
            (0, 0, 1)
        );
    }
}

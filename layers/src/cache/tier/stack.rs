use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Entry, Flush, Found, Generation, Invalidation, Lookup, Tier, TierStats};
use crate::types::CacheKey;

/// Two tiers as one: a fast one above, a large one below.
///
/// A lookup asks the upper tier, then the lower. What is found below is promoted. What is put is put
/// into both; a lower tier that writes to a disk does so by and by, and nobody waits for it. More than
/// two are stacks of stacks.
///
/// A tier that fails, hangs or is full is a miss and a number in its statistics: where one has no time,
/// the other is still asked, and no lookup in the lower tier lasts longer than 100 ms.
///
/// Invalidate through the stack, not through one of its tiers: what was invalidated in one alone may
/// come back from the other.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::{sync::Arc, time::Duration};
///
/// use blossom_layers::{
///     cache::{Entry, Found, Lifetime, Tier, tier::{MemoryTier, TierStack}},
///     types::{CacheKey, Owner, ScopeDigest},
/// };
///
/// let (small, large) = (MemoryTier::new(1 << 20), MemoryTier::new(64 << 20));
/// let now = tokio::time::Instant::now().into_std();
/// let entry = Entry::new(CacheKey::new([1; 32]), ScopeDigest::of(Owner::Shared), now)
///     .lifetime(Lifetime::new(Duration::from_secs(60)));
/// large.put(Arc::new(entry));
///
/// let stack = TierStack::new(Arc::new(small.clone()), Arc::new(large));
/// assert!(matches!(stack.get(&CacheKey::new([1; 32])).found().await, Found::Hit(_)));
/// assert_eq!(small.stats().entries, 1);
/// # }
/// ```
#[derive(Clone)]
pub struct TierStack {
    shared: Arc<Shared>,
}

struct Shared {
    upper: Arc<dyn Tier>,
    lower: Arc<dyn Tier>,
    // How often something was put or removed under the keys of each part.
    changes: [Mutex<u64>; PARTS],
    lookups: Mutex<TierStats>,
}

impl TierStack {
    /// `upper` above `lower`.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use blossom_layers::cache::tier::{MemoryTier, Tier, TierStack};
    /// let (small, large) = (MemoryTier::new(1 << 20), MemoryTier::new(64 << 20));
    /// let stack = TierStack::new(Arc::new(small), Arc::new(large));
    /// assert_eq!(stack.stats().entries, 0);
    /// ```
    #[must_use]
    pub fn new(upper: Arc<dyn Tier>, lower: Arc<dyn Tier>) -> Self {
        Self {
            shared: Arc::new(Shared {
                upper,
                lower,
                changes: std::array::from_fn(|_| Mutex::default()),
                lookups: Mutex::default(),
            }),
        }
    }

    /// The tier above.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use blossom_layers::cache::tier::{MemoryTier, Tier, TierStack};
    /// let upper: Arc<dyn Tier> = Arc::new(MemoryTier::new(1 << 20));
    /// let stack = TierStack::new(upper.clone(), Arc::new(MemoryTier::new(64 << 20)));
    /// assert!(Arc::ptr_eq(stack.upper(), &upper));
    /// ```
    #[must_use]
    pub fn upper(&self) -> &Arc<dyn Tier> {
        &self.shared.upper
    }

    /// The tier below.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use blossom_layers::cache::tier::{MemoryTier, Tier, TierStack};
    /// let lower: Arc<dyn Tier> = Arc::new(MemoryTier::new(64 << 20));
    /// let stack = TierStack::new(Arc::new(MemoryTier::new(1 << 20)), lower.clone());
    /// assert!(Arc::ptr_eq(stack.lower(), &lower));
    /// ```
    #[must_use]
    pub fn lower(&self) -> &Arc<dyn Tier> {
        &self.shared.lower
    }
}

impl Shared {
    fn changes(&self, key: &CacheKey) -> MutexGuard<'_, u64> {
        let [first, ..] = key.as_bytes();
        let part = self.changes.get(usize::from(*first) % PARTS);
        // There are as many parts as there are remainders.
        let [zeroth, ..] = &self.changes;
        let part = part.unwrap_or(zeroth);
        part.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, found: Found) -> Found {
        let mut lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
        lookups.looked(&found);
        found
    }

    /// Takes what was found below up, unless the key has changed meanwhile: what was removed must not
    /// come back, nor the old over the new.
    fn promote(&self, key: &CacheKey, changes: u64, found: &Found) {
        let (Found::Hit(entry) | Found::Stale(entry)) = found else {
            return;
        };
        let now = self.changes(key);
        if *now == changes {
            // If it has no room there, it stays where it is.
            self.upper.put(entry.clone());
        }
    }

    async fn below(
        self: Arc<Self>,
        key: CacheKey,
        changes: u64,
        above: Option<impl Future<Output = Found> + Send>,
    ) -> Found {
        if let Some(above) = above {
            let found = within(above).await;
            if matches!(found, Found::Hit(_) | Found::Stale(_)) {
                return self.answer(found);
            }
        }
        let found = match self.lower.get(&key) {
            Lookup::Ready(found) => found,
            Lookup::Pending(found) => within(found).await,
        };
        self.promote(&key, changes, &found);
        self.answer(found)
    }
}

/// A tier bounds its time itself; one that does not is bounded here.
async fn within(found: impl Future<Output = Found>) -> Found {
    if tokio::runtime::Handle::try_current().is_err() {
        return found.await;
    }
    let found = tokio::time::timeout(LOOKUP, found).await;
    found.unwrap_or(Found::Busy)
}

impl Tier for TierStack {
    fn get(&self, key: &CacheKey) -> Lookup {
        self.get_at(key, tokio::time::Instant::now().into_std())
    }

    fn get_at(&self, key: &CacheKey, now: Instant) -> Lookup {
        let shared = &self.shared;
        let above = match shared.upper.get_at(key, now) {
            Lookup::Ready(found @ (Found::Hit(_) | Found::Stale(_))) => {
                return Lookup::Ready(shared.answer(found));
            }
            Lookup::Ready(Found::Miss | Found::Busy) => None,
            Lookup::Pending(found) => Some(found),
        };
        let changes = *shared.changes(key);
        if above.is_some() {
            return Lookup::Pending(Box::pin(shared.clone().below(*key, changes, above)));
        }
        match shared.lower.get_at(key, now) {
            Lookup::Ready(found) => {
                shared.promote(key, changes, &found);
                Lookup::Ready(shared.answer(found))
            }
            Lookup::Pending(found) => {
                let (shared, key) = (shared.clone(), *key);
                Lookup::Pending(Box::pin(async move {
                    let found = within(found).await;
                    shared.promote(&key, changes, &found);
                    shared.answer(found)
                }))
            }
        }
    }

    fn put(&self, entry: Arc<Entry>) -> bool {
        let mut changes = self.shared.changes(entry.key());
        *changes += 1;
        let above = self.shared.upper.put(entry.clone());
        let below = self.shared.lower.put(entry);
        above || below
    }

    fn remove(&self, key: &CacheKey) {
        let mut changes = self.shared.changes(key);
        *changes += 1;
        self.shared.upper.remove(key);
        self.shared.lower.remove(key);
    }

    fn generation(&self) -> Generation {
        self.shared
            .upper
            .generation()
            .max(self.shared.lower.generation())
    }

    fn invalidate(&self, what: &Invalidation, after: Generation) -> Generation {
        // Each later than what any reply that is under way can have noted.
        let after = after.max(self.generation());
        let above = self.shared.upper.invalidate(what, after);
        self.shared.lower.invalidate(what, above)
    }

    fn flush(&self) -> Flush {
        let (above, below) = (self.shared.upper.flush(), self.shared.lower.flush());
        Box::pin(async move {
            let above = above.await;
            below.await.and(above)
        })
    }

    /// Lookups as the stack answered them; everything else is what both tiers say, together.
    fn stats(&self) -> TierStats {
        let lookups = *self
            .shared
            .lookups
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let both = self.shared.upper.stats().plus(&self.shared.lower.stats());
        TierStats {
            hits: lookups.hits,
            stale: lookups.stale,
            misses: lookups.misses,
            busy: lookups.busy,
            ..both
        }
    }
}

impl fmt::Debug for TierStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TierStack")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

const PARTS: usize = 64;
const LOOKUP: Duration = Duration::from_millis(100);

#[cfg(all(test, feature = "cache-memory"))]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::{
        cache::{Lifetime, tier::MemoryTier},
        types::{Owner, ScopeDigest},
    };

    /// A tier whose lookups end when the test says so.
    #[derive(Default)]
    struct Slow {
        answers: Mutex<Vec<oneshot::Receiver<Found>>>,
    }

    impl Slow {
        fn answer(&self) -> oneshot::Sender<Found> {
            let (answer, answered) = oneshot::channel();
            self.answers.lock().unwrap().push(answered);
            answer
        }
    }

    impl Tier for Slow {
        fn get(&self, _key: &CacheKey) -> Lookup {
            let answered = self.answers.lock().unwrap().pop().unwrap();
            Lookup::Pending(Box::pin(async { answered.await.unwrap() }))
        }

        fn put(&self, _entry: Arc<Entry>) -> bool {
            false
        }

        fn remove(&self, _key: &CacheKey) {}

        fn generation(&self) -> Generation {
            Generation::new(7)
        }

        fn invalidate(&self, _what: &Invalidation, after: Generation) -> Generation {
            Generation::new(after.number() + 1)
        }

        fn flush(&self) -> Flush {
            Box::pin(async { Err("no room".into()) })
        }

        fn stats(&self) -> TierStats {
            TierStats::default()
        }
    }

    fn entry() -> Arc<Entry> {
        let now = tokio::time::Instant::now().into_std();
        let entry = Entry::new(KEY, ScopeDigest::of(Owner::Shared), now)
            .lifetime(Lifetime::new(Duration::from_secs(60)));
        Arc::new(entry)
    }

    fn stack() -> (TierStack, MemoryTier, Arc<Slow>) {
        let (upper, lower) = (MemoryTier::new(1 << 20), Arc::new(Slow::default()));
        (
            TierStack::new(Arc::new(upper.clone()), lower.clone()),
            upper,
            lower,
        )
    }

    const KEY: CacheKey = CacheKey::new([1; 32]);

    #[tokio::test(start_paused = true)]
    async fn c10_a_lower_tier_that_hangs_is_busy_and_nobody_waits() {
        let (stack, _, lower) = stack();
        let _never = lower.answer();

        assert!(matches!(stack.get(&KEY).found().await, Found::Busy));
        assert_eq!(stack.stats().busy, 1);
    }

    #[tokio::test]
    async fn what_was_removed_while_it_was_looked_for_is_not_promoted() {
        let (stack, upper, lower) = stack();
        let answer = lower.answer();
        let lookup = stack.get(&KEY);
        stack.remove(&KEY);
        answer.send(Found::Hit(entry())).unwrap();

        lookup.found().await;

        assert_eq!(upper.stats().entries, 0);
    }

    #[tokio::test]
    async fn the_old_is_not_promoted_over_the_new() {
        let (stack, upper, lower) = stack();
        let answer = lower.answer();
        let lookup = stack.get(&KEY);
        let new = entry();
        stack.put(new.clone());
        answer.send(Found::Hit(entry())).unwrap();

        lookup.found().await;

        let found = upper.get(&KEY).found().await.into_entry().unwrap();
        assert!(Arc::ptr_eq(&found, &new));
    }

    #[tokio::test]
    async fn what_is_found_below_is_promoted() {
        let (stack, upper, lower) = stack();
        lower.answer().send(Found::Hit(entry())).unwrap();

        assert!(matches!(stack.get(&KEY).found().await, Found::Hit(_)));
        assert!(matches!(stack.get(&KEY), Lookup::Ready(Found::Hit(_))));
        assert_eq!((upper.stats().entries, stack.stats().hits), (1, 2));
    }

    #[tokio::test]
    async fn a18_generations_are_later_than_those_of_both() {
        let (stack, upper, _) = stack();
        let begun = stack.generation();
        assert_eq!(begun, Generation::new(7));

        let now = stack.invalidate(&Invalidation::All, Generation::default());

        assert!(now > begun && upper.generation() > begun);
        let late = Entry::clone(&entry()).generation(begun);
        assert!(!stack.put(Arc::new(late)));
    }

    #[tokio::test]
    async fn a_tier_that_cannot_be_flushed_says_so() {
        let (stack, ..) = stack();

        assert_eq!(stack.flush().await.unwrap_err().to_string(), "no room");
    }
}

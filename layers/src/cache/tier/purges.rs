use std::{
    collections::HashMap,
    sync::{
        RwLock,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use super::{Entry, Generation, Invalidation};
use crate::types::ScopeDigest;

/// What was invalidated, and in which generation: an entry of an earlier one is gone.
///
/// Invalidating is one write into a small table, whatever the number of entries; they are reclaimed
/// when they are next met. It also holds for entries that come later, by a reply that was asked for
/// before. The table is bounded: past 4,096 owners and tags more is forgotten than was asked for,
/// never less.
///
/// For tiers, to keep their word on [`Tier::invalidate`](super::Tier::invalidate).
///
/// ```
/// use blossom_layers::cache::{Entry, Invalidation, tier::Purges};
/// # use blossom_layers::types::{CacheKey, Owner, ScopeDigest};
/// # let scope = ScopeDigest::of(Owner::Tenant("team-a"));
/// # let entry = Entry::new(CacheKey::new([1; 32]), scope, std::time::Instant::now()).tag("faq");
///
/// let purges = Purges::default();
/// assert!(!purges.cover(&entry));
/// purges.invalidate(&Invalidation::Tag("faq".into()), purges.generation());
/// assert!(purges.cover(&entry));
/// ```
#[derive(Debug, Default)]
pub struct Purges {
    /// The present generation, and the latest of which the table knows.
    current: AtomicU64,
    table: RwLock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// Everything before it is gone.
    floor: u64,
    scopes: HashMap<ScopeDigest, u64>,
    tags: HashMap<Box<str>, u64>,
}

impl Purges {
    /// The present generation.
    ///
    /// ```
    /// # use blossom_layers::cache::{Generation, Invalidation, tier::Purges};
    /// let purges = Purges::default();
    /// purges.invalidate(&Invalidation::All, purges.generation());
    /// assert_eq!(purges.generation(), Generation::new(1));
    /// ```
    #[must_use]
    pub fn generation(&self) -> Generation {
        Generation::new(self.current.load(SeqCst))
    }

    /// See [`Tier::invalidate`](super::Tier::invalidate).
    ///
    /// ```
    /// # use blossom_layers::cache::{Generation, Invalidation, tier::Purges};
    /// let purges = Purges::default();
    /// let now = purges.invalidate(&Invalidation::All, Generation::new(7));
    /// assert_eq!(now, Generation::new(8), "later than what it was given");
    /// ```
    pub fn invalidate(&self, what: &Invalidation, after: Generation) -> Generation {
        let mut table = self
            .table
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // Under the lock, so that generations enter the table in order; and before the generation is
        // shown, so that who sees the new one sees the table.
        let now = self
            .current
            .load(SeqCst)
            .max(after.number())
            .saturating_add(1);
        match what {
            Invalidation::All => table.clear(now),
            Invalidation::Scope(scope) => drop(table.scopes.insert(*scope, now)),
            Invalidation::Tag(tag) => drop(table.tags.insert(tag.clone(), now)),
        }
        table.shrink();
        self.current.store(now, SeqCst);
        Generation::new(now)
    }

    /// The whole table as bytes, for a tier that survives its process.
    ///
    /// ```
    /// # use blossom_layers::{cache::{Entry, Invalidation, tier::Purges}, types::*};
    /// # let scope = ScopeDigest::of(Owner::Tenant("team-a"));
    /// # let entry = Entry::new(CacheKey::new([1; 32]), scope, std::time::Instant::now()).tag("faq");
    /// let before = Purges::default();
    /// before.invalidate(&Invalidation::Scope(scope), before.generation());
    ///
    /// let after = Purges::default();
    /// after.restore(&before.save());
    /// assert!(after.cover(&entry));
    /// ```
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let table = self
            .table
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut out = Vec::with_capacity(16 + 40 * (table.scopes.len() + table.tags.len()));
        out.extend_from_slice(&self.current.load(SeqCst).to_le_bytes());
        out.extend_from_slice(&table.floor.to_le_bytes());
        for (scope, at) in &table.scopes {
            out.push(0);
            out.extend_from_slice(&at.to_le_bytes());
            out.extend_from_slice(scope.as_bytes());
        }
        for (tag, at) in &table.tags {
            // Longer tags than that cannot be written with an entry either.
            let Ok(length) = u16::try_from(tag.len()) else {
                continue;
            };
            out.push(1);
            out.extend_from_slice(&at.to_le_bytes());
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(tag.as_bytes());
        }
        out
    }

    /// Takes up what was [saved](Self::save), beside what is known already. Where the bytes are not
    /// whole, everything of a generation that they name is taken to be gone.
    ///
    /// ```
    /// # use blossom_layers::{cache::{Entry, Invalidation, tier::Purges}, types::*};
    /// # let scope = ScopeDigest::of(Owner::Tenant("team-a"));
    /// # let entry = Entry::new(CacheKey::new([1; 32]), scope, std::time::Instant::now()).tag("faq");
    /// let purges = Purges::default();
    /// purges.invalidate(&Invalidation::Tag("news".into()), purges.generation());
    /// assert!(!purges.cover(&entry), "it has no such tag");
    ///
    /// let damaged = [&purges.save()[..], b"?"].concat();
    /// purges.restore(&damaged);
    /// assert!(purges.cover(&entry), "better too much than too little");
    /// ```
    pub fn restore(&self, saved: &[u8]) {
        let mut table = self
            .table
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some((current, rest)) = number(saved) else {
            return;
        };
        if table.restore(rest).is_none() {
            table.clear(current);
        }
        self.current.fetch_max(current, SeqCst);
    }

    /// Whether `entry` is gone.
    ///
    /// ```
    /// # use blossom_layers::{cache::{Entry, Invalidation, tier::Purges}, types::*};
    /// # let scope = ScopeDigest::of(Owner::Tenant("team-a"));
    /// # let entry = Entry::new(CacheKey::new([1; 32]), scope, std::time::Instant::now()).tag("faq");
    /// let purges = Purges::default();
    /// let now = purges.invalidate(&Invalidation::All, purges.generation());
    /// assert!(purges.cover(&entry));
    /// assert!(!purges.cover(&entry.generation(now)), "it was asked for after");
    /// ```
    #[must_use]
    pub fn cover(&self, entry: &Entry) -> bool {
        let generation = entry.stored_generation().number();
        // An entry of the present generation is covered by nothing, and needs no lock.
        if generation >= self.current.load(SeqCst) {
            return false;
        }
        let table = self
            .table
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let later = |at: Option<&u64>| at.is_some_and(|at| generation < *at);
        generation < table.floor
            || later(table.scopes.get(entry.scope()))
            || entry.tags().any(|tag| later(table.tags.get(tag)))
    }
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*number), rest))
}

impl Table {
    fn restore(&mut self, saved: &[u8]) -> Option<()> {
        let (floor, mut rest) = number(saved)?;
        self.floor = self.floor.max(floor);
        while let Some((kind, after)) = rest.split_first() {
            let (at, after) = number(after)?;
            let (known, after) = match kind {
                0 => {
                    let (scope, after) = after.split_first_chunk()?;
                    let scope = ScopeDigest::from_bytes(*scope);
                    (self.scopes.entry(scope).or_default(), after)
                }
                1 => {
                    let (length, after) = after.split_first_chunk()?;
                    let (tag, after) =
                        after.split_at_checked(u16::from_le_bytes(*length).into())?;
                    let tag = std::str::from_utf8(tag).ok()?;
                    (self.tags.entry(tag.into()).or_default(), after)
                }
                _ => return None,
            };
            *known = at.max(*known);
            rest = after;
        }
        self.shrink();
        Some(())
    }

    fn clear(&mut self, now: u64) {
        self.floor = now;
        self.scopes.clear();
        self.tags.clear();
    }

    /// Keeps the table small: past the limit the older half is forgotten, and everything that is as
    /// old is gone with it. That forgets more than was asked for, never less.
    fn shrink(&mut self) {
        if self.scopes.len() + self.tags.len() <= LIMIT {
            return;
        }
        let mut all: Vec<_> = self
            .scopes
            .values()
            .chain(self.tags.values())
            .copied()
            .collect();
        let middle = all.len() / 2;
        let (_, floor, _) = all.select_nth_unstable(middle);
        self.floor = self.floor.max(*floor);
        let floor = self.floor;
        self.scopes.retain(|_, at| *at > floor);
        self.tags.retain(|_, at| *at > floor);
    }
}

const LIMIT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{CacheKey, Owner};

    fn entry(owner: &str, tag: &str, generation: Generation) -> Entry {
        let scope = ScopeDigest::of(Owner::Tenant(owner));
        let now = tokio::time::Instant::now().into_std();
        Entry::new(CacheKey::new([1; 32]), scope, now)
            .tag(tag)
            .generation(generation)
    }

    fn tag(tag: &str) -> Invalidation {
        Invalidation::Tag(tag.into())
    }

    #[test]
    fn covers_what_was_asked_for_before_and_nothing_later() {
        let purges = Purges::default();
        let before = entry("a", "faq", purges.generation());
        let other = entry("a", "news", purges.generation());

        purges.invalidate(&tag("faq"), purges.generation());

        assert!(purges.cover(&before));
        assert!(!purges.cover(&other));
        assert!(!purges.cover(&entry("a", "faq", purges.generation())));
    }

    #[test]
    fn covers_one_owner_or_all() {
        let purges = Purges::default();
        let (a, b) = (
            entry("a", "t", Generation::default()),
            entry("b", "t", Generation::default()),
        );

        purges.invalidate(&Invalidation::Scope(*a.scope()), Generation::default());
        assert!(purges.cover(&a) && !purges.cover(&b));

        purges.invalidate(&Invalidation::All, Generation::default());
        assert!(purges.cover(&a) && purges.cover(&b));
    }

    #[test]
    fn the_new_generation_is_later_than_the_one_given() {
        let purges = Purges::default();

        let now = purges.invalidate(&tag("faq"), Generation::new(41));

        assert_eq!(now, Generation::new(42));
        assert_eq!(purges.generation(), now);
        assert!(purges.cover(&entry("a", "faq", Generation::new(41))));
    }

    #[test]
    fn a_full_table_forgets_more_than_was_asked_for_never_less() {
        let purges = Purges::default();
        let old = entry("a", "0", Generation::default());
        for number in 0..=LIMIT {
            purges.invalidate(&tag(&number.to_string()), Generation::default());
        }

        let table = purges.table.read().unwrap();
        assert!(table.tags.len() <= LIMIT / 2 + 1);
        drop(table);
        assert!(purges.cover(&old));
        assert!(purges.cover(&entry(
            "a",
            &LIMIT.to_string(),
            Generation::new(LIMIT as u64)
        )));
    }

    #[test]
    fn what_was_saved_is_known_again_and_what_is_not_whole_covers_everything() {
        let purges = Purges::default();
        let (a, b) = (
            entry("a", "t", Generation::default()),
            entry("b", "u", Generation::default()),
        );
        purges.invalidate(&Invalidation::Scope(*a.scope()), Generation::default());
        let now = purges.invalidate(&tag("x"), Generation::default());
        let saved = purges.save();

        let restored = Purges::default();
        restored.restore(&saved);
        assert_eq!(restored.generation(), now);
        assert!(restored.cover(&a) && !restored.cover(&b));
        assert_eq!(restored.save().len(), saved.len());

        for cut in 8..saved.len() {
            let restored = Purges::default();
            restored.restore(&saved[..cut]);
            assert!(restored.cover(&a) || cut == 16, "{cut}");
        }
    }
}

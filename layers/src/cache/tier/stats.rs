use super::Found;

/// What has happened in a tier since it was made.
///
/// `hits + stale + misses + busy` is the number of lookups that came to their end;
/// `found + stored - evicted.total()` the number of entries that are there, once all that was put is
/// written.
///
/// ```
/// use blossom_layers::cache::tier::{MemoryTier, Tier as _};
///
/// println!("{:?}", MemoryTier::new(1 << 20).stats());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TierStats {
    /// Entries that were there when the tier was made.
    pub found: u64,
    /// Entries that are there, those counted that are dead but not yet reclaimed.
    pub entries: u64,
    /// Their weight in bytes.
    pub weight_bytes: u64,
    /// Lookups that found a fresh entry.
    pub hits: u64,
    /// Lookups that found a stale one.
    pub stale: u64,
    /// Lookups that found nothing.
    pub misses: u64,
    /// Lookups that were not done, because the tier was busy, slow or broken.
    pub busy: u64,
    /// Entries that were taken.
    pub stored: u64,
    /// Entries that were not: too large, out of date, or the tier was busy or broken.
    pub refused: u64,
    /// Entries that are gone, by cause.
    pub evicted: Evicted,
    /// Records that were not what was stored.
    pub corrupt: u64,
    /// Reads and writes that failed.
    pub failures: u64,
}

/// Entries that are gone, by cause. Of two causes the first that was seen counts.
///
/// ```
/// use blossom_layers::cache::tier::{Cause, TierStats};
///
/// let mut stats = TierStats::default();
/// stats.enter(100);
/// stats.leave(100, Cause::Expired);
/// assert_eq!(stats.evicted.expired, 1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Evicted {
    /// To keep within the tier's bounds.
    pub size: u64,
    /// Past their lifetime.
    pub expired: u64,
    /// Another entry took their place.
    pub replaced: u64,
    /// Removed or invalidated.
    pub removed: u64,
    /// They could not be read, or were not what was stored.
    pub corrupt: u64,
}

impl Evicted {
    /// All causes together.
    ///
    /// ```
    /// # use blossom_layers::cache::tier::Evicted;
    /// let mut evicted = Evicted::default();
    /// (evicted.size, evicted.expired) = (2, 1);
    /// assert_eq!(evicted.total(), 3);
    /// ```
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.size + self.expired + self.replaced + self.removed + self.corrupt
    }
}

/// Why an entry went.
///
/// ```
/// use blossom_layers::cache::tier::{Cause, TierStats};
///
/// let mut stats = TierStats::default();
/// stats.leave(0, Cause::Size);
/// stats.leave(0, Cause::Removed);
/// assert_eq!((stats.evicted.size, stats.evicted.removed), (1, 1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// To keep within the tier's bounds.
    Size,
    /// Past its lifetime.
    Expired,
    /// Another entry took its place.
    Replaced,
    /// Removed or invalidated.
    Removed,
    /// It could not be read, or was not what was stored.
    Corrupt,
}

/// For tiers, to count with.
impl TierStats {
    /// Counts a lookup.
    ///
    /// ```
    /// # use blossom_layers::cache::tier::{Found, TierStats};
    /// let mut stats = TierStats::default();
    /// stats.looked(&Found::Miss);
    /// assert_eq!(stats.misses, 1);
    /// ```
    pub const fn looked(&mut self, found: &Found) {
        *match found {
            Found::Hit(_) => &mut self.hits,
            Found::Stale(_) => &mut self.stale,
            Found::Miss => &mut self.misses,
            Found::Busy => &mut self.busy,
        } += 1;
    }

    /// Counts an entry that was taken.
    ///
    /// ```
    /// # use blossom_layers::cache::tier::TierStats;
    /// let mut stats = TierStats::default();
    /// stats.enter(100);
    /// assert_eq!((stats.stored, stats.entries, stats.weight_bytes), (1, 1, 100));
    /// ```
    pub const fn enter(&mut self, weight: u64) {
        self.stored += 1;
        self.entries += 1;
        self.weight_bytes = self.weight_bytes.saturating_add(weight);
    }

    /// Counts an entry that is gone.
    ///
    /// ```
    /// # use blossom_layers::cache::tier::{Cause, TierStats};
    /// let mut stats = TierStats::default();
    /// stats.enter(100);
    /// stats.leave(100, Cause::Replaced);
    /// assert_eq!((stats.entries, stats.weight_bytes), (0, 0));
    /// ```
    pub const fn leave(&mut self, weight: u64, cause: Cause) {
        *self.evicted.by(cause) += 1;
        self.entries = self.entries.saturating_sub(1);
        self.weight_bytes = self.weight_bytes.saturating_sub(weight);
    }

    /// The sums of two tiers.
    ///
    /// ```
    /// # use blossom_layers::cache::tier::TierStats;
    /// let (mut upper, mut lower) = (TierStats::default(), TierStats::default());
    /// (upper.hits, lower.hits) = (2, 1);
    /// assert_eq!(upper.plus(&lower).hits, 3);
    /// ```
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            found: self.found + other.found,
            entries: self.entries + other.entries,
            weight_bytes: self.weight_bytes + other.weight_bytes,
            hits: self.hits + other.hits,
            stale: self.stale + other.stale,
            misses: self.misses + other.misses,
            busy: self.busy + other.busy,
            stored: self.stored + other.stored,
            refused: self.refused + other.refused,
            evicted: self.evicted.plus(&other.evicted),
            corrupt: self.corrupt + other.corrupt,
            failures: self.failures + other.failures,
        }
    }

    /// Counts that all that were there are gone.
    ///
    /// ```
    /// # use blossom_layers::cache::tier::{Cause, TierStats};
    /// let mut stats = TierStats::default();
    /// stats.enter(100);
    /// stats.enter(100);
    /// stats.all_leave(Cause::Removed);
    /// assert_eq!((stats.entries, stats.evicted.removed), (0, 2));
    /// ```
    pub const fn all_leave(&mut self, cause: Cause) {
        *self.evicted.by(cause) += self.entries;
        self.entries = 0;
        self.weight_bytes = 0;
    }
}

impl Evicted {
    const fn plus(&self, other: &Self) -> Self {
        Self {
            size: self.size + other.size,
            expired: self.expired + other.expired,
            replaced: self.replaced + other.replaced,
            removed: self.removed + other.removed,
            corrupt: self.corrupt + other.corrupt,
        }
    }

    const fn by(&mut self, cause: Cause) -> &mut u64 {
        match cause {
            Cause::Size => &mut self.size,
            Cause::Expired => &mut self.expired,
            Cause::Replaced => &mut self.replaced,
            Cause::Removed => &mut self.removed,
            Cause::Corrupt => &mut self.corrupt,
        }
    }
}

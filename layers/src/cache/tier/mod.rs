//! Where entries are kept: the [`Tier`] trait, and the tiers.
//!
//! | tier | feature | keeps |
//! | --- | --- | --- |
//! | [`MemoryTier`] | `cache-memory` | in this process, bounded in bytes |
//! | [`DiskTier`] | `cache-disk` | in a directory, bounded in bytes and files, across restarts |
//! | [`TierStack`] | | in two of them |
//!
//! A tier that fails, hangs or is full is a miss and a number in its [`TierStats`], never a failed
//! request.

#[cfg(all(unix, feature = "cache-disk"))]
mod disk;
#[cfg(feature = "cache-memory")]
mod memory;
mod purges;
mod stack;
mod stats;

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Instant};

#[cfg(all(unix, feature = "cache-disk"))]
#[cfg_attr(docsrs, doc(cfg(feature = "cache-disk")))]
pub use self::disk::{DiskError, DiskErrorKind, DiskTier, DiskTierBuilder};
#[cfg(feature = "cache-memory")]
#[cfg_attr(docsrs, doc(cfg(feature = "cache-memory")))]
pub use self::memory::MemoryTier;
pub use self::{
    purges::Purges,
    stack::TierStack,
    stats::{Cause, Evicted, TierStats},
};
use super::Entry;
use crate::{
    BoxError,
    types::{CacheKey, ScopeDigest},
};

/// Keeps entries by their keys, until it forgets them.
///
/// A tier behaves as a map that may forget at any time: what it gives is what was put last under
/// that key, or nothing. It never blocks and never panics: `get` answers at once or with a future,
/// everything else at once. Object safe: `Arc<dyn Tier>` is a tier.
pub trait Tier: Send + Sync + 'static {
    /// Looks `key` up, by the clock of tokio.
    ///
    /// An entry that is given has this key, and is fresh or stale; one that is dead, was
    /// invalidated, or is not what was stored, is a miss.
    fn get(&self, key: &CacheKey) -> Lookup;

    /// As [`get`](Self::get), for whoever knows what time it is. `now` is by the clock of tokio.
    ///
    /// Unless a tier does it better, it is `get`, which reads the clock itself.
    fn get_at(&self, key: &CacheKey, now: Instant) -> Lookup {
        let _ = now;
        self.get(key)
    }

    /// Keeps `entry` under its key, in place of what was there. Returns whether it was taken, which
    /// is no promise to keep it. If it was not, what was there before is gone all the same.
    fn put(&self, entry: Arc<Entry>) -> bool;

    /// Forgets what is kept under `key`.
    fn remove(&self, key: &CacheKey);

    /// The present generation, to be noted when a reply is asked for and put into its [`Entry`].
    fn generation(&self) -> Generation;

    /// Forgets all that `what` covers, and all that is put later with an earlier generation than the
    /// one returned: a reply that was asked for before cannot come back after.
    ///
    /// The new generation is later than `after` and than the tier's own. Whoever holds one tier gives
    /// [`generation`](Tier::generation); whoever joins tiers gives the latest of theirs.
    fn invalidate(&self, what: &Invalidation, after: Generation) -> Generation;

    /// Waits until all that was put before is as safe as this tier can make it.
    ///
    /// # Errors
    ///
    /// If it could not be made safe.
    fn flush(&self) -> Flush;

    /// What has happened so far.
    fn stats(&self) -> TierStats;
}

/// The future of [`Tier::flush`].
pub type Flush = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

impl<T: Tier + ?Sized> Tier for Arc<T> {
    fn get(&self, key: &CacheKey) -> Lookup {
        (**self).get(key)
    }

    fn get_at(&self, key: &CacheKey, now: Instant) -> Lookup {
        (**self).get_at(key, now)
    }

    fn put(&self, entry: Arc<Entry>) -> bool {
        (**self).put(entry)
    }

    fn remove(&self, key: &CacheKey) {
        (**self).remove(key);
    }

    fn generation(&self) -> Generation {
        (**self).generation()
    }

    fn invalidate(&self, what: &Invalidation, after: Generation) -> Generation {
        (**self).invalidate(what, after)
    }

    fn flush(&self) -> Flush {
        (**self).flush()
    }

    fn stats(&self) -> TierStats {
        (**self).stats()
    }
}

/// The answer of a tier: there, or to be waited for.
#[expect(clippy::exhaustive_enums, reason = "there is no third way to answer")]
pub enum Lookup {
    /// There.
    Ready(Found),
    /// To be waited for. Dropping the future gives the lookup up. A tier bounds its time itself.
    Pending(Pin<Box<dyn Future<Output = Found> + Send>>),
}

impl Lookup {
    /// The answer, waited for if need be.
    pub async fn found(self) -> Found {
        match self {
            Self::Ready(found) => found,
            Self::Pending(found) => found.await,
        }
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(found) => f.debug_tuple("Ready").field(found).finish(),
            Self::Pending(_) => f.write_str("Pending(..)"),
        }
    }
}

/// What a tier found.
#[derive(Debug, Clone)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever asks must know what to do with each"
)]
pub enum Found {
    /// A fresh entry.
    Hit(Arc<Entry>),
    /// An entry for where a stale reply is better than none.
    Stale(Arc<Entry>),
    /// Nothing.
    Miss,
    /// Perhaps something: the tier had no time to look.
    Busy,
}

impl Found {
    /// The entry, fresh or stale.
    #[must_use]
    pub fn into_entry(self) -> Option<Arc<Entry>> {
        match self {
            Self::Hit(entry) | Self::Stale(entry) => Some(entry),
            Self::Miss | Self::Busy => None,
        }
    }
}

/// How often a tier was invalidated: a number that only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(u64);

impl Generation {
    /// A generation by its number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What to forget.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Invalidation {
    /// Everything.
    All,
    /// Everything of one owner.
    Scope(ScopeDigest),
    /// Everything that bears this tag.
    Tag(Box<str>),
}

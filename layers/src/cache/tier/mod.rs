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
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use blossom_layers::{cache::tier::{Found, Lookup, MemoryTier, Tier}, types::CacheKey};
//!
//! // Whoever keeps entries does not care where.
//! let tier: Arc<dyn Tier> = Arc::new(MemoryTier::new(64 << 20));
//! assert!(matches!(tier.get(&CacheKey::new([1; 32])), Lookup::Ready(Found::Miss)));
//! assert_eq!(tier.stats().misses, 1);
//! ```

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
///
/// ```
/// use std::sync::Arc;
///
/// use blossom_layers::{cache::{Entry, tier::*}, types::CacheKey};
///
/// /// Keeps nothing.
/// struct Nowhere;
///
/// impl Tier for Nowhere {
///     fn get(&self, _: &CacheKey) -> Lookup {
///         Lookup::Ready(Found::Miss)
///     }
///     fn put(&self, _: Arc<Entry>) -> bool {
///         false
///     }
///     fn remove(&self, _: &CacheKey) {}
///     fn generation(&self) -> Generation {
///         Generation::default()
///     }
///     fn invalidate(&self, _: &Invalidation, after: Generation) -> Generation {
///         Generation::new(after.number() + 1)
///     }
///     fn flush(&self) -> Flush {
///         Box::pin(async { Ok(()) })
///     }
///     fn stats(&self) -> TierStats {
///         TierStats::default()
///     }
/// }
///
/// let tier: Arc<dyn Tier> = Arc::new(Nowhere);
/// assert!(matches!(tier.get(&CacheKey::new([1; 32])), Lookup::Ready(Found::Miss)));
/// ```
pub trait Tier: Send + Sync + 'static {
    /// Looks `key` up, by the clock of tokio.
    ///
    /// An entry that is given has this key, and is fresh or stale; one that is dead, was
    /// invalidated, or is not what was stored, is a miss.
    ///
    /// ```
    /// # use blossom_layers::{cache::tier::*, types::CacheKey};
    /// let tier = MemoryTier::new(1 << 20);
    /// assert!(matches!(tier.get(&CacheKey::new([1; 32])), Lookup::Ready(Found::Miss)));
    /// ```
    fn get(&self, key: &CacheKey) -> Lookup;

    /// As [`get`](Self::get), for whoever knows what time it is. `now` is by the clock of tokio.
    ///
    /// Unless a tier does it better, it is `get`, which reads the clock itself.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// # use std::{sync::Arc, time::Duration};
    /// # use blossom_layers::{cache::{tier::MemoryTier, *}, types::*};
    /// # let (tier, key) = (MemoryTier::new(1 << 20), CacheKey::new([1; 32]));
    /// # let now = tokio::time::Instant::now().into_std();
    /// # let entry = Entry::new(key, ScopeDigest::of(Owner::Shared), now)
    /// #     .lifetime(Lifetime::new(Duration::from_secs(60)));
    /// # tier.put(Arc::new(entry));
    /// let later = now + Duration::from_secs(60);
    /// assert!(matches!(tier.get_at(&key, now).found().await, Found::Hit(_)));
    /// assert!(matches!(tier.get_at(&key, later).found().await, Found::Miss));
    /// # }
    /// ```
    fn get_at(&self, key: &CacheKey, now: Instant) -> Lookup {
        let _ = now;
        self.get(key)
    }

    /// Keeps `entry` under its key, in place of what was there. Returns whether it was taken, which
    /// is no promise to keep it. If it was not, what was there before is gone all the same.
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// # use blossom_layers::{cache::{Entry, Lifetime, tier::*}, types::{CacheKey, Owner, ScopeDigest}};
    /// # let tier = MemoryTier::new(1 << 20);
    /// # let (key, scope) = (CacheKey::new([1; 32]), ScopeDigest::of(Owner::Shared));
    /// # let entry = Entry::new(key, scope, Instant::now());
    /// # let entry = entry.lifetime(Lifetime::new(Duration::from_secs(60)));
    /// assert!(tier.put(Arc::new(entry)));
    /// assert!(matches!(tier.get(&key), Lookup::Ready(Found::Hit(_))));
    /// ```
    fn put(&self, entry: Arc<Entry>) -> bool;

    /// Forgets what is kept under `key`.
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// # use blossom_layers::{cache::{Entry, Lifetime, tier::*}, types::{CacheKey, Owner, ScopeDigest}};
    /// # let tier = MemoryTier::new(1 << 20);
    /// # let (key, scope) = (CacheKey::new([1; 32]), ScopeDigest::of(Owner::Shared));
    /// # let entry = Entry::new(key, scope, Instant::now());
    /// # let entry = entry.lifetime(Lifetime::new(Duration::from_secs(60)));
    /// tier.put(Arc::new(entry));
    /// tier.remove(&key);
    /// assert!(matches!(tier.get(&key), Lookup::Ready(Found::Miss)));
    /// ```
    fn remove(&self, key: &CacheKey);

    /// The present generation, to be noted when a reply is asked for and put into its [`Entry`].
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// # use blossom_layers::{cache::{Entry, Lifetime, tier::*}, types::{CacheKey, Owner, ScopeDigest}};
    /// # let tier = MemoryTier::new(1 << 20);
    /// # let (key, scope) = (CacheKey::new([1; 32]), ScopeDigest::of(Owner::Shared));
    /// # let entry = Entry::new(key, scope, Instant::now());
    /// # let entry = entry.lifetime(Lifetime::new(Duration::from_secs(60)));
    /// tier.invalidate(&Invalidation::All, tier.generation());
    /// tier.put(Arc::new(entry.generation(tier.generation()))); // it was asked for after that
    /// assert!(matches!(tier.get(&key), Lookup::Ready(Found::Hit(_))));
    /// ```
    fn generation(&self) -> Generation;

    /// Forgets all that `what` covers, and all that is put later with an earlier generation than the
    /// one returned: a reply that was asked for before cannot come back after.
    ///
    /// The new generation is later than `after` and than the tier's own. Whoever holds one tier gives
    /// [`generation`](Tier::generation); whoever joins tiers gives the latest of theirs.
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// # use blossom_layers::{cache::{Entry, Lifetime, tier::*}, types::{CacheKey, Owner, ScopeDigest}};
    /// # let tier = MemoryTier::new(1 << 20);
    /// # let (key, scope) = (CacheKey::new([1; 32]), ScopeDigest::of(Owner::Shared));
    /// # let entry = Entry::new(key, scope, Instant::now());
    /// # let entry = entry.lifetime(Lifetime::new(Duration::from_secs(60)));
    /// let asked = tier.generation();
    /// tier.invalidate(&Invalidation::All, asked);
    /// tier.put(Arc::new(entry.generation(asked)));
    /// assert!(matches!(tier.get(&key), Lookup::Ready(Found::Miss)), "it was asked for before");
    /// ```
    fn invalidate(&self, what: &Invalidation, after: Generation) -> Generation;

    /// Waits until all that was put before is as safe as this tier can make it.
    ///
    /// ```
    /// # use blossom_layers::cache::tier::{MemoryTier, Tier};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let tier = MemoryTier::new(1 << 20);
    /// assert!(tier.flush().await.is_ok(), "memory has nothing to wait for");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If it could not be made safe.
    fn flush(&self) -> Flush;

    /// What has happened so far.
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// # use blossom_layers::{cache::{Entry, Lifetime, tier::*}, types::{CacheKey, Owner, ScopeDigest}};
    /// # let tier = MemoryTier::new(1 << 20);
    /// # let (key, scope) = (CacheKey::new([1; 32]), ScopeDigest::of(Owner::Shared));
    /// # let entry = Entry::new(key, scope, Instant::now());
    /// # let entry = entry.lifetime(Lifetime::new(Duration::from_secs(60)));
    /// tier.put(Arc::new(entry));
    /// assert_eq!((tier.stats().stored, tier.stats().entries), (1, 1));
    /// ```
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
///
/// ```
/// use blossom_layers::cache::tier::{Found, Lookup};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let slow = Lookup::Pending(Box::pin(async { Found::Busy }));
/// assert!(matches!(slow.found().await, Found::Busy));
/// # Ok(())
/// # }
/// ```
#[expect(clippy::exhaustive_enums, reason = "there is no third way to answer")]
pub enum Lookup {
    /// There.
    Ready(Found),
    /// To be waited for. Dropping the future gives the lookup up. A tier bounds its time itself.
    Pending(Pin<Box<dyn Future<Output = Found> + Send>>),
}

impl Lookup {
    /// The answer, waited for if need be.
    ///
    /// ```
    /// # use blossom_layers::cache::tier::{Found, Lookup};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// assert!(matches!(Lookup::Ready(Found::Miss).found().await, Found::Miss));
    /// # Ok(())
    /// # }
    /// ```
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
///
/// ```
/// use blossom_layers::cache::tier::Found;
///
/// let says = |found| match found {
///     Found::Hit(_) => "here it is",
///     Found::Stale(_) => "better than none",
///     Found::Miss => "it is not there",
///     Found::Busy => "it may be there",
/// };
/// assert_eq!(says(Found::Busy), "it may be there");
/// ```
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
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use blossom_layers::{cache::{Entry, Found}, types::{CacheKey, Owner, ScopeDigest}};
    /// # let (key, scope) = (CacheKey::new([1; 32]), ScopeDigest::of(Owner::Shared));
    /// # let entry = Entry::new(key, scope, Instant::now());
    /// assert!(Found::Stale(Arc::new(entry)).into_entry().is_some());
    /// assert!(Found::Busy.into_entry().is_none());
    /// ```
    #[must_use]
    pub fn into_entry(self) -> Option<Arc<Entry>> {
        match self {
            Self::Hit(entry) | Self::Stale(entry) => Some(entry),
            Self::Miss | Self::Busy => None,
        }
    }
}

/// How often a tier was invalidated: a number that only grows.
///
/// ```
/// use blossom_layers::cache::tier::{Invalidation, MemoryTier, Tier};
///
/// let tier = MemoryTier::new(1 << 20);
/// let before = tier.generation();
/// assert!(tier.invalidate(&Invalidation::All, before) > before);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(u64);

impl Generation {
    /// A generation by its number.
    ///
    /// ```
    /// # use blossom_layers::cache::Generation;
    /// assert!(Generation::new(2) > Generation::new(1));
    /// ```
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    ///
    /// ```
    /// # use blossom_layers::cache::Generation;
    /// assert_eq!(Generation::default().number(), 0);
    /// ```
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What to forget.
///
/// ```
/// use blossom_layers::{cache::{Generation, Invalidation, tier::{MemoryTier, Tier}}, types::*};
///
/// let tier = MemoryTier::new(1 << 20);
/// for what in [
///     Invalidation::All,
///     Invalidation::Scope(ScopeDigest::of(Owner::Tenant("team-a"))),
///     Invalidation::Tag("faq".into()),
/// ] {
///     tier.invalidate(&what, tier.generation());
/// }
/// assert_eq!(tier.generation(), Generation::new(3));
/// ```
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

use std::time::Duration;

/// How long an [`Entry`](super::Entry) may be used.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::cache::Lifetime;
///
/// let lifetime = Lifetime::new(Duration::from_secs(60)).stale_for(Duration::from_secs(600));
/// assert_eq!(lifetime.total(), Duration::from_secs(660));
/// assert_eq!(lifetime.idle_for, None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Lifetime {
    /// As it is, counted from when the upstream made the reply.
    pub fresh_for: Duration,
    /// After that, where a stale reply is better than none.
    pub stale_for: Duration,
    /// Without being asked for; `None` for no such limit. A tier that does not see all lookups
    /// counts from when the entry was stored, which is never longer.
    pub idle_for: Option<Duration>,
}

impl Lifetime {
    /// Fresh for so long, then of no use. `Duration::MAX` is for ever.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::cache::Lifetime;
    /// assert_eq!(Lifetime::new(Duration::MAX).stale_for, Duration::ZERO);
    /// ```
    #[must_use]
    pub const fn new(fresh_for: Duration) -> Self {
        Self {
            fresh_for,
            stale_for: Duration::ZERO,
            idle_for: None,
        }
    }

    /// Lets it be used stale for so long after that.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::cache::Lifetime;
    /// let lifetime = Lifetime::new(Duration::from_secs(60)).stale_for(Duration::from_secs(600));
    /// assert_eq!(lifetime.stale_for, Duration::from_secs(600));
    /// ```
    #[must_use]
    pub const fn stale_for(mut self, stale_for: Duration) -> Self {
        self.stale_for = stale_for;
        self
    }

    /// Ends it when nobody has asked for it so long.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::cache::Lifetime;
    /// let lifetime = Lifetime::new(Duration::MAX).idle_for(Duration::from_secs(600));
    /// assert_eq!(lifetime.idle_for, Some(Duration::from_secs(600)));
    /// ```
    #[must_use]
    pub const fn idle_for(mut self, idle_for: Duration) -> Self {
        self.idle_for = Some(idle_for);
        self
    }

    /// How long it can be used at most.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::cache::Lifetime;
    /// let lifetime = Lifetime::new(Duration::from_secs(60)).stale_for(Duration::from_secs(30));
    /// assert_eq!(lifetime.total(), Duration::from_secs(90));
    /// ```
    #[must_use]
    pub const fn total(&self) -> Duration {
        self.fresh_for.saturating_add(self.stale_for)
    }
}

/// Whether an [`Entry`](super::Entry) may be used.
///
/// ```
/// use blossom_layers::cache::{Entry, Freshness, Lifetime};
/// # use blossom_layers::types::{CacheKey, Owner, ScopeDigest};
/// # use std::time::{Duration, Instant};
///
/// # let now = Instant::now();
/// # let entry = Entry::new(CacheKey::new([1; 32]), ScopeDigest::of(Owner::Shared), now);
/// let entry = entry.lifetime(Lifetime::new(Duration::from_secs(60)));
/// assert_eq!(entry.freshness(now), Freshness::Fresh);
/// assert_eq!(entry.freshness(now + Duration::from_secs(60)), Freshness::Dead);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Freshness {
    /// As it is.
    Fresh,
    /// Where a stale reply is better than none.
    Stale,
    /// Not at all.
    Dead,
}

use std::{fmt, num::NonZeroUsize, sync::Arc, time::Duration};

use tower_layer::Layer;

use super::{
    ByDirectives, Cache, CacheHandle, Tier,
    fill::Shared,
    plan::{Config, Plan},
    scoped::Scoped,
    stats::Counters,
};
use crate::{
    flight::Flights,
    types::{Scope, ScopeDigest},
};

/// Applies [`Cache`].
///
/// Clones share what is stored and what is in flight, and so do all services of one layer; two layers
/// share nothing but a tier that both were given. See the [module docs](super) for an example.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::{
///     cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier},
///     types::Scope,
/// };
///
/// let tier = MemoryTier::new(64 * 1024 * 1024);
/// let layer = CacheLayer::new(tier, CanonicalKey::new(), Scope::fixed("team-a"))
///     .time_to_live(Duration::from_secs(3600))
///     .stale_if_error(Duration::from_secs(600));
/// assert_eq!(layer.handle().stats().requests(), 0);
/// ```
#[derive(Clone)]
pub struct CacheLayer<K, P = ByDirectives> {
    key: K,
    policy: P,
    scope: Scope,
    config: Config,
    shared: Arc<Shared>,
}

impl<K> CacheLayer<K> {
    /// A layer that keeps replies in `tier`. Requests are equal if `key` gives them the same key and
    /// `scope` the same owner.
    ///
    /// It stores what the replies' own directives allow, as [`ByDirectives`] says.
    #[must_use]
    pub fn new(tier: impl Tier, key: K, scope: Scope) -> Self {
        Self {
            key,
            policy: ByDirectives::new(),
            scope,
            config: Config::DEFAULT,
            shared: Arc::new(Shared {
                tier: Arc::new(tier),
                flights: Flights::new(),
                counters: Counters::default(),
            }),
        }
    }
}

impl<K, P> CacheLayer<K, P> {
    /// Which replies may be stored, and for how long.
    #[must_use]
    pub fn policy<Q>(self, policy: Q) -> CacheLayer<K, Q> {
        CacheLayer {
            key: self.key,
            policy,
            scope: self.scope,
            config: self.config,
            shared: self.shared,
        }
    }

    /// How long a reply stays fresh that does not say it itself. Default: none, and such a reply is
    /// not stored. Zero is the same.
    #[must_use]
    pub const fn time_to_live(mut self, time_to_live: Duration) -> Self {
        self.config.time_to_live = Some(time_to_live);
        self
    }

    /// How long a reply is kept that nobody asks for. Default: as long as it is fresh.
    #[must_use]
    pub const fn time_to_idle(mut self, time_to_idle: Duration) -> Self {
        self.config.time_to_idle = Some(time_to_idle);
        self
    }

    /// Shortens the time to live of each reply by up to so many percent, by chance, so that what was
    /// stored together does not expire together. Default: 0; more than 100 is 100.
    #[must_use]
    pub const fn jitter_percent(mut self, percent: u8) -> Self {
        self.config.jitter_percent = percent;
        self
    }

    /// How long past its time a reply is still given while it is refreshed in the background, where
    /// the reply does not say it itself ([RFC 5861]). Default: zero.
    ///
    /// [RFC 5861]: https://www.rfc-editor.org/rfc/rfc5861
    #[must_use]
    pub const fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.config.stale_while_revalidate = window;
        self
    }

    /// How long past its time a reply is still given if the upstream fails: with an error instead of
    /// a head, or 500, 502, 503 or 504. Where the reply does not say it itself. Default: zero.
    #[must_use]
    pub const fn stale_if_error(mut self, window: Duration) -> Self {
        self.config.stale_if_error = window;
        self
    }

    /// Keeps failures (404, 405, 410, 414, 451, 500 to 504) for so long, 5 s at most, so that a
    /// broken upstream is not asked by everybody. Default: zero, and no failure is kept.
    #[must_use]
    pub const fn negative_time_to_live(mut self, time_to_live: Duration) -> Self {
        self.config.negative = time_to_live;
        self
    }

    /// Up to how many bytes a reply is stored, and kept for those who join late. Default: 8 MiB. A
    /// larger one passes whole.
    #[must_use]
    pub const fn max_entry_bytes(mut self, limit: usize) -> Self {
        self.config.limits.max_bytes = limit;
        self
    }

    /// How long the fastest reader of a reply over [`max_entry_bytes`](Self::max_entry_bytes) waits
    /// for the slowest. Default: 1 s.
    #[must_use]
    pub const fn lag_grace(mut self, grace: Duration) -> Self {
        self.config.limits.lag_grace = grace;
        self
    }

    /// How old a call may be to be joined by an equal request; after that the next one begins
    /// another, and the reply of the old one is not stored. Default: 300 s.
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.config.limits.max_age = age;
        self
    }

    /// Lets a reply whose last reader has gone be read to its end and stored, for up to
    /// [`max_fill`](Self::max_fill) and [`max_entry_bytes`](Self::max_entry_bytes). Default: off, and
    /// the call is cancelled.
    #[must_use]
    pub const fn finish_fill(mut self, finish: bool) -> Self {
        self.config.limits.finish_fill = if finish {
            Some(self.config.max_fill)
        } else {
            None
        };
        self
    }

    /// How long work in the background may take: a fill whose readers have gone, or a refresh.
    /// Default: 300 s.
    #[must_use]
    pub const fn max_fill(mut self, time: Duration) -> Self {
        self.config.max_fill = time;
        if self.config.limits.finish_fill.is_some() {
            self.config.limits.finish_fill = Some(time);
        }
        self
    }

    /// Keeps so many different answers to the same request, of which each caller gets one by chance.
    /// Default: 1.
    #[must_use]
    pub const fn buckets(mut self, answers: NonZeroUsize) -> Self {
        self.config.buckets = answers.get();
        self
    }

    /// Pauses so long between the frames of a stored reply, so that a replay looks alive. Default:
    /// none, and a replay is as fast as its reader.
    #[must_use]
    pub const fn pace(mut self, pause: Duration) -> Self {
        self.config.pace = pause;
        self
    }

    /// A view of the cache from outside the stack.
    #[must_use]
    pub fn handle(&self) -> CacheHandle {
        CacheHandle::new(self.shared.clone(), self.config.buckets)
    }
}

impl<S, K: Clone, P: Clone> Layer<S> for CacheLayer<K, P> {
    type Service = Cache<S, K, P>;

    fn layer(&self, inner: S) -> Self::Service {
        let plan = Plan {
            key: self.key.clone(),
            policy: self.policy.clone(),
            constant: self
                .scope
                .constant()
                .map(|owner| Scoped::new(ScopeDigest::of(owner))),
            scope: self.scope.clone(),
            config: self.config,
        };
        Cache::new(inner, Arc::new(plan), self.shared.clone())
    }
}

// Policies have no form to show.
impl<K, P> fmt::Debug for CacheLayer<K, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheLayer")
            .field("scope", &self.scope)
            .field("config", &self.config)
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

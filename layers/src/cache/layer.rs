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
    ///
    /// ```
    /// # use blossom_layers::cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier};
    /// # use blossom_layers::{body::ReqBody, test_util::*, types::*};
    /// # use http::{Request, Response};
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let tier = MemoryTier::new(64 << 20);
    /// let layer = CacheLayer::new(tier, CanonicalKey::new(), Scope::fixed("team-a"));
    /// # let well = Response::builder().header("cache-control", "max-age=60");
    /// # let inner = ScriptedService::new([Step::Respond(well.body(ScriptedBody::new().sized())?)]);
    /// let service = layer.layer(inner); // it says `max-age=60`
    /// # let request = || Request::new(ReqBody::empty());
    /// # let ask = async || service.clone().oneshot(request()).await?.collect().await;
    /// ask().await?;
    /// ask().await?;
    /// assert_eq!(layer.handle().stats().hits, 1);
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::cache::{ByDirectives, CacheLayer, key::CanonicalKey, tier::MemoryTier};
    /// # use blossom_layers::{body::ReqBody, test_util::*, types::*};
    /// # use http::Request;
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let layer = CacheLayer::new(MemoryTier::new(1 << 20), CanonicalKey::new(), Scope::shared());
    /// let policy = ByDirectives::new().deterministic(|_: &Request<ReqBody>| true);
    /// let layer = layer.time_to_live(Duration::from_secs(60)).policy(policy);
    /// let service = layer.layer(ScriptedService::default());
    /// # let ask = async || {
    /// #     let request = Request::post("/").body(ReqBody::empty())?;
    /// #     service.clone().oneshot(request).await?.collect().await
    /// # };
    /// ask().await?; // a POST
    /// ask().await?;
    /// assert_eq!(layer.handle().stats().hits, 1);
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier};
    /// # use blossom_layers::{body::ReqBody, test_util::*, types::*};
    /// # use http::Request;
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let layer = CacheLayer::new(MemoryTier::new(1 << 20), CanonicalKey::new(), Scope::shared());
    /// let layer = layer.time_to_live(Duration::from_secs(60));
    /// let service = layer.layer(ScriptedService::default());
    /// # let request = || Request::new(ReqBody::empty());
    /// # let ask = async || service.clone().oneshot(request()).await?.collect().await;
    /// ask().await?;
    /// ask().await?;
    /// assert_eq!(layer.handle().stats().hits, 1);
    /// tokio::time::sleep(Duration::from_secs(60)).await;
    /// ask().await?;
    /// assert_eq!(layer.handle().stats().misses, 2);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn time_to_live(mut self, time_to_live: Duration) -> Self {
        self.config.time_to_live = Some(time_to_live);
        self
    }

    /// How long a reply is kept that nobody asks for. Default: as long as it is fresh.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier};
    /// # use blossom_layers::{body::ReqBody, test_util::*, types::*};
    /// # use http::Request;
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let layer = CacheLayer::new(MemoryTier::new(1 << 20), CanonicalKey::new(), Scope::shared());
    /// let hour = Duration::from_secs(3600);
    /// let layer = layer.time_to_live(hour).time_to_idle(Duration::from_secs(60));
    /// let service = layer.layer(ScriptedService::default());
    /// # let request = || Request::new(ReqBody::empty());
    /// # let ask = async || service.clone().oneshot(request()).await?.collect().await;
    /// ask().await?;
    /// tokio::time::sleep(Duration::from_secs(60)).await;
    /// ask().await?;
    /// assert_eq!(layer.handle().stats().misses, 2, "it was gone");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn time_to_idle(mut self, time_to_idle: Duration) -> Self {
        self.config.time_to_idle = Some(time_to_idle);
        self
    }

    /// Shortens the time to live of each reply by up to so many percent, by chance, so that what was
    /// stored together does not expire together. Default: 0; more than 100 is 100.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier};
    /// # use blossom_layers::{body::ReqBody, test_util::*, types::*};
    /// # use http::Request;
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let layer = CacheLayer::new(MemoryTier::new(1 << 20), CanonicalKey::new(), Scope::shared());
    /// let layer = layer.time_to_live(Duration::from_secs(100)).jitter_percent(10);
    /// let service = layer.layer(ScriptedService::default());
    /// # let request = || Request::new(ReqBody::empty());
    /// # let ask = async || service.clone().oneshot(request()).await?.collect().await;
    /// ask().await?;
    /// tokio::time::sleep(Duration::from_secs(89)).await;
    /// ask().await?;
    /// assert_eq!(layer.handle().stats().hits, 1, "no more than a tenth is taken off");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn jitter_percent(mut self, percent: u8) -> Self {
        self.config.jitter_percent = percent;
        self
    }

    /// How long past its time a reply is still given while it is refreshed in the background, where
    /// the reply does not say it itself ([RFC 5861]). Default: zero.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier};
    /// # use blossom_layers::{body::ReqBody, test_util::*, types::*};
    /// # use http::Request;
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let layer = CacheLayer::new(MemoryTier::new(1 << 20), CanonicalKey::new(), Scope::shared());
    /// let minute = Duration::from_secs(60);
    /// let layer = layer.time_to_live(minute).stale_while_revalidate(minute);
    /// let service = layer.layer(ScriptedService::default());
    /// # let request = || Request::new(ReqBody::empty());
    /// # let ask = async || service.clone().oneshot(request()).await?.collect().await;
    /// ask().await?;
    /// tokio::time::sleep(Duration::from_secs(90)).await;
    /// ask().await?;
    /// assert_eq!(layer.handle().stats().stale, 1, "given at once, and refreshed");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [RFC 5861]: https://www.rfc-editor.org/rfc/rfc5861
    #[must_use]
    pub const fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.config.stale_while_revalidate = window;
        self
    }

    /// How long past its time a reply is still given if the upstream fails: with an error instead of
    /// a head, or 500, 502, 503 or 504. Where the reply does not say it itself. Default: zero.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier};
    /// # use blossom_layers::{body::ReqBody, test_util::*, types::*};
    /// # use http::{Request, Response};
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let layer = CacheLayer::new(MemoryTier::new(1 << 20), CanonicalKey::new(), Scope::shared());
    /// let minute = Duration::from_secs(60);
    /// let layer = layer.time_to_live(minute).stale_if_error(minute);
    /// # let well = Response::new(ScriptedBody::new().sized());
    /// # let inner = ScriptedService::new([Step::Respond(well), Step::Fail("down")]);
    /// let service = layer.layer(inner); // it answers once, and fails then
    /// # let request = || Request::new(ReqBody::empty());
    /// # let ask = async || service.clone().oneshot(request()).await?.collect().await;
    /// ask().await?;
    /// tokio::time::sleep(Duration::from_secs(90)).await;
    /// ask().await?;
    /// assert_eq!(layer.handle().stats().rescued, 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn stale_if_error(mut self, window: Duration) -> Self {
        self.config.stale_if_error = window;
        self
    }

    /// Keeps failures (404, 405, 410, 414, 451, 500 to 504) for so long, 5 s at most, so that a
    /// broken upstream is not asked by everybody. Default: zero, and no failure is kept.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier};
    /// # use blossom_layers::{body::ReqBody, test_util::*, types::*};
    /// # use http::{Request, Response};
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let layer = CacheLayer::new(MemoryTier::new(1 << 20), CanonicalKey::new(), Scope::shared());
    /// let layer = layer.negative_time_to_live(Duration::from_secs(2));
    /// # let missing = Response::builder().status(404).body(ScriptedBody::new().sized())?;
    /// # let inner = ScriptedService::new([Step::Respond(missing)]);
    /// let service = layer.layer(inner.clone()); // it answers 404
    /// # let request = || Request::new(ReqBody::empty());
    /// # let ask = async || service.clone().oneshot(request()).await?.collect().await;
    /// ask().await?;
    /// ask().await?;
    /// assert_eq!(inner.calls(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn negative_time_to_live(mut self, time_to_live: Duration) -> Self {
        self.config.negative = time_to_live;
        self
    }

    /// Up to how many bytes a reply is stored, and kept for those who join late. Default: 8 MiB. A
    /// larger one passes whole.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier};
    /// # use blossom_layers::{body::ReqBody, test_util::*, types::*};
    /// # use http::Request;
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let layer = CacheLayer::new(MemoryTier::new(1 << 20), CanonicalKey::new(), Scope::shared());
    /// let layer = layer.time_to_live(Duration::from_secs(60)).max_entry_bytes(4);
    /// let service = layer.layer(ScriptedService::once(ScriptedBody::new().data("hello")));
    /// # let request = || Request::new(ReqBody::empty());
    /// # let ask = async || service.clone().oneshot(request()).await?.collect().await;
    /// assert_eq!(ask().await?.to_bytes(), "hello", "it passes whole");
    /// assert_eq!(layer.handle().stats().stored, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn max_entry_bytes(mut self, limit: usize) -> Self {
        self.config.limits.max_bytes = limit;
        self
    }

    /// How long the fastest reader of a reply over [`max_entry_bytes`](Self::max_entry_bytes) waits
    /// for the slowest. Default: 1 s.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier};
    /// # use blossom_layers::{body::ReqBody, flight::Lagged, test_util::*, types::*};
    /// # use http::Request;
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let layer = CacheLayer::new(MemoryTier::new(1 << 20), CanonicalKey::new(), Scope::shared());
    /// let layer = layer.max_entry_bytes(0).lag_grace(Duration::from_millis(100));
    /// let body = ScriptedBody::new().data("one").data("two").data("three");
    /// let service = layer.layer(ScriptedService::once(body));
    /// # let ask = || service.clone().oneshot(Request::new(ReqBody::empty()));
    /// let (fast, mut slow) = tokio::try_join!(ask(), ask())?;
    /// slow.frame().await.ok_or("it begins")??;
    /// fast.collect().await?;
    /// assert!(slow.collect().await.unwrap_err().is::<Lagged>());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn lag_grace(mut self, grace: Duration) -> Self {
        self.config.limits.lag_grace = grace;
        self
    }

    /// How old a call may be to be joined by an equal request; after that the next one begins
    /// another, and the reply of the old one is not stored. Default: 300 s. With zero only calls of
    /// the same instant are joined.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier};
    /// # use blossom_layers::{body::ReqBody, test_util::*, types::*};
    /// # use http::{Request, Response};
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let layer = CacheLayer::new(MemoryTier::new(1 << 20), CanonicalKey::new(), Scope::shared());
    /// let layer = layer.max_age(Duration::from_secs(1));
    /// # let slowly = || Step::RespondAfter(Duration::from_secs(10), Response::default());
    /// let inner = ScriptedService::new([slowly(), slowly()]);
    /// let service = layer.layer(inner.clone());
    /// # let request = || Request::new(ReqBody::empty());
    /// # let ask = async || service.clone().oneshot(request()).await?.collect().await;
    /// let later = async {
    ///     tokio::time::sleep(Duration::from_secs(2)).await;
    ///     ask().await
    /// };
    /// let _ = tokio::try_join!(ask(), later)?;
    /// assert_eq!(inner.calls(), 2, "the first was too old to be joined");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.config.limits.max_age = age;
        self
    }

    /// Lets a reply whose last reader has gone be read to its end and stored, for up to
    /// [`max_fill`](Self::max_fill) and [`max_entry_bytes`](Self::max_entry_bytes). Default: off, and
    /// the call is cancelled.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier};
    /// # use blossom_layers::{body::ReqBody, test_util::*, types::*};
    /// # use http::Request;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let layer = CacheLayer::new(MemoryTier::new(1 << 20), CanonicalKey::new(), Scope::shared());
    /// let layer = layer.time_to_live(Duration::from_secs(60)).finish_fill(true);
    /// let body = ScriptedBody::new().data("hel").wait(Duration::from_secs(10)).data("lo");
    /// let service = layer.layer(ScriptedService::once(body));
    /// drop(service.oneshot(Request::new(ReqBody::empty())).await?); // nobody reads on
    /// tokio::time::sleep(Duration::from_secs(20)).await;
    /// assert_eq!(layer.handle().stats().stored, 1);
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier};
    /// # use blossom_layers::{body::ReqBody, test_util::*, types::*};
    /// # use http::Request;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let layer = CacheLayer::new(MemoryTier::new(1 << 20), CanonicalKey::new(), Scope::shared());
    /// let layer = layer.time_to_live(Duration::from_secs(60)).finish_fill(true);
    /// let layer = layer.max_fill(Duration::from_secs(5));
    /// let body = ScriptedBody::new().data("hel").wait(Duration::from_secs(10)).data("lo");
    /// let service = layer.layer(ScriptedService::once(body));
    /// drop(service.oneshot(Request::new(ReqBody::empty())).await?); // nobody reads on
    /// tokio::time::sleep(Duration::from_secs(20)).await;
    /// assert_eq!(layer.handle().stats().stored, 0, "it took longer");
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier};
    /// # use blossom_layers::{body::ReqBody, test_util::*, types::*};
    /// # use http::Request;
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let layer = CacheLayer::new(MemoryTier::new(1 << 20), CanonicalKey::new(), Scope::shared());
    /// let layer = layer.time_to_live(Duration::from_secs(60)).buckets(2_usize.try_into()?);
    /// let inner = ScriptedService::default();
    /// let service = layer.layer(inner.clone());
    /// # let request = || Request::new(ReqBody::empty());
    /// # let ask = async || service.clone().oneshot(request()).await?.collect().await;
    /// for _ in 0..100 {
    ///     ask().await?;
    /// }
    /// assert_eq!(inner.calls(), 2, "a call for each of the answers");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn buckets(mut self, answers: NonZeroUsize) -> Self {
        self.config.buckets = answers.get();
        self
    }

    /// Pauses so long between the frames of a stored reply, so that a replay looks alive. Default:
    /// none, and a replay is as fast as its reader.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier};
    /// # use blossom_layers::{body::ReqBody, test_util::*, types::*};
    /// # use http::Request;
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let layer = CacheLayer::new(MemoryTier::new(1 << 20), CanonicalKey::new(), Scope::shared());
    /// let pause = Duration::from_millis(50);
    /// let layer = layer.time_to_live(Duration::from_secs(60)).pace(pause);
    /// let service = layer.layer(ScriptedService::once(ScriptedBody::new().data("hel").data("lo")));
    /// # let request = || Request::new(ReqBody::empty());
    /// # let ask = async || service.clone().oneshot(request()).await?.collect().await;
    /// ask().await?;
    /// let began = tokio::time::Instant::now();
    /// ask().await?;
    /// assert!(began.elapsed() >= pause, "two frames, and a pause between them");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn pace(mut self, pause: Duration) -> Self {
        self.config.pace = pause;
        self
    }

    /// A view of the cache from outside the stack.
    ///
    /// ```
    /// # use blossom_layers::{cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier}, types::Scope};
    /// let layer = CacheLayer::new(MemoryTier::new(1 << 20), CanonicalKey::new(), Scope::shared());
    /// assert_eq!(layer.handle().stats().requests(), 0);
    /// ```
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

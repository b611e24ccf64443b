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
    ///
    /// ```
    /// # use blossom_layers::{cache::{key::CanonicalKey, tier::MemoryTier, *}, types::*};
    /// # let tier = MemoryTier::new(1 << 20);
    /// # let layer = CacheLayer::new(tier.clone(), CanonicalKey::new(), Scope::tenant());
    /// # let handle = layer.handle();
    /// assert_eq!(handle.stats().requests(), 0, "nobody has asked");
    /// ```
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        self.shared.counters.stats(self.shared.tier.stats())
    }

    /// How many calls equal requests may join at this moment.
    ///
    /// ```
    /// # use blossom_layers::cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier};
    /// # use blossom_layers::{body::ReqBody, test_util::*, types::*};
    /// # use http::Request;
    /// # use tower::{Layer, Service};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let layer = CacheLayer::new(MemoryTier::new(1 << 20), CanonicalKey::new(), Scope::shared());
    /// let mut service = layer.layer(ScriptedService::default());
    /// let call = service.call(Request::new(ReqBody::empty()));
    /// assert_eq!(layer.handle().in_flight(), 1);
    /// drop(call);
    /// assert_eq!(layer.handle().in_flight(), 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.flights.len()
    }

    /// Forgets everything.
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// # use blossom_layers::{cache::{key::CanonicalKey, tier::MemoryTier, *}, types::*};
    /// # let tier = MemoryTier::new(1 << 20);
    /// # let layer = CacheLayer::new(tier.clone(), CanonicalKey::new(), Scope::tenant());
    /// # let handle = layer.handle();
    /// # let (key, scope) = (CacheKey::new([1; 32]), ScopeDigest::of(Owner::Tenant("team-a")));
    /// # let entry = Entry::new(key, scope, Instant::now()).tag("faq");
    /// # let entry = entry.lifetime(Lifetime::new(Duration::from_secs(60)));
    /// tier.put(Arc::new(entry));
    /// handle.clear();
    /// assert!(matches!(tier.get(&key), Lookup::Ready(Found::Miss)));
    /// ```
    pub fn clear(&self) {
        self.invalidate(&Invalidation::All);
    }

    /// Forgets everything of one owner.
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// # use blossom_layers::{cache::{key::CanonicalKey, tier::MemoryTier, *}, types::*};
    /// # let tier = MemoryTier::new(1 << 20);
    /// # let layer = CacheLayer::new(tier.clone(), CanonicalKey::new(), Scope::tenant());
    /// # let handle = layer.handle();
    /// # let (key, scope) = (CacheKey::new([1; 32]), ScopeDigest::of(Owner::Tenant("team-a")));
    /// # let entry = Entry::new(key, scope, Instant::now()).tag("faq");
    /// # let entry = entry.lifetime(Lifetime::new(Duration::from_secs(60)));
    /// tier.put(Arc::new(entry));
    /// handle.invalidate_scope(Owner::Tenant("team-a"));
    /// assert!(matches!(tier.get(&key), Lookup::Ready(Found::Miss)));
    /// ```
    pub fn invalidate_scope(&self, owner: Owner<'_>) {
        self.invalidate(&Invalidation::Scope(ScopeDigest::of(owner)));
    }

    /// Forgets everything that bears this tag, of all owners.
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// # use blossom_layers::{cache::{key::CanonicalKey, tier::MemoryTier, *}, types::*};
    /// # let tier = MemoryTier::new(1 << 20);
    /// # let layer = CacheLayer::new(tier.clone(), CanonicalKey::new(), Scope::tenant());
    /// # let handle = layer.handle();
    /// # let (key, scope) = (CacheKey::new([1; 32]), ScopeDigest::of(Owner::Tenant("team-a")));
    /// # let entry = Entry::new(key, scope, Instant::now()).tag("faq");
    /// # let entry = entry.lifetime(Lifetime::new(Duration::from_secs(60)));
    /// tier.put(Arc::new(entry));
    /// handle.invalidate_tag("faq");
    /// assert!(matches!(tier.get(&key), Lookup::Ready(Found::Miss)));
    /// ```
    pub fn invalidate_tag(&self, tag: &str) {
        self.invalidate(&Invalidation::Tag(tag.into()));
    }

    /// Forgets the reply that one owner has under a key of its own, as given by
    /// [`CacheOptions::key`](crate::types::CacheOptions::key).
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
    /// # let layer = layer.time_to_live(Duration::from_secs(60));
    /// # let inner = ScriptedService::default();
    /// # let service = layer.layer(inner.clone());
    /// for _ in 0..2 {
    ///     let mut request = Request::new(ReqBody::empty());
    ///     request.extensions_mut().insert(CacheOptions::new().key("today"));
    ///     service.clone().oneshot(request).await?.collect().await?;
    ///     layer.handle().invalidate_key(Owner::Shared, "today");
    /// }
    /// assert_eq!(inner.calls(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn invalidate_key(&self, owner: Owner<'_>, key: &str) {
        let scoped = ScopeDigest::of(owner).scoped(&own_key(key));
        for bucket in 0..self.buckets.max(1) {
            self.remove(&in_bucket(scoped, bucket));
        }
    }

    /// Forgets the reply under this key, as entries have it: scope included.
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// # use blossom_layers::{cache::{key::CanonicalKey, tier::MemoryTier, *}, types::*};
    /// # let tier = MemoryTier::new(1 << 20);
    /// # let layer = CacheLayer::new(tier.clone(), CanonicalKey::new(), Scope::tenant());
    /// # let handle = layer.handle();
    /// # let (key, scope) = (CacheKey::new([1; 32]), ScopeDigest::of(Owner::Tenant("team-a")));
    /// # let entry = Entry::new(key, scope, Instant::now()).tag("faq");
    /// # let entry = entry.lifetime(Lifetime::new(Duration::from_secs(60)));
    /// tier.put(Arc::new(entry));
    /// handle.remove(&key);
    /// assert!(matches!(tier.get(&key), Lookup::Ready(Found::Miss)));
    /// ```
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
    /// ```
    /// # use blossom_layers::{cache::{key::CanonicalKey, tier::MemoryTier, *}, types::*};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let tier = MemoryTier::new(1 << 20);
    /// # let layer = CacheLayer::new(tier.clone(), CanonicalKey::new(), Scope::tenant());
    /// # let handle = layer.handle();
    /// assert!(handle.flush().await.is_ok(), "memory has nothing to wait for");
    /// # Ok(())
    /// # }
    /// ```
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

use std::{any::Any, fmt, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    CacheManagerBuilder, Cached, MemoStats, Unkeyed,
    calls::{Calls, Slot, shared, unshared},
    stats::Counters,
};
use crate::{
    Error, ErrorKind, Result,
    layers::{
        body::Recording,
        cache::{Entry, Invalidation, Lifetime, Tier, key},
        types::{CacheKey, Owner, ScopeDigest},
    },
};

/// Keeps values by name: in memory, and on disk if asked.
///
/// Cheap to clone; clones share all. See the [module](super) for an example.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// let cache = blossom::CacheManager::builder().max_memory_items(100).build()?;
/// cache.set("answer", &42, Duration::from_secs(60)).await;
/// assert_eq!(cache.get::<u32>("answer").await, Some(42));
/// assert_eq!(cache.get::<u32>("question").await, None);
/// assert_eq!(cache.stats().hit_rate(), 50.0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CacheManager {
    shared: Arc<Shared>,
}

struct Shared {
    tier: Arc<dyn Tier>,
    scope: ScopeDigest,
    ttl: Duration,
    calls: Calls,
    counters: Counters,
}

impl CacheManager {
    /// Builds a manager: 1,000 values and 64 MiB in memory, one hour, no disk.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = blossom::CacheManager::builder().max_memory_items(100).build()?;
    /// cache.set("answer", &42, None).await;
    /// assert_eq!(cache.stats().entries, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn builder() -> CacheManagerBuilder {
        CacheManagerBuilder::new()
    }

    /// A manager over a tier of one's own, which may be shared with others: names of values never meet
    /// keys of replies.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::{sync::Arc, time::Duration};
    ///
    /// use blossom::{CacheManager, layers::cache::tier::MemoryTier};
    ///
    /// let tier = Arc::new(MemoryTier::new(1 << 20));
    /// let one = CacheManager::over(tier.clone(), Duration::from_secs(60));
    /// let other = CacheManager::over(tier, Duration::from_secs(60));
    /// one.set("answer", &42, None).await;
    /// assert_eq!(other.get::<u32>("answer").await, Some(42));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn over(tier: Arc<dyn Tier>, ttl: Duration) -> Self {
        Self {
            shared: Arc::new(Shared {
                tier,
                scope: ScopeDigest::of(Owner::Fixed("blossom cache manager")),
                ttl,
                calls: Calls::default(),
                counters: Counters::default(),
            }),
        }
    }

    /// Keeps `value` under `key` for `ttl`; `None` is what the builder said. Returns whether it is kept:
    /// not if serde cannot write it as JSON, or it is too large.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = blossom::CacheManager::builder().build()?;
    /// assert!(cache.set("answer", &42, None).await);
    /// # Ok(())
    /// # }
    /// ```
    #[expect(
        clippy::unused_async,
        reason = "a tier that has to wait must not change it"
    )]
    pub async fn set<T>(&self, key: &str, value: &T, ttl: impl Into<Option<Duration>>) -> bool
    where
        T: Serialize + ?Sized,
    {
        let key = self.shared.key("value", key.as_bytes());
        let ttl = ttl.into().unwrap_or(self.shared.ttl);
        let Ok(text) = serde_json::to_vec(value) else {
            self.shared.tier.remove(&key);
            return false;
        };
        self.shared.put(key, text.into(), ttl)
    }

    /// The value under `key`, if it is there and is a `T`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = blossom::CacheManager::builder().build()?;
    /// cache.set("answer", &42, None).await;
    /// assert_eq!(cache.get::<u32>("answer").await, Some(42));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let key = self.shared.key("value", key.as_bytes());
        let found = self.shared.look(&key).await.and_then(|text| read(&text));
        match found {
            Some(_) => self.shared.counters.hit(),
            None => self.shared.counters.miss(),
        }
        found
    }

    /// Whether there is a value under `key`. Not counted as asking for it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = blossom::CacheManager::builder().build()?;
    /// assert!(!cache.exists("answer").await);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn exists(&self, key: &str) -> bool {
        let key = self.shared.key("value", key.as_bytes());
        self.shared.look(&key).await.is_some()
    }

    /// Forgets the value under `key`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = blossom::CacheManager::builder().build()?;
    /// cache.set("answer", &42, None).await;
    /// cache.remove("answer").await;
    /// assert!(!cache.exists("answer").await);
    /// # Ok(())
    /// # }
    /// ```
    #[expect(
        clippy::unused_async,
        reason = "a tier that has to wait must not change it"
    )]
    pub async fn remove(&self, key: &str) {
        let key = self.shared.key("value", key.as_bytes());
        self.shared.tier.remove(&key);
    }

    /// Forgets all values, those of cached functions as well.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = blossom::CacheManager::builder().build()?;
    /// cache.set("answer", &42, None).await;
    /// cache.clear().await;
    /// assert!(!cache.exists("answer").await);
    /// # Ok(())
    /// # }
    /// ```
    #[expect(
        clippy::unused_async,
        reason = "a tier that has to wait must not change it"
    )]
    pub async fn clear(&self) {
        let tier = &self.shared.tier;
        tier.invalidate(&Invalidation::Scope(self.shared.scope), tier.generation());
    }

    /// Waits until all values are as safe as they will be: on disk, if there is one.
    ///
    /// # Errors
    ///
    /// If the disk cannot be written.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("cache");
    /// let cache = blossom::CacheManager::builder().cache_dir(&path).build()?;
    /// cache.set("answer", &42, None).await;
    /// cache.flush().await?;
    /// drop(cache);
    /// let later = blossom::CacheManager::builder().cache_dir(&path).build()?;
    /// assert_eq!(later.get::<u32>("answer").await, Some(42));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn flush(&self) -> Result<()> {
        self.shared.tier.flush().await.map_err(|error| {
            Error::new(ErrorKind::Io, "the cache cannot be written").with_source(error)
        })
    }

    /// The value under `key`, or what `make` makes, which is kept for `ttl`; `None` is what the builder
    /// said.
    ///
    /// Of those who ask for one key at the same time one makes the value and the others get it. If that
    /// one gives up, the next makes it. An error is not kept: a [`blossom::Error`](crate::Error) is
    /// shared by those who wait; of any other type each makes its own call, one after the other.
    ///
    /// Whoever makes the value has to be polled for the others to get on.
    ///
    /// # Errors
    ///
    /// What `make` says.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// let cache = blossom::CacheManager::builder().build()?;
    /// let hour = Duration::from_secs(3600);
    /// for _ in 0..3 {
    ///     let value = cache.get_or_insert_with("answer", hour, || async { Ok::<_, blossom::Error>(42) });
    ///     assert_eq!(value.await?, 42);
    /// }
    /// assert_eq!(cache.stats().calls_saved(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get_or_insert_with<T, E, F, Fut>(
        &self,
        key: &str,
        ttl: impl Into<Option<Duration>>,
        make: F,
    ) -> std::result::Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        E: Any,
        F: FnOnce() -> Fut,
        Fut: Future<Output = std::result::Result<T, E>>,
    {
        let key = self.shared.key("value", key.as_bytes());
        let ttl = ttl.into().unwrap_or(self.shared.ttl);
        self.make(key, ttl, make).await
    }

    /// Makes a function that calls `function` only for arguments that it has not seen, and keeps results
    /// here for `ttl`. The name is part of their keys: functions of different names never share.
    ///
    /// See [`cached`](fn@super::cached), which has a manager of its own.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = blossom::CacheManager::builder().build()?;
    /// let square = |n: u64| async move { Ok::<_, blossom::Error>(n * n) };
    /// let double = |n: u64| async move { Ok::<_, blossom::Error>(n + n) };
    /// let (square, double) = (cache.cached("square", None, square), cache.cached("double", None, double));
    /// assert_eq!((square.call(7).await?, double.call(7).await?), (49, 14));
    /// assert_eq!(cache.stats().misses, 2, "of both");
    /// # Ok(())
    /// # }
    /// ```
    pub fn cached<A, F, Fut>(
        &self,
        name: &str,
        ttl: impl Into<Option<Duration>>,
        function: F,
    ) -> Cached<F, Unkeyed>
    where
        F: Fn(A) -> Fut,
    {
        let ttl = ttl.into().unwrap_or(self.shared.ttl);
        Cached::new(self.clone(), name, ttl, function)
    }

    /// What was done so far, by all that is built on this manager.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = blossom::CacheManager::builder().build()?;
    /// cache.get::<u32>("answer").await;
    /// assert_eq!(cache.stats().hit_rate(), 0.0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn stats(&self) -> MemoStats {
        self.shared.counters.stats(&self.shared.tier.stats())
    }

    pub(super) fn forget(&self, key: &CacheKey) {
        self.shared.tier.remove(key);
    }

    /// The key of a call of the function `name`.
    pub(super) fn key_of_call(&self, name: &str, arguments: &[u8]) -> CacheKey {
        let mut text = (name.len() as u64).to_le_bytes().to_vec();
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(arguments);
        self.shared.key("call", &text)
    }

    pub(super) async fn make<T, E, F, Fut>(
        &self,
        key: CacheKey,
        ttl: Duration,
        make: F,
    ) -> std::result::Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        E: Any,
        F: FnOnce() -> Fut,
        Fut: Future<Output = std::result::Result<T, E>>,
    {
        let Shared {
            calls, counters, ..
        } = &*self.shared;
        if let Some(found) = self.shared.look(&key).await.and_then(|text| read(&text)) {
            counters.hit();
            return Ok(found);
        }
        let caller = calls.join(key);
        let turn = caller.turn().await;
        match turn.as_deref() {
            Some(Slot::Value(text)) => {
                if let Some(found) = read(text) {
                    counters.coalesced();
                    return Ok(found);
                }
            }
            Some(Slot::Failed(error)) => {
                if let Some(error) = unshared(error) {
                    counters.coalesced();
                    return Err(error);
                }
            }
            // Somebody may have made it between the look and the turn.
            Some(Slot::Empty) | None => {
                if let Some(found) = self.shared.look(&key).await.and_then(|text| read(&text)) {
                    counters.hit();
                    return Ok(found);
                }
            }
        }
        counters.miss();
        let made = make().await;
        let left = match &made {
            Ok(value) => match serde_json::to_vec(value) {
                Ok(text) => {
                    let text = Bytes::from(text);
                    self.shared.put(key, text.clone(), ttl);
                    Slot::Value(text)
                }
                Err(_) => Slot::Empty,
            },
            Err(error) => shared(error).map_or(Slot::Empty, Slot::Failed),
        };
        if let Some(mut turn) = turn {
            *turn = left;
        }
        made
    }
}

impl Shared {
    fn key(&self, kind: &str, name: &[u8]) -> CacheKey {
        self.scope.scoped(&key::of_value(kind, name))
    }

    async fn look(&self, key: &CacheKey) -> Option<Bytes> {
        let entry = self.tier.get(key).found().await.into_entry()?;
        let [text] = entry.body().frames() else {
            return None;
        };
        (entry.scope() == &self.scope).then(|| text.clone())
    }

    fn put(&self, key: CacheKey, text: Bytes, ttl: Duration) -> bool {
        let mut recording = Recording::with_capacity(1);
        recording.push(text);
        let now = tokio::time::Instant::now().into_std();
        let entry = Entry::new(key, self.scope, now)
            .recording(Arc::new(recording))
            .lifetime(Lifetime::new(ttl))
            .generation(self.tier.generation());
        self.tier.put(Arc::new(entry))
    }
}

fn read<T: DeserializeOwned>(text: &[u8]) -> Option<T> {
    serde_json::from_slice(text).ok()
}

impl fmt::Debug for CacheManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheManager")
            .field("ttl", &self.shared.ttl)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

//! Values of your own, kept by keys of your own: [`CacheManager`], and [`cached`] functions.
//!
//! The client caches its own calls. This is for all else: what several calls make together, or what
//! has nothing to do with this client. Values are of any type that serde can write and read.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use blossom::CacheManager;
//!
//! let hour = Duration::from_secs(3600);
//! let cache = CacheManager::builder().max_memory_items(1000).ttl(hour).build()?;
//!
//! cache.set("greeting", "hello", hour).await;
//! assert_eq!(cache.get::<String>("greeting").await.as_deref(), Some("hello"));
//! assert!(!cache.exists("farewell").await);
//!
//! let answer = cache
//!     .get_or_insert_with("answer", hour, || async { Ok::<_, blossom::Error>(42) })
//!     .await?;
//! assert_eq!(answer, 42);
//! # Ok(())
//! # }
//! ```

mod builder;
mod cached;
mod flights;
mod stats;

use std::{borrow::Borrow, fmt, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

pub use self::{
    builder::CacheManagerBuilder,
    cached::{Cached, cached},
    stats::CacheManagerStats,
};
use self::{flights::Flights, stats::Counters};
use crate::layers::{
    BoxError,
    body::Recording,
    cache::{Entry, Found, Invalidation, Lifetime, Tier},
    types::{CacheKey, Owner, ScopeDigest},
};

/// A cache of values, in memory and, if wanted, on disk.
///
/// Cheap to clone; clones, and the functions made by [`cached`](Self::cached), share values and
/// statistics.
#[derive(Clone)]
pub struct CacheManager {
    shared: Arc<Shared>,
}

struct Shared {
    tier: Arc<dyn Tier>,
    scope: ScopeDigest,
    ttl: Duration,
    flights: Flights,
    counters: Counters,
}

impl CacheManager {
    /// Begins a cache.
    pub fn builder() -> CacheManagerBuilder {
        CacheManagerBuilder::default()
    }

    fn new(tier: Arc<dyn Tier>, ttl: Duration) -> Self {
        Self {
            shared: Arc::new(Shared {
                tier,
                scope: ScopeDigest::of(Owner::Fixed("blossom memo")),
                ttl,
                flights: Flights::default(),
                counters: Counters::default(),
            }),
        }
    }

    /// The time to live that values have unless told otherwise.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.shared.ttl
    }

    /// The value under `key`, if it is there, is not too old, and is a `T`.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let value = self.read(&key_of(&[key.as_bytes()])).await;
        self.shared.counters.looked_up(value.is_some());
        value
    }

    /// Keeps `value` under `key` for `ttl`, in place of what was there. Returns whether it was kept:
    /// a value that serde cannot write, or that is larger than the whole cache, is not.
    ///
    /// `Duration::ZERO` keeps nothing; `Duration::MAX` keeps it until it must make room.
    #[expect(
        clippy::unused_async,
        reason = "a cache that must wait for its tier may come"
    )]
    pub async fn set<T>(&self, key: &str, value: &T, ttl: Duration) -> bool
    where
        T: Serialize + ?Sized,
    {
        self.write(key_of(&[key.as_bytes()]), value, ttl)
    }

    /// Whether there is a value under `key`. Counts as no lookup.
    pub async fn exists(&self, key: &str) -> bool {
        self.find(&key_of(&[key.as_bytes()])).await.is_some()
    }

    /// Forgets the value under `key`.
    #[expect(
        clippy::unused_async,
        reason = "a cache that must wait for its tier may come"
    )]
    pub async fn remove(&self, key: &str) {
        self.shared.tier.remove(&key_of(&[key.as_bytes()]));
    }

    /// Forgets all values. A value that is being made now is not kept either.
    #[expect(
        clippy::unused_async,
        reason = "a cache that must wait for its tier may come"
    )]
    pub async fn clear(&self) {
        let tier = &self.shared.tier;
        tier.invalidate(&Invalidation::All, tier.generation());
    }

    /// The value under `key`, or the one that `make` makes, which is then kept for `ttl`.
    ///
    /// Calls for one key at the same time make the value once: the others wait for it and get it too.
    /// A failure is given to all who wait, and is not kept.
    ///
    /// # Cancel safety
    ///
    /// When the call that makes the value is dropped, one of those who wait makes it with its own
    /// `make`.
    ///
    /// # Errors
    ///
    /// Those of `make`.
    pub async fn get_or_insert_with<T, E, F, Fut>(
        &self,
        key: &str,
        ttl: Duration,
        make: F,
    ) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        E: Clone + Send + Sync + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.fetch(key_of(&[key.as_bytes()]), ttl, make).await
    }

    /// A function whose values are kept here for `ttl`, by `name` and its arguments.
    ///
    /// See [`cached`] for what it does; two functions with one name share their values.
    pub fn cached<A, F>(
        &self,
        name: impl Into<String>,
        ttl: Duration,
        function: F,
    ) -> Cached<A, F> {
        Cached::new(self.clone(), name.into(), ttl, function)
    }

    /// What has happened so far, also through functions that were made of it.
    #[must_use]
    pub fn stats(&self) -> CacheManagerStats {
        self.shared.counters.read(&self.shared.tier.stats())
    }

    /// Waits until all that was kept before is on disk, if there is one.
    ///
    /// # Errors
    ///
    /// If the disk cannot take it.
    pub async fn flush(&self) -> crate::Result<()> {
        self.shared.tier.flush().await.map_err(|error: BoxError| {
            crate::Error::new(crate::ErrorKind::Io, format!("the disk cache: {error}"))
                .with_source(error)
        })
    }

    /// Looks a value up, or makes it, once for all who ask at the same time.
    async fn fetch<T, E, F, Fut>(&self, key: CacheKey, ttl: Duration, make: F) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        E: Clone + Send + Sync + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        if let Some(value) = self.read(&key).await {
            self.shared.counters.looked_up(true);
            return Ok(value);
        }
        let flight = self.shared.flights.join::<Result<T, E>>(key);
        let mut made = false;
        let result = flight
            .get_or_init(|| async {
                made = true;
                // Noted before the value is asked for: a clear in between must hold.
                let generation = self.shared.tier.generation();
                let result = make().await;
                if let Ok(value) = &result {
                    self.put(key, value, ttl, generation);
                }
                result
            })
            .await;
        if made {
            self.shared.counters.looked_up(false);
        } else {
            self.shared.counters.coalesced();
        }
        result
    }

    async fn find(&self, key: &CacheKey) -> Option<Arc<Entry>> {
        match self.shared.tier.get(key).found().await {
            Found::Hit(entry) => Some(entry),
            Found::Stale(_) | Found::Miss | Found::Busy => None,
        }
    }

    async fn read<T: DeserializeOwned>(&self, key: &CacheKey) -> Option<T> {
        let entry = self.find(key).await?;
        let mut frames = entry.body().frames().iter();
        let first: &[u8] = frames.next()?.borrow();
        serde_json::from_slice(first).ok()
    }

    fn write<T: Serialize + ?Sized>(&self, key: CacheKey, value: &T, ttl: Duration) -> bool {
        let generation = self.shared.tier.generation();
        self.put(key, value, ttl, generation)
    }

    fn put<T>(
        &self,
        key: CacheKey,
        value: &T,
        ttl: Duration,
        generation: crate::layers::cache::Generation,
    ) -> bool
    where
        T: Serialize + ?Sized,
    {
        if ttl.is_zero() {
            self.shared.tier.remove(&key);
            return false;
        }
        let Ok(json) = serde_json::to_vec(value) else {
            return false;
        };
        let mut recording = Recording::default();
        recording.push(Bytes::from(json));
        let entry = Entry::new(key, self.shared.scope, Instant::now().into_std())
            .recording(Arc::new(recording))
            .lifetime(Lifetime::new(ttl))
            .generation(generation);
        self.shared.tier.put(Arc::new(entry))
    }
}

/// The key of several parts, none of which can be taken for the beginning of the next.
fn key_of(parts: &[&[u8]]) -> CacheKey {
    let mut hash = blake3::Hasher::new_derive_key("blossom memo key v1");
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    CacheKey::new(*hash.finalize().as_bytes())
}

impl fmt::Debug for CacheManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheManager")
            .field("ttl", &self.shared.ttl)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

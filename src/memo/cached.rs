//! Functions whose values are kept.

use std::{fmt, future::Future, marker::PhantomData, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::{CacheManager, CacheManagerStats, key_of};

/// A function whose values are kept for `ttl`, in a cache of its own in memory.
///
/// A call with arguments that were used before gives the value of then. Equal calls at the same time
/// are one; a failure is given to all of them and is not kept. The arguments are one value that serde
/// can write: `()` for none, a tuple for several.
///
/// Use [`CacheManager::cached`] for functions that share a cache, or that shall survive a restart.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// use std::time::Duration;
///
/// use blossom::cached;
///
/// let ask = cached(Duration::from_secs(3600), move |prompt: String| {
///     let client = client.clone();
///     async move { client.text().generate(prompt).await }
/// });
/// for _ in 0..100 {
///     ask.call("What is AI?".to_owned()).await?;
/// }
/// assert_eq!(ask.stats().calls_saved(), 99);
/// assert_eq!(ask.stats().hit_rate(), 99.0);
/// # Ok(())
/// # }
/// ```
pub fn cached<A, F, Fut, T, E>(ttl: Duration, function: F) -> Cached<A, F>
where
    F: Fn(A) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    Cached::new(CacheManager::in_memory(), String::new(), ttl, function)
}

/// A function whose values are kept; see [`cached`].
pub struct Cached<A, F> {
    manager: CacheManager,
    name: String,
    ttl: Duration,
    function: F,
    key: Option<KeyOf<A>>,
    arguments: PhantomData<fn(A)>,
}

type KeyOf<A> = Arc<dyn Fn(&A) -> String + Send + Sync>;

impl<A, F> Cached<A, F> {
    pub(super) fn new(manager: CacheManager, name: String, ttl: Duration, function: F) -> Self {
        Self {
            manager,
            name,
            ttl,
            function,
            key: None,
            arguments: PhantomData,
        }
    }

    /// Keys values by what `key` makes of the arguments, instead of by all of them.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::Error> {
    /// # use std::time::Duration;
    /// let length = blossom::cached(Duration::from_secs(60), |word: String| async move {
    ///     Ok::<_, blossom::Error>(word.len())
    /// })
    /// .key(|word| word.to_lowercase());
    /// length.call("Rust".to_owned()).await?;
    /// length.call("RUST".to_owned()).await?;
    /// assert_eq!(length.stats().hits, 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn key<K>(mut self, key: K) -> Self
    where
        K: Fn(&A) -> String + Send + Sync + 'static,
    {
        self.key = Some(Arc::new(key));
        self
    }

    /// What has happened so far: of its own cache, or of the manager that it was made of.
    #[must_use]
    pub fn stats(&self) -> CacheManagerStats {
        self.manager.stats()
    }

    /// The value for `arguments`: one that is kept, or that of a call.
    ///
    /// Arguments that serde cannot write have no key, and are a call each time.
    ///
    /// # Cancel safety
    ///
    /// When the call that makes the value is dropped, one of those who wait makes it.
    ///
    /// # Errors
    ///
    /// Those of the function.
    pub async fn call<Fut, T, E>(&self, arguments: A) -> Result<T, E>
    where
        A: Serialize,
        F: Fn(A) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        E: Clone + Send + Sync + 'static,
    {
        // A key of the caller's own and the arguments are of different kinds, and never meet.
        let key = match &self.key {
            Some(key) => key_of(&[self.name.as_bytes(), b"key", key(&arguments).as_bytes()]),
            None => match serde_json::to_vec(&arguments) {
                Ok(json) => key_of(&[self.name.as_bytes(), b"arguments", &json]),
                Err(_) => return (self.function)(arguments).await,
            },
        };
        let call = || (self.function)(arguments);
        self.manager.fetch(key, self.ttl, call).await
    }
}

impl<A, F: Clone> Clone for Cached<A, F> {
    fn clone(&self) -> Self {
        Self {
            manager: self.manager.clone(),
            name: self.name.clone(),
            ttl: self.ttl,
            function: self.function.clone(),
            key: self.key.clone(),
            arguments: PhantomData,
        }
    }
}

impl<A, F> fmt::Debug for Cached<A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("name", &self.name)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

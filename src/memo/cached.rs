use std::{any::Any, fmt, future::Future, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::{CacheManager, MemoStats};
use crate::layers::{
    cache::{key::canonical_json, tier::MemoryTier},
    types::CacheKey,
};

/// A function whose results are kept: see [`cached`].
///
/// Cheap to clone if the function is; clones share all.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// let square = blossom::cached(Duration::from_secs(60), |n: u64| async move { Ok::<_, blossom::Error>(n * n) });
/// assert_eq!(square.call(7).await?, 49);
/// assert_eq!(square.call(7).await?, 49);
/// assert_eq!(square.stats().calls_saved(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cached<F, K = Unkeyed> {
    manager: CacheManager,
    name: Arc<str>,
    ttl: Duration,
    function: F,
    key: K,
}

/// Makes a function that calls `function` only for arguments that it has not seen, and keeps each result
/// for `ttl`.
///
/// The argument is any value that serde can write: `()` for none, a tuple for several. It is the key: in
/// a form that does not depend on the order of a map, or another with [`Cached::key`]. Equal calls at
/// the same time are one call. Errors pass through and are not kept.
///
/// It has a manager of its own, with room for 1,000 results and 64 MiB in memory.
/// [`CacheManager::cached`] is the same on a manager that is shared.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use blossom::{Blossom, cached, sandbox::Sandbox};
///
/// let sandbox = Sandbox::start()?;
/// let client = Blossom::builder().base_url(sandbox.base_url()).build()?;
/// let fast = cached(Duration::from_secs(60), |prompt: String| {
///     let client = client.clone();
///     async move { client.text().generate(prompt).await }
/// });
///
/// let first = fast.call("What is AI?".to_owned()).await?;
/// let second = fast.call("What is AI?".to_owned()).await?;
/// assert_eq!(first.content(), second.content());
/// assert_eq!(fast.stats().calls_saved(), 1);
/// # Ok(())
/// # }
/// ```
pub fn cached<A, F, Fut>(ttl: Duration, function: F) -> Cached<F, Unkeyed>
where
    F: Fn(A) -> Fut,
{
    let memory = MemoryTier::with_max_entries(64 << 20, 1000);
    Cached::new(CacheManager::over(Arc::new(memory), ttl), "", ttl, function)
}

impl<F> Cached<F, Unkeyed> {
    pub(super) fn new(manager: CacheManager, name: &str, ttl: Duration, function: F) -> Self {
        Self {
            manager,
            name: name.into(),
            ttl,
            function,
            key: Unkeyed,
        }
    }

    /// Takes what `key` makes of the argument for the key, in place of the argument: any value that
    /// serde can write. Arguments with the same key share a result.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// let shout = |text: String| async move { Ok::<_, blossom::Error>(text.to_uppercase()) };
    /// let trimmed = |text: &String| text.trim().to_owned();
    /// let cached = blossom::cached(Duration::from_secs(60), shout).key(trimmed);
    /// assert_eq!(cached.call("hi".to_owned()).await?, "HI");
    /// assert_eq!(cached.call(" hi ".to_owned()).await?, "HI", "the first one's result");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn key<A, Fut, T, K>(self, key: K) -> Cached<F, K>
    where
        F: Fn(A) -> Fut,
        K: Fn(&A) -> T,
        T: Serialize,
    {
        Cached {
            manager: self.manager,
            name: self.name,
            ttl: self.ttl,
            function: self.function,
            key,
        }
    }
}

impl<F, K> Cached<F, K> {
    /// The result for `argument`: kept, or made now.
    ///
    /// An argument that serde cannot write as JSON is passed on, and its result not kept.
    ///
    /// # Errors
    ///
    /// What the function says.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// let add = |(a, b): (u64, u64)| async move { Ok::<_, blossom::Error>(a + b) };
    /// let add = blossom::cached(Duration::from_secs(60), add); // a tuple for several arguments
    /// assert_eq!(add.call((3, 4)).await?, 7);
    /// assert_eq!(add.call((3, 4)).await?, 7);
    /// assert_eq!(add.stats().calls_saved(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn call<A, T, E, Fut>(&self, argument: A) -> Result<T, E>
    where
        F: Fn(A) -> Fut,
        K: KeyOf<A>,
        Fut: Future<Output = Result<T, E>>,
        T: Serialize + DeserializeOwned,
        E: Any,
    {
        match self.key_of(&argument) {
            Some(key) => {
                let make = || (self.function)(argument);
                self.manager.make(key, self.ttl, make).await
            }
            None => (self.function)(argument).await,
        }
    }

    /// Forgets the result for `argument`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// let square = |n: u64| async move { Ok::<_, blossom::Error>(n * n) };
    /// let square = blossom::cached(Duration::from_secs(60), square);
    /// square.call(7).await?;
    /// square.forget(&7).await;
    /// square.call(7).await?;
    /// assert_eq!(square.stats().misses, 2);
    /// # Ok(())
    /// # }
    /// ```
    #[expect(
        clippy::unused_async,
        reason = "a tier that has to wait must not change it"
    )]
    pub async fn forget<A>(&self, argument: &A)
    where
        K: KeyOf<A>,
    {
        if let Some(key) = self.key_of(argument) {
            self.manager.forget(&key);
        }
    }

    /// What was done so far, by all that is built on the manager.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// let square = |n: u64| async move { Ok::<_, blossom::Error>(n * n) };
    /// let square = blossom::cached(Duration::from_secs(60), square);
    /// square.call(7).await?;
    /// assert_eq!((square.stats().misses, square.stats().entries), (1, 1));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn stats(&self) -> MemoStats {
        self.manager.stats()
    }

    fn key_of<A>(&self, argument: &A) -> Option<CacheKey>
    where
        K: KeyOf<A>,
    {
        // In canonical form, since maps come in any order.
        let text = canonical_json(&self.key.key_of(argument)?)?;
        Some(self.manager.key_of_call(&self.name, &text))
    }
}

impl<F, K> fmt::Debug for Cached<F, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("name", &self.name)
            .field("ttl", &self.ttl)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// What is the key of an argument. Implemented for closures.
///
/// ```
/// use blossom::memo::{KeyOf, Unkeyed};
///
/// let by_length = |text: &&str| text.len();
/// assert_eq!(by_length.key_of(&"cat"), by_length.key_of(&"dog"));
/// assert_ne!(Unkeyed::default().key_of(&"cat"), Unkeyed::default().key_of(&"dog"));
/// ```
pub trait KeyOf<A> {
    /// The key as a JSON text, if it can be written.
    ///
    /// ```
    /// use blossom::memo::KeyOf as _;
    ///
    /// let first = |pair: &(u8, &str)| pair.0;
    /// assert_eq!(first.key_of(&(7, "seven")), Some(b"7".to_vec()));
    /// ```
    fn key_of(&self, argument: &A) -> Option<Vec<u8>>;
}

/// The whole argument is the key.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use blossom::memo::{Cached, Unkeyed};
///
/// async fn square(n: u64) -> Result<u64, blossom::Error> {
///     Ok(n * n)
/// }
/// let cached: Cached<_, Unkeyed> = blossom::cached(Duration::from_secs(60), square);
/// assert_eq!(cached.call(7).await?, 49);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Unkeyed;

impl<A: Serialize> KeyOf<A> for Unkeyed {
    fn key_of(&self, argument: &A) -> Option<Vec<u8>> {
        serde_json::to_vec(argument).ok()
    }
}

impl<A, T: Serialize, K: Fn(&A) -> T> KeyOf<A> for K {
    fn key_of(&self, argument: &A) -> Option<Vec<u8>> {
        serde_json::to_vec(&self(argument)).ok()
    }
}

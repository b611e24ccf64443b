//! The client's own cache, seen from outside.

use std::{fmt, sync::Arc};

use super::{Blossom, options::streamed};
use crate::{
    Error, ErrorKind, Result,
    layers::{
        cache::{CacheHandle, CacheStats},
        types::Owner,
    },
};

/// What the client was built with.
#[derive(Debug, Clone)]
pub(crate) struct CacheView {
    handle: CacheHandle,
    // Whose answers it keeps; none where each caller brings a key.
    owner: Option<Arc<str>>,
}

impl CacheView {
    pub(crate) const fn new(handle: CacheHandle, owner: Option<Arc<str>>) -> Self {
        Self { handle, owner }
    }
}

/// The client's own cache; see [`Blossom::cache`].
///
/// Without one, as with [`Builder::cache`](crate::Builder::cache)`(false)` or a stack of your own,
/// everything is zero and nothing is done.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// let ask = client.text().generate("What are your hours?").cache_tag("faq");
/// ask.clone().await?;
/// ask.clone().await?;
/// assert_eq!(client.cache().stats().hits, 1);
///
/// client.cache().invalidate_tag("faq");
/// ask.await?;
/// assert_eq!(sandbox.count(), 2);
/// # Ok(())
/// # }
/// ```
pub struct ClientCache<'a> {
    view: Option<&'a CacheView>,
}

impl Blossom {
    /// The client's own cache: what it has done, and what it is to forget.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// for _ in 0..2 {
    ///     client.text().generate("When are you open?").cache_tag("faq").await?;
    /// }
    /// assert_eq!(client.cache().stats().hits, 1);
    ///
    /// client.cache().invalidate_tag("faq");
    /// client.text().generate("When are you open?").await?;
    /// assert_eq!(client.cache().stats().misses, 2);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[cfg_attr(docsrs, doc(cfg(feature = "cache-memory")))]
    pub fn cache(&self) -> ClientCache<'_> {
        ClientCache {
            view: self.shared.cache.as_ref(),
        }
    }
}

impl ClientCache<'_> {
    /// Whether there is a cache.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// assert!(client.cache().is_on());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.view.is_some()
    }

    /// What it has done so far.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// client.text().generate("What is Rust?").await?;
    /// client.text().generate("What is Rust?").await?;
    /// let stats = client.cache().stats();
    /// assert_eq!((stats.hits, stats.misses, stats.calls_saved()), (1, 1, 1));
    /// assert_eq!(stats.hit_rate(), 50.0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        self.view
            .map(|view| view.handle.stats())
            .unwrap_or_default()
    }

    /// Forgets everything.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// client.text().generate("What is Rust?").await?;
    /// client.cache().clear();
    /// client.text().generate("What is Rust?").await?;
    /// assert_eq!(sandbox.count(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn clear(&self) {
        if let Some(view) = self.view {
            view.handle.clear();
        }
    }

    /// Forgets the answers to calls with this `.cache_key(..)`, streamed or not.
    ///
    /// Of a client whose callers bring their keys, nobody's is known, and nothing is forgotten: use a
    /// tag.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let ask = client.text().generate("When are you open?").cache_key("hours");
    /// ask.clone().await?;
    /// client.cache().invalidate_key("hours");
    /// ask.await?;
    /// assert_eq!(sandbox.count(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn invalidate_key(&self, key: &str) {
        let Some(view) = self.view else {
            return;
        };
        if let Some(owner) = &view.owner {
            for key in [key.to_owned(), streamed(key)] {
                view.handle.invalidate_key(Owner::Fixed(owner), &key);
            }
        }
    }

    /// Forgets the answers to calls with this `.cache_tag(..)`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let ask = client.text().generate("When are you open?").cache_tag("faq");
    /// ask.clone().await?;
    /// client.cache().invalidate_tag("faq");
    /// ask.await?;
    /// assert_eq!(sandbox.count(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn invalidate_tag(&self, tag: &str) {
        if let Some(view) = self.view {
            view.handle.invalidate_tag(tag);
        }
    }

    /// Waits until all that was kept before is as safe as it can be: on disk, where there is one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] if it could not be made safe.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// client.text().generate("What is Rust?").await?;
    /// client.cache().flush().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn flush(&self) -> Result<()> {
        let Some(view) = self.view else {
            return Ok(());
        };
        view.handle
            .flush()
            .await
            .map_err(|error| Error::new(ErrorKind::Io, error.to_string()).with_source(error))
    }
}

impl fmt::Debug for ClientCache<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCache")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

//! What the preset's cache is built with.

#[cfg(feature = "cache-disk")]
use std::path::PathBuf;
use std::{fmt, sync::Arc, time::Duration};

use http::header::AUTHORIZATION;

#[cfg(feature = "cache-disk")]
use super::shown::none;
use super::{
    ApiKeySource, Builder,
    shown::{Values, shown, time},
};
#[cfg(feature = "cache-disk")]
use crate::layers::cache::tier::{DiskTier, TierStack};
use crate::{
    Dialect, Error, ErrorKind, Result,
    client::CacheView,
    layers::{
        cache::{CacheLayer, Tier, tier::MemoryTier},
        types::Scope,
    },
    policy::{KeepAnswers, KeyRequest},
};

/// The cache of the preset.
pub(crate) type PresetCache = CacheLayer<KeyRequest, KeepAnswers>;

#[derive(Clone)]
pub(super) struct Caching {
    on: bool,
    bytes: u64,
    time_to_live: Duration,
    tenant_id: Option<String>,
    #[cfg(feature = "cache-disk")]
    dir: Option<PathBuf>,
}

impl Default for Caching {
    fn default() -> Self {
        Self {
            on: true,
            bytes: 64 * 1024 * 1024,
            time_to_live: Duration::from_secs(60 * 60),
            tenant_id: None,
            #[cfg(feature = "cache-disk")]
            dir: None,
        }
    }
}

impl Builder {
    /// Whether answers are kept and given again to equal requests, and whether equal requests that
    /// are under way at the same time share one call. Default: yes.
    ///
    /// Text, chats, pictures and speech are kept whatever the temperature, as the service's own cache
    /// does it; to get another answer, change the seed. For one call there are `.fresh()` and
    /// `.no_store()`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// let client = blossom::Blossom::builder().base_url(sandbox.base_url()).cache(false).build()?;
    /// client.text().generate("What is Rust?").await?;
    /// client.text().generate("What is Rust?").await?;
    /// assert_eq!(sandbox.count(), 2);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "cache-memory")))]
    pub const fn cache(mut self, cache: bool) -> Self {
        self.caching.on = cache;
        self
    }

    /// How many bytes of answers are kept in memory. Default: 64 MiB, which holds some ten thousand
    /// answers of text. What was used longest ago goes first.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let builder = blossom::Blossom::builder().cache_bytes(256 << 20);
    /// # builder.base_url("http://127.0.0.1:1").build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "cache-memory")))]
    pub const fn cache_bytes(mut self, cache_bytes: u64) -> Self {
        self.caching.bytes = cache_bytes;
        self
    }

    /// How long an answer is kept. Default: 1 h, which outlives a run and a session, and not the
    /// model. `Duration::MAX` is for ever.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// let builder = blossom::Blossom::builder().cache_ttl(Duration::from_secs(24 * 3600));
    /// # builder.base_url("http://127.0.0.1:1").build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "cache-memory")))]
    pub const fn cache_ttl(mut self, cache_ttl: Duration) -> Self {
        self.caching.time_to_live = cache_ttl;
        self
    }

    /// Whose the kept answers are. Default: whoever has the API key, known by a hash of it. With an
    /// id of your own, answers stay when the key changes.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // The key may change; what was answered stays.
    /// let builder = blossom::Blossom::builder().tenant_id("team-a");
    /// # builder.base_url("http://127.0.0.1:1").build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "cache-memory")))]
    pub fn tenant_id(mut self, tenant_id: impl Into<String>) -> Self {
        self.caching.tenant_id = Some(tenant_id.into());
        self
    }
}

#[cfg(feature = "cache-disk")]
impl Builder {
    /// Keeps answers in this folder too, where they survive the process. Default: none.
    ///
    /// The folder is made if it is not there, for its owner only; one client of one process has it at a
    /// time. What no longer fits into memory is still there, and after a restart all is, as long as
    /// its time to live. `client.cache().flush()` waits until all is safe.
    ///
    /// The folder holds answers as they came, and never a key. One that is full, broken or hangs
    /// costs hits, never calls.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let folder = tempfile::tempdir()?;
    /// // What was answered is still there after a restart.
    /// let client = blossom::Blossom::builder()
    ///     .base_url(sandbox.base_url())
    ///     .cache_dir(folder.path().join("cache"))
    ///     .build()?;
    /// client.text().generate("What is Rust?").await?;
    /// client.cache().flush().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "cache-disk")))]
    pub fn cache_dir(mut self, cache_dir: impl Into<PathBuf>) -> Self {
        self.caching.dir = Some(cache_dir.into());
        self
    }
}

impl Caching {
    /// In memory, and on disk where that is wanted.
    fn tier(&self) -> Result<Arc<dyn Tier>> {
        let memory: Arc<dyn Tier> = Arc::new(MemoryTier::new(self.bytes));
        #[cfg(feature = "cache-disk")]
        if let Some(dir) = &self.dir {
            let disk = DiskTier::open(dir).map_err(|error| {
                Error::new(
                    ErrorKind::Builder,
                    format!("cache_dir {}: {error}", dir.display()),
                )
                .with_suggestion("give a folder of your own that no other client uses")
                .with_source(error)
            })?;
            return Ok(Arc::new(TierStack::new(memory, Arc::new(disk))));
        }
        Ok(memory)
    }

    /// The cache and the view of it, if there is to be one.
    pub(super) fn build(
        self,
        key: Option<&ApiKeySource>,
        dialect: Dialect,
    ) -> Result<Option<(PresetCache, CacheView)>> {
        if !self.on {
            return Ok(None);
        }
        for (name, is_nothing) in [
            ("cache_bytes", self.bytes == 0),
            ("cache_ttl", self.time_to_live.is_zero()),
        ] {
            if is_nothing {
                return Err(Error::new(
                    ErrorKind::Builder,
                    format!("a {name} of 0 keeps nothing; to have no cache, say .cache(false)"),
                ));
            }
        }
        let owner = owner(self.tenant_id.as_deref(), key);
        let scope = owner.as_deref().map_or_else(
            // Each caller brings a key, and shares with nobody else.
            || Scope::header(AUTHORIZATION),
            Scope::fixed,
        );
        let layer = CacheLayer::new(self.tier()?, KeyRequest::new(dialect), scope)
            .policy(KeepAnswers::new(self.time_to_live));
        let view = CacheView::new(layer.handle(), owner);
        Ok(Some((layer, view)))
    }
}

/// Who owns the answers; nobody in particular where each caller brings a key.
fn owner(tenant_id: Option<&str>, key: Option<&ApiKeySource>) -> Option<Arc<str>> {
    let owner = match (tenant_id, key) {
        (Some(tenant), _) => format!("tenant:{tenant}"),
        (None, Some(ApiKeySource::Key(key))) => {
            let digest = blake3::derive_key("blossom cache scope v1", key.as_bytes());
            format!("key:{}", blake3::Hash::from_bytes(digest).to_hex())
        }
        (None, Some(ApiKeySource::Caller)) => return None,
        (None, None) => "nobody".to_owned(),
    };
    Some(owner.into())
}

impl Caching {
    /// Its settings, by their names.
    pub(super) fn values(&self) -> Values {
        let tenant = self.tenant_id.as_ref();
        let tenant = tenant.map_or_else(|| "by the key".to_owned(), |tenant| format!("{tenant:?}"));
        let values = [
            ("cache", self.on.to_string()),
            ("cache_bytes", self.bytes.to_string()),
            ("cache_ttl", time(self.time_to_live)),
            ("tenant_id", tenant),
            #[cfg(feature = "cache-disk")]
            (
                "cache_dir",
                self.dir
                    .as_ref()
                    .map_or_else(none, |dir| format!("{dir:?}")),
            ),
        ];
        values.into()
    }
}

impl fmt::Debug for Caching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown(f, "Caching", &self.values())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str) -> ApiKeySource {
        ApiKeySource::Key(key.to_owned())
    }

    #[test]
    fn a5_a_key_owns_by_its_hash_and_an_id_outlives_the_key() {
        let (one, other) = (key("sk_one"), key("sk_other"));
        let by_key = owner(None, Some(&one)).unwrap();
        assert!(!by_key.contains("sk_one"));
        assert_eq!(owner(None, Some(&one)).as_deref(), Some(&*by_key));
        assert_ne!(owner(None, Some(&other)).as_deref(), Some(&*by_key));
        assert_eq!(owner(Some("a"), Some(&one)), owner(Some("a"), Some(&other)));
        assert_ne!(owner(Some("nobody"), None), owner(None, None));
        assert_eq!(owner(None, Some(&ApiKeySource::Caller)), None);
    }

    #[test]
    fn a_cache_that_keeps_nothing_is_refused_and_none_is_legal() {
        let build = |caching: Caching| caching.build(None, Dialect::Gen);
        let empty = Caching {
            bytes: 0,
            ..Caching::default()
        };
        let text = build(empty.clone()).unwrap_err().to_string();
        assert!(
            text.contains("cache_bytes") && text.contains(".cache(false)"),
            "{text}"
        );
        assert!(build(Caching { on: false, ..empty }).unwrap().is_none());
        let never = Caching {
            time_to_live: Duration::ZERO,
            ..Caching::default()
        };
        assert!(build(never).is_err());
    }
}

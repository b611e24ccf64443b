use std::{fmt, time::Duration};

/// What a caller wants of a cache for one request; placed in the extensions of the request.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::types::CacheOptions;
/// use http::Request;
///
/// let mut request = Request::new(());
/// let day = Duration::from_secs(24 * 60 * 60);
/// request.extensions_mut().insert(CacheOptions::new().time_to_live(day).tag("faq"));
/// ```
#[derive(Clone, Default)]
pub struct CacheOptions {
    fresh: bool,
    no_store: bool,
    time_to_live: Option<Duration>,
    key: Option<Box<str>>,
    tags: Vec<Box<str>>,
}

impl CacheOptions {
    /// What a cache does by itself.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            fresh: false,
            no_store: false,
            time_to_live: None,
            key: None,
            tags: Vec::new(),
        }
    }

    /// Asks the upstream whatever is stored, and stores its reply.
    #[must_use]
    pub const fn fresh(mut self) -> Self {
        self.fresh = true;
        self
    }

    /// Passes the cache by: neither looks up nor stores, and shares no call.
    #[must_use]
    pub const fn no_store(mut self) -> Self {
        self.no_store = true;
        self
    }

    /// How long the reply stays fresh, whatever it says itself. Zero does not store it.
    #[must_use]
    pub const fn time_to_live(mut self, time_to_live: Duration) -> Self {
        self.time_to_live = Some(time_to_live);
        self
    }

    /// A key of one's own, which replaces everything but the scope: requests of one owner with equal
    /// keys are equal, whatever else is in them.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Adds a tag by which the reply can be invalidated.
    #[must_use]
    pub fn tag(mut self, tag: &str) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Whether what is stored is not wanted.
    #[must_use]
    pub const fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Whether the cache is to be passed by.
    #[must_use]
    pub const fn is_no_store(&self) -> bool {
        self.no_store
    }

    /// The time to live that was set.
    #[must_use]
    pub const fn given_time_to_live(&self) -> Option<Duration> {
        self.time_to_live
    }

    /// The key that was set.
    #[must_use]
    pub fn given_key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The tags.
    #[must_use]
    pub fn tags(&self) -> &[Box<str>] {
        &self.tags
    }
}

impl fmt::Debug for CacheOptions {
    // Keys and tags are the caller's words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheOptions")
            .field("fresh", &self.fresh)
            .field("no_store", &self.no_store)
            .field("time_to_live", &self.time_to_live)
            .field("key", &self.key.is_some())
            .field("tags", &self.tags.len())
            .finish()
    }
}

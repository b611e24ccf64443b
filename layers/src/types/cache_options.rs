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
/// let given = request.extensions().get().and_then(CacheOptions::given_time_to_live);
/// assert_eq!(given, Some(day));
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
    ///
    /// ```
    /// use blossom_layers::types::CacheOptions;
    ///
    /// let options = CacheOptions::new();
    /// assert!(!options.is_fresh() && !options.is_no_store());
    /// ```
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
    ///
    /// ```
    /// use blossom_layers::types::CacheOptions;
    ///
    /// // For who presses "regenerate".
    /// assert!(CacheOptions::new().fresh().is_fresh());
    /// ```
    #[must_use]
    pub const fn fresh(mut self) -> Self {
        self.fresh = true;
        self
    }

    /// Passes the cache by: neither looks up nor stores, and shares no call.
    ///
    /// ```
    /// use blossom_layers::types::CacheOptions;
    ///
    /// // For what must not be kept.
    /// assert!(CacheOptions::new().no_store().is_no_store());
    /// ```
    #[must_use]
    pub const fn no_store(mut self) -> Self {
        self.no_store = true;
        self
    }

    /// How long the reply stays fresh, whatever it says itself. Zero does not store it.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::types::CacheOptions;
    ///
    /// let hour = Duration::from_secs(60 * 60);
    /// let options = CacheOptions::new().time_to_live(hour);
    /// assert_eq!(options.given_time_to_live(), Some(hour));
    /// ```
    #[must_use]
    pub const fn time_to_live(mut self, time_to_live: Duration) -> Self {
        self.time_to_live = Some(time_to_live);
        self
    }

    /// A key of one's own, which replaces everything but the scope: requests of one owner with equal
    /// keys are equal, whatever else is in them.
    ///
    /// ```
    /// use blossom_layers::types::CacheOptions;
    ///
    /// // Every wording of the question shares one answer.
    /// let options = CacheOptions::new().key("opening hours");
    /// assert_eq!(options.given_key(), Some("opening hours"));
    /// ```
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Adds a tag by which the reply can be invalidated.
    ///
    /// ```
    /// use blossom_layers::types::CacheOptions;
    ///
    /// let options = CacheOptions::new().tag("faq").tag("prompt-v2");
    /// assert_eq!(options.tags().len(), 2);
    /// ```
    #[must_use]
    pub fn tag(mut self, tag: &str) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Whether what is stored is not wanted.
    ///
    /// ```
    /// use blossom_layers::types::CacheOptions;
    ///
    /// // What passes the cache by is not fetched afresh for it.
    /// assert!(!CacheOptions::new().no_store().is_fresh());
    /// ```
    #[must_use]
    pub const fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Whether the cache is to be passed by.
    ///
    /// ```
    /// use blossom_layers::types::CacheOptions;
    ///
    /// // What is fetched afresh is stored.
    /// assert!(!CacheOptions::new().fresh().is_no_store());
    /// ```
    #[must_use]
    pub const fn is_no_store(&self) -> bool {
        self.no_store
    }

    /// The time to live that was set.
    ///
    /// ```
    /// use blossom_layers::types::CacheOptions;
    ///
    /// // The cache's own policy says how long.
    /// assert_eq!(CacheOptions::new().given_time_to_live(), None);
    /// ```
    #[must_use]
    pub const fn given_time_to_live(&self) -> Option<Duration> {
        self.time_to_live
    }

    /// The key that was set.
    ///
    /// ```
    /// use blossom_layers::types::CacheOptions;
    ///
    /// // The key policy reads the request.
    /// assert_eq!(CacheOptions::new().given_key(), None);
    /// ```
    #[must_use]
    pub fn given_key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The tags.
    ///
    /// ```
    /// use blossom_layers::types::CacheOptions;
    ///
    /// let options = CacheOptions::new().tag("faq");
    /// assert!(options.tags().iter().any(|tag| **tag == *"faq"));
    /// ```
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

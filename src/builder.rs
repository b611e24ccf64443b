//! Builds a client: keeps the ingredients, derives the stack.

#[cfg(feature = "cache-memory")]
mod cache;
mod connection;
mod cost;
mod from_service;
mod limits;
mod retries;
mod shown;

use std::{env, sync::Arc, time::Duration};

#[cfg(feature = "cache-memory")]
pub(crate) use self::cache::PresetCache;
pub use self::from_service::FromService;
pub(crate) use self::limits::Limiting;
use self::{connection::Connection, limits::LimitSettings, shown::Origin};
use crate::{
    Blossom, Dialect, Endpoint, Error, ErrorKind, Result,
    client::Live,
    layers::{
        backoff::Backoff,
        breaker::Rules,
        retry::Budget as RetryBudget,
        spend::{Budget, SpendLayer, Unknown},
        trace::Propagate,
    },
    policy::{Prices, Propagation, ShowContent},
    preset,
    transport::ApiKey,
};

/// Begins a client with the preset; see [`Blossom::builder`].
///
#[doc = include_str!("builder/settings.md")]
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    base: Base,
    api_key: Option<ApiKeySource>,
    connection: Connection,
    #[cfg(feature = "cache-memory")]
    caching: cache::Caching,
    settings: Settings,
}

#[derive(Debug, Clone)]
enum Base {
    Endpoint(Endpoint),
    Url(String),
}

#[derive(Clone)]
enum ApiKeySource {
    Key(String),
    Caller,
}

/// What the client and its stack are built with. Its `Debug` shows the stack.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) endpoint: Endpoint,
    pub(crate) head_timeout: Duration,
    pub(crate) unary_timeout: Duration,
    pub(crate) first_event_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) total_timeout: Duration,
    pub(crate) max_unread: Duration,
    pub(crate) max_attempts: u32,
    /// `None`: the default, of its own for each client.
    pub(crate) retry_budget: Option<RetryBudget>,
    pub(crate) backoff: Backoff,
    pub(crate) breaker: Rules,
    /// Whether the stack is our own, and so can be known by these settings.
    pub(crate) preset: bool,
    pub(crate) limits: LimitSettings,
    /// The handles of the stack that was built.
    pub(crate) live: Option<Live>,
    pub(crate) max_request_bytes: usize,
    pub(crate) max_response_bytes: usize,
    pub(crate) warn_prompt_tokens: u64,
    pub(crate) max_prompt_tokens: u64,
    pub(crate) clamp_max_tokens: u64,
    pub(crate) prices: Option<Prices>,
    pub(crate) unknown_prices: Unknown,
    pub(crate) budgets: Vec<Budget>,
    pub(crate) propagation: Propagation,
    pub(crate) show_content: ShowContent,
    pub(crate) request_ids: bool,
    #[cfg(feature = "decompression")]
    pub(crate) decompression: bool,
    /// What is shown of the rest, once it is built.
    origin: Option<Arc<Origin>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::default(),
            head_timeout: Duration::from_secs(60),
            unary_timeout: Duration::from_secs(300),
            first_event_timeout: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(300),
            total_timeout: Duration::MAX,
            max_unread: Duration::from_secs(60),
            max_attempts: 3,
            retry_budget: None,
            backoff: Backoff::default(),
            breaker: Rules::new(),
            preset: true,
            limits: LimitSettings::default(),
            live: None,
            max_request_bytes: 1024 * 1024,
            max_response_bytes: 64 * 1024 * 1024,
            warn_prompt_tokens: 1_000,
            max_prompt_tokens: u64::MAX,
            clamp_max_tokens: u64::MAX,
            prices: None,
            unknown_prices: Unknown::Allow,
            budgets: Vec::new(),
            propagation: Propagation::default(),
            show_content: ShowContent::Never,
            request_ids: false,
            #[cfg(feature = "decompression")]
            decompression: false,
            origin: None,
        }
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            base: Base::Endpoint(Endpoint::default()),
            api_key: None,
            connection: Connection::default(),
            #[cfg(feature = "cache-memory")]
            caching: cache::Caching::default(),
            settings: Settings::default(),
        }
    }
}

/// Writes the setters of durations and sizes.
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {$(
        $(#[$doc])*
        pub const fn $name(mut self, $name: $type) -> Self {
            self.settings.$name = $name;
            self
        }
    )*};
}

impl Builder {
    pub(crate) fn from_env() -> Self {
        let mut builder = Self::default();
        let key = env::var("BLOSSOM_API_KEY").or_else(|_| env::var("POLLINATIONS_API_KEY"));
        if let Ok(key) = key {
            builder = builder.api_key(key);
        }
        if let Ok(url) = env::var("BLOSSOM_BASE_URL") {
            builder = builder.base_url(url);
        }
        builder
    }

    /// The key. It is sent in the `Authorization` header, and nowhere else; nothing prints it.
    ///
    /// ```
    /// let client = blossom::Blossom::builder().api_key("sk_secret").build()?;
    /// assert!(!format!("{client:?}").contains("sk_secret"));
    /// # Ok::<_, blossom::Error>(())
    /// ```
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(ApiKeySource::Key(key.into()));
        self
    }

    /// Sends no key but the one that a request bears itself: for gateways, whose callers bring
    /// theirs.
    ///
    /// ```
    /// let gateway = blossom::Blossom::builder().without_api_key().build()?;
    /// assert!(format!("{gateway:?}").contains("api_key: the caller's"));
    /// # Ok::<_, blossom::Error>(())
    /// ```
    pub fn without_api_key(mut self) -> Self {
        self.api_key = Some(ApiKeySource::Caller);
        self
    }

    /// The base URL of a service that speaks the gen dialect, such as `http://127.0.0.1:8080`.
    ///
    /// Plain `http` is taken for loopback only.
    ///
    /// ```
    /// let client = blossom::Blossom::builder().base_url("http://127.0.0.1:8080").build()?;
    /// assert_eq!(client.endpoint().to_string(), "http://127.0.0.1:8080");
    /// # Ok::<_, blossom::Error>(())
    /// ```
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base = Base::Url(url.into());
        self
    }

    /// Dialect and base URL together. Default: gen, `https://gen.pollinations.ai`.
    ///
    /// ```
    /// use blossom::{Blossom, Dialect, Endpoint};
    ///
    /// let client = Blossom::builder().endpoint(Endpoint::v1()).build()?; // it wants no key
    /// assert_eq!(client.endpoint().dialect(), Dialect::V1);
    /// # Ok::<_, blossom::Error>(())
    /// ```
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.base = Base::Endpoint(endpoint);
        self
    }

    settings! {
        /// How long to wait for the head of a stream. Default: 60 s.
        ///
        /// ```
        /// use std::time::Duration;
        ///
        /// let builder = blossom::Blossom::builder().head_timeout(Duration::from_secs(20));
        /// assert!(format!("{builder:?}").contains("head_timeout: 20s"));
        /// ```
        head_timeout: Duration;
        /// How long to wait for the head of any other reply, which comes after the whole
        /// generation. Default: 300 s.
        ///
        /// ```
        /// use std::time::Duration;
        ///
        /// let builder = blossom::Blossom::builder().unary_timeout(Duration::from_secs(20));
        /// assert!(format!("{builder:?}").contains("unary_timeout: 20s"));
        /// ```
        unary_timeout: Duration;
        /// How long to wait for the first event that holds part of the answer; comments do not
        /// count. Default: 300 s.
        ///
        /// ```
        /// use std::time::Duration;
        ///
        /// let builder = blossom::Blossom::builder().first_event_timeout(Duration::from_secs(20));
        /// assert!(format!("{builder:?}").contains("first_event_timeout: 20s"));
        /// ```
        first_event_timeout: Duration;
        /// How long a body may be silent while it is read; comments count. Default: 300 s.
        ///
        /// ```
        /// use std::time::Duration;
        ///
        /// let builder = blossom::Blossom::builder().idle_timeout(Duration::from_secs(20));
        /// assert!(format!("{builder:?}").contains("idle_timeout: 20s"));
        /// ```
        idle_timeout: Duration;
        /// How long a call may take in all, to the end of its body. Default: none.
        ///
        /// ```
        /// use std::time::Duration;
        ///
        /// let second = Duration::from_secs(1);
        /// let builder = blossom::Blossom::builder().base_url("http://127.0.0.1:8080");
        /// let builder = builder.total_timeout(5 * second);
        /// assert!(builder.clone().idle_timeout(4 * second).build().is_ok());
        /// assert!(builder.idle_timeout(6 * second).build().is_err(), "it could never fire");
        /// ```
        total_timeout: Duration;
        /// How long a stream may be held without being read; then it is closed. Default: 60 s.
        ///
        /// ```
        /// use std::time::Duration;
        ///
        /// let builder = blossom::Blossom::builder().max_unread(Duration::from_secs(20));
        /// assert!(format!("{builder:?}").contains("max_unread: 20s"));
        /// ```
        max_unread: Duration;
        /// The largest request body that is kept in memory. Default: 1 MiB.
        ///
        /// ```
        /// let builder = blossom::Blossom::builder().max_request_bytes(4 << 20);
        /// assert!(format!("{builder:?}").contains("max_request_bytes: 4194304"));
        /// ```
        max_request_bytes: usize;
        /// The largest reply that is read whole; streams have no such limit. Default: 64 MiB.
        ///
        /// ```
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// use blossom::{Blossom, ErrorKind};
        ///
        /// let builder = Blossom::builder().base_url(sandbox.base_url());
        /// let client = builder.max_response_bytes(10).build()?;
        /// let error = client.text().generate("A long story").await.unwrap_err();
        /// assert_eq!(error.kind(), ErrorKind::Decode);
        /// # Ok(())
        /// # }
        /// ```
        max_response_bytes: usize;
        /// Warns of a prompt that is estimated at more tokens than this: in
        /// [`Text::warnings`](crate::Text::warnings), and in the log. Default: 1,000. `u64::MAX` never
        /// warns.
        ///
        /// ```
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// let builder = blossom::Blossom::builder().base_url(sandbox.base_url());
        /// let client = builder.warn_prompt_tokens(5).build()?;
        /// let answer = client.text().generate("Tell me about this garden, and about the river").await?;
        /// assert_eq!(answer.warnings().len(), 1);
        /// # Ok(())
        /// # }
        /// ```
        warn_prompt_tokens: u64;
        /// Refuses a prompt that is estimated at more tokens than this, before it is sent. One that is
        /// larger than `max_request_bytes` is not estimated. Default: none.
        ///
        /// ```
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// let builder = blossom::Blossom::builder().base_url(sandbox.base_url());
        /// let client = builder.max_prompt_tokens(5).build()?;
        /// let call = client.text().generate("Tell me about this garden, and about the river");
        /// assert!(call.await.is_err());
        /// assert_eq!(sandbox.count(), 0);
        /// # Ok(())
        /// # }
        /// ```
        max_prompt_tokens: u64;
        /// Lets no answer of a text call take more tokens than this: a higher or absent `max_tokens`
        /// is set to it. Default: off.
        ///
        /// ```
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// let builder = blossom::Blossom::builder().base_url(sandbox.base_url());
        /// let client = builder.clamp_max_tokens(5).build()?;
        /// client.text().chat(["A long story"]).max_tokens(500).await?;
        /// assert_eq!(sandbox.requests()[0].parsed()["max_tokens"], 5);
        /// # Ok(())
        /// # }
        /// ```
        clamp_max_tokens: u64;
        /// Gives each call a random id in the field `x-request-id`, unless it bears one: the same for
        /// all its attempts, in its spans as `blossom.request.id`, and in the `request_id()` of its answer
        /// or error where the service gives none. Default: no; the service names requests itself, and an id
        /// of ours tells it which of them belong together.
        ///
        /// ```
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// let builder = blossom::Blossom::builder().base_url(sandbox.base_url());
        /// let client = builder.request_ids(true).build()?;
        /// let answer = client.text().generate("Hi").await?;
        /// assert_eq!(answer.request_id(), sandbox.requests()[0].header("x-request-id"));
        /// # Ok(())
        /// # }
        /// ```
        request_ids: bool;
    }

    /// Sends a trace context with each request, in the field `traceparent`: with
    /// [`W3c`](crate::layers::trace::W3c) one that a request bears is continued, and otherwise a
    /// trace begins. Default: none is added.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// use blossom::{Blossom, layers::trace::W3c};
    ///
    /// let builder = Blossom::builder().base_url(sandbox.base_url());
    /// let client = builder.propagate_trace(W3c::default()).build()?;
    /// client.text().generate("Hi").await?;
    /// assert!(sandbox.requests()[0].header("traceparent").is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn propagate_trace(mut self, propagate: impl Propagate + Send + Sync + 'static) -> Self {
        self.settings.propagation = Propagation::new(propagate);
        self
    }

    /// Shows what is asked in the span of each call, at most 8 KiB of it, as `gen_ai.input.messages`.
    /// Default: off. Prompts are personal data, and whoever reads the traces reads them.
    ///
    /// ```
    /// let builder = blossom::Blossom::builder().trace_content(true);
    /// assert!(format!("{builder:?}").contains("trace_content: InSpans"));
    /// ```
    pub const fn trace_content(mut self, trace_content: bool) -> Self {
        self.settings.show_content = if trace_content {
            ShowContent::InSpans
        } else {
            ShowContent::Never
        };
        self
    }

    /// Whether to ask for compressed answers and decompress them, within the
    /// [limits](crate::transport::decompress) that keep a small one from becoming a large one.
    /// Default: no.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// let builder = blossom::Blossom::builder().base_url(sandbox.base_url());
    /// let client = builder.decompression(true).build()?;
    /// client.text().generate("Hi").await?;
    /// assert!(sandbox.requests()[0].header("accept-encoding").is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "decompression")]
    #[cfg_attr(docsrs, doc(cfg(feature = "decompression")))]
    pub const fn decompression(mut self, decompression: bool) -> Self {
        self.settings.decompression = decompression;
        self
    }

    /// Builds the client. Opens no connection.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Builder`], with a text that says what to change: no key for a service that wants
    /// one, a key or a URL that is not legal, timeouts of which one can never fire, or limits that
    /// contradict one another or let nothing through.
    ///
    /// ```
    /// use blossom::{Blossom, ErrorKind};
    ///
    /// let error = Blossom::builder().build().unwrap_err(); // no key for the public service
    /// assert_eq!(error.kind(), ErrorKind::Builder);
    /// assert!(Blossom::builder().api_key("sk_secret").build().is_ok());
    /// ```
    pub fn build(self) -> Result<Blossom> {
        let origin = self.origin();
        let mut settings = self.settings;
        settings.origin = Some(origin);
        settings.endpoint = match self.base {
            Base::Endpoint(endpoint) => endpoint,
            Base::Url(url) => Endpoint::new(Dialect::Gen, &url)?,
        };
        settings.check()?;
        #[cfg(feature = "cache-memory")]
        let cache = self
            .caching
            .build(self.api_key.as_ref(), settings.endpoint.dialect())?;
        let key = match self.api_key {
            Some(ApiKeySource::Key(key)) => Some(ApiKey::new(key).map_err(builder_error)?),
            None if settings.endpoint.needs_key() => return Err(no_key(&settings.endpoint)),
            Some(ApiKeySource::Caller) | None => None,
        };
        let transport = self.connection.transport(key)?;
        let spend = settings.spend_layer();
        let limiting = settings.limiting();
        settings.live = Some(Live::new(&limiting, spend.as_ref().map(SpendLayer::handle)));
        #[cfg(feature = "cache-memory")]
        if let Some((layer, view)) = cache {
            let stack = preset::cached(&settings, &spend, limiting, &layer, transport);
            return Ok(Blossom::assemble(stack, settings, Some(view)));
        }
        let stack = preset::standard(&settings, &spend, limiting, transport);
        Ok(Blossom::assemble(
            stack,
            settings,
            #[cfg(feature = "cache-memory")]
            None,
        ))
    }
}

impl Settings {
    /// Refuses values that contradict one another.
    fn check(&self) -> Result<()> {
        self.check_limits()?;
        let clocks = [
            ("head_timeout", self.head_timeout),
            ("unary_timeout", self.unary_timeout),
            ("first_event_timeout", self.first_event_timeout),
            ("idle_timeout", self.idle_timeout),
        ];
        for (name, value) in clocks {
            if value > self.total_timeout && value != Self::default_of(name) {
                return Err(Error::new(
                    ErrorKind::Builder,
                    format!(
                        "{name} of {value:?} can never fire within a total_timeout of {:?}; lower \
                         {name} or raise total_timeout",
                        self.total_timeout
                    ),
                ));
            }
        }
        if self.prices.is_none() && !self.budgets.is_empty() {
            return Err(Error::new(
                ErrorKind::Builder,
                "a spend_limit needs prices to count with; call .prices(Prices::from_models(&models)) \
                 with what client.models() gives",
            ));
        }
        if self.max_response_bytes == 0 {
            return Err(Error::new(
                ErrorKind::Builder,
                "max_response_bytes of 0 refuses every reply; leave it at its default",
            ));
        }
        self.check_retries()
            .map_err(|text| Error::new(ErrorKind::Builder, text))
    }

    /// Whether a call may end in an error that does not say how often it was sent: where a clock stands
    /// outside the retries, or the stack is unknown.
    pub(crate) fn counts_attempts(&self) -> bool {
        !self.preset || self.total_timeout < Duration::MAX
    }

    /// A default that was left alone does not contradict a shorter total.
    fn default_of(name: &str) -> Duration {
        let defaults = Self::default();
        match name {
            "head_timeout" => defaults.head_timeout,
            "unary_timeout" => defaults.unary_timeout,
            "first_event_timeout" => defaults.first_event_timeout,
            _ => defaults.idle_timeout,
        }
    }
}

fn no_key(endpoint: &Endpoint) -> Error {
    Error::new(
        ErrorKind::Builder,
        format!(
            "no API key for {}; call .api_key(..), set BLOSSOM_API_KEY, or try it without one: \
             blossom::sandbox::Sandbox::start()",
            endpoint.host()
        ),
    )
}

fn builder_error(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Builder, error.to_string()).with_source(error)
}

impl From<crate::protocol::InvalidEndpoint> for Error {
    fn from(error: crate::protocol::InvalidEndpoint) -> Self {
        builder_error(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(builder: Builder) -> String {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Builder);
        error.to_string()
    }

    #[test]
    fn the_public_service_wants_a_key_and_the_error_says_what_to_type() {
        assert_eq!(
            refused(Blossom::builder()),
            "cannot build the client: no API key for gen.pollinations.ai; call .api_key(..), set \
             BLOSSOM_API_KEY, or try it without one: blossom::sandbox::Sandbox::start()"
        );
        assert!(Blossom::builder().api_key("sk_test").build().is_ok());
        assert!(Blossom::builder().endpoint(Endpoint::v1()).build().is_ok());
        assert!(
            Blossom::builder()
                .base_url("http://127.0.0.1:1")
                .build()
                .is_ok()
        );
    }

    #[test]
    fn a_key_that_is_not_legal_is_refused_and_not_shown() {
        let text = refused(Blossom::builder().api_key("sk_evil\r\nx: 1"));

        assert!(!text.contains("evil"), "{text}");
    }

    #[test]
    fn m1_a_clock_that_can_never_fire_is_refused_with_what_to_type() {
        let builder = Blossom::builder()
            .base_url("http://127.0.0.1:1")
            .total_timeout(Duration::from_secs(5));
        assert!(builder.clone().build().is_ok());

        let text = refused(builder.idle_timeout(Duration::from_secs(6)));
        assert!(text.contains("idle_timeout") && text.contains("total_timeout"));
    }

    #[test]
    fn a_limit_without_prices_is_refused_and_says_what_to_type() {
        let builder = Blossom::builder()
            .base_url("http://127.0.0.1:1")
            .spend_limit(Budget::in_all(crate::layers::types::Nanos(1)));

        assert!(refused(builder.clone()).contains(".prices(Prices::from_models(&models))"));
        assert!(builder.prices(Prices::new()).build().is_ok());
    }

    #[test]
    fn m1_retries_that_contradict_are_refused_with_what_to_type() {
        let builder = || Blossom::builder().base_url("http://127.0.0.1:1");
        let second = Duration::from_secs(1);
        for (builder, says) in [
            (builder().max_attempts(0), "1 sends once"),
            (
                builder().retry_budget(RetryBudget::new(0, 0)),
                "max_attempts(1)",
            ),
            (
                builder().backoff(Backoff::new(second * 2, second)),
                "swap them",
            ),
            (
                builder()
                    .backoff(Backoff::new(second * 2, second * 2))
                    .total_timeout(second),
                "raise total_timeout",
            ),
        ] {
            let text = refused(builder);
            assert!(text.contains(says), "{text}");
        }
        let none = builder()
            .max_attempts(1)
            .retry_budget(RetryBudget::new(0, 0));
        assert!(none.build().is_ok());
    }

    #[test]
    fn debug_shows_every_setting_but_the_key() {
        let builder = Blossom::builder().api_key("sk_secret");
        let text = format!("{builder:?}{:?}", builder.clone().build().unwrap());

        assert!(!text.contains("sk_secret"));
        assert!(text.contains("idle_timeout: 300s"));
    }
}

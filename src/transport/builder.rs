mod options;

use std::{error, fmt, num::NonZeroU32, sync::Arc, time::Duration};

use blossom_layers::BoxError;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};

#[cfg(feature = "_tls")]
use super::connect::{Roots, client_config};
use super::{
    ApiKey, Resolve, Transport,
    connect::{Connector, Dialer, Proxies, Sockets, SystemResolver},
    policy::Policy,
    service::{Plain, Shared},
};

/// Sets a [`Transport`] up.
///
/// | option | default | why |
/// | --- | --- | --- |
/// | [`connect_timeout`](Self::connect_timeout) | 10 s | a name, a connection and TLS take less than one, even far away |
/// | [`pool_idle_timeout`](Self::pool_idle_timeout) | 60 s | most servers close an idle connection after 60 s or more |
/// | [`pool_max_idle_per_host`](Self::pool_max_idle_per_host) | 256 | four times the calls in flight of a client as it comes |
/// | [`tcp_keep_alive`](Self::tcp_keep_alive) | 20 s | shorter than what routers remember of a silent connection |
/// | [`http2_stream_window_bytes`](Self::http2_stream_window_bytes) | 64 KiB | text needs no more; 256 KiB is better for images |
/// | [`max_in_flight`](Self::max_in_flight) | 64 | the connection's window lets that many readers pause |
/// | [`http2_keep_alive`](Self::http2_keep_alive) | 20 s, 10 s | a dead peer is found within 30 s, while a model thinks in silence |
/// | [`max_head_bytes`](Self::max_head_bytes) | 64 KiB | real heads have less than 8 |
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use blossom::transport::Transport;
///
/// let transport = Transport::builder().connect_timeout(Duration::from_secs(5)).build()?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Builder {
    api_key: Option<Result<ApiKey, BoxError>>,
    policy: Policy,
    resolver: Box<dyn Resolve>,
    #[cfg(feature = "_tls")]
    roots: Roots,
    proxy: Option<String>,
    proxy_bypass: String,
    proxy_from_env: bool,
    connect_timeout: Duration,
    tcp_keep_alive: Option<Duration>,
    pool_idle_timeout: Option<Duration>,
    pool_max_idle_per_host: usize,
    http2_only: bool,
    stream_window_bytes: u32,
    max_in_flight: NonZeroU32,
    http2_keep_alive: Option<(Duration, Duration)>,
    max_head_bytes: u32,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            api_key: None,
            policy: Policy::default(),
            resolver: Box::new(SystemResolver),
            #[cfg(feature = "_tls")]
            roots: Roots::default(),
            proxy: None,
            proxy_bypass: String::new(),
            proxy_from_env: false,
            connect_timeout: Duration::from_secs(10),
            tcp_keep_alive: Some(Duration::from_secs(20)),
            pool_idle_timeout: Some(Duration::from_secs(60)),
            pool_max_idle_per_host: 256,
            http2_only: false,
            stream_window_bytes: 64 * 1024,
            max_in_flight: const { NonZeroU32::new(64).unwrap() },
            http2_keep_alive: Some((Duration::from_secs(20), Duration::from_secs(10))),
            max_head_bytes: 64 * 1024,
        }
    }

    /// Makes the transport. Opens no connection and needs no runtime.
    ///
    /// # Errors
    ///
    /// [`InvalidBuilder`] if a root certificate, a proxy or the key cannot be used.
    ///
    /// ```
    /// # use blossom::transport::Transport;
    /// assert!(Transport::builder().build().is_ok());
    /// let error = Transport::builder().api_key("").build().unwrap_err();
    /// assert_eq!(error.to_string(), "the transport's api_key cannot be used");
    /// ```
    pub fn build(mut self) -> Result<Transport, InvalidBuilder> {
        let authorization = match self.api_key.take() {
            Some(key) => {
                let bearer = key.and_then(|key| key.bearer().map_err(BoxError::from));
                Some(bearer.map_err(InvalidBuilder::of("api_key"))?)
            }
            None => None,
        };
        let proxies = self.proxies()?;
        let builder = self.client();
        let policy = Arc::new(self.policy);
        let sockets = Sockets {
            keep_alive: self.tcp_keep_alive,
        };
        let dialer = Dialer::new(sockets, self.resolver, policy.clone(), proxies);
        #[cfg(feature = "_tls")]
        let connector = {
            let config = client_config(&self.roots, self.http2_only)
                .map_err(InvalidBuilder::of("root_certificate"))?;
            Connector::new(dialer, config, self.connect_timeout)
        };
        #[cfg(not(feature = "_tls"))]
        let connector = Connector::new(dialer, self.connect_timeout);
        Ok(Transport::new(Shared {
            client: builder.build(connector),
            policy,
            authorization,
            plain: (!self.http2_only).then(Plain::default),
        }))
    }

    fn proxies(&self) -> Result<Option<Proxies>, InvalidBuilder> {
        if let Some(proxy) = &self.proxy {
            let proxies = Proxies::through(proxy, &self.proxy_bypass);
            return proxies.map(Some).map_err(InvalidBuilder::of("proxy"));
        }
        if self.proxy_from_env {
            let proxies = Proxies::from_env();
            return proxies
                .map(Some)
                .map_err(InvalidBuilder::of("proxy_from_env"));
        }
        Ok(None)
    }

    fn client(&self) -> hyper_util::client::legacy::Builder {
        let mut builder = Client::builder(TokioExecutor::new());
        let window = self.stream_window_bytes.clamp(1, MAX_WINDOW);
        let connection_window = window
            .saturating_mul(self.max_in_flight.get().saturating_add(1))
            .min(MAX_WINDOW);
        let head = self.max_head_bytes.max(MIN_HEAD);
        builder
            // Without a timer the pool and the pings of HTTP/2 do not see time pass.
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.pool_idle_timeout)
            .pool_max_idle_per_host(self.pool_max_idle_per_host)
            // Sent again only if no byte had been written: always right.
            .retry_canceled_requests(true)
            .http1_max_buf_size(usize::try_from(head).unwrap_or(usize::MAX))
            .http2_only(self.http2_only)
            .http2_adaptive_window(false)
            .http2_initial_stream_window_size(window)
            .http2_initial_connection_window_size(connection_window)
            .http2_max_header_list_size(head);
        if let Some((every, within)) = self.http2_keep_alive {
            builder
                .http2_keep_alive_interval(every)
                .http2_keep_alive_timeout(within);
        }
        builder
    }
}

impl fmt::Debug for Builder {
    // Not the proxy: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("api_key", &self.api_key)
            .field("policy", &self.policy)
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}

const MAX_WINDOW: u32 = (1 << 31) - 1;
const MIN_HEAD: u32 = 8 * 1024;

/// An option of [`Builder`] that cannot be used.
///
/// ```
/// use blossom::transport::Transport;
///
/// let error = Transport::builder().proxy("socks5://127.0.0.1:1").build().unwrap_err();
/// assert_eq!(error.to_string(), "the transport's proxy cannot be used");
/// ```
#[derive(Debug)]
pub struct InvalidBuilder {
    option: &'static str,
    source: BoxError,
}

impl InvalidBuilder {
    fn of<E: Into<BoxError>>(option: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self {
            option,
            source: error.into(),
        }
    }

    /// The option's name.
    ///
    /// ```
    /// # use blossom::transport::Transport;
    /// let error = Transport::builder().api_key("sk mine").build().unwrap_err();
    /// assert_eq!(error.option(), "api_key");
    /// ```
    #[must_use]
    pub const fn option(&self) -> &'static str {
        self.option
    }
}

impl fmt::Display for InvalidBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the transport's {} cannot be used", self.option)
    }
}

impl error::Error for InvalidBuilder {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&*self.source)
    }
}

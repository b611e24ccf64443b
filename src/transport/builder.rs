use std::{error, fmt, num::NonZeroU32, sync::Arc, time::Duration};

use blossom_layers::BoxError;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};

#[cfg(feature = "_tls")]
use super::connect::{Added, Roots, client_config};
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

    /// Adds `Authorization: Bearer ..` with `key` to requests that have no such header.
    ///
    /// A text that cannot be a key is refused by [`build`](Self::build). Default: none.
    pub fn api_key<K>(mut self, key: K) -> Self
    where
        K: TryInto<ApiKey, Error: Into<BoxError>>,
    {
        self.api_key = Some(key.try_into().map_err(Into::into));
        self
    }

    /// Lets requests to `host` go without TLS, at any port. May be given several times.
    ///
    /// `host` is a name or an address as it stands in the URI, without port (`[fd00::1]` with its
    /// brackets); case does not matter. Key and prompts can be read by everybody on the way.
    /// Default: loopback only.
    pub fn allow_plain_http(mut self, host: impl Into<String>) -> Self {
        self.policy.plain_http.push(host.into());
        self
    }

    /// Looks names up with `resolver`. Default: the system's resolver.
    pub fn resolver(mut self, resolver: impl Resolve) -> Self {
        self.resolver = Box::new(resolver);
        self
    }

    /// Also trusts the certificate authorities in `pem`, one or more `CERTIFICATE` blocks.
    ///
    /// For services with a private authority. Default: Mozilla's list, compiled in.
    #[cfg(feature = "_tls")]
    pub fn root_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.added.push(Added::Pem(pem.into()));
        self
    }

    /// Also trusts the certificate authority in `der`.
    ///
    /// For services with a private authority. Default: Mozilla's list, compiled in.
    #[cfg(feature = "_tls")]
    pub fn root_certificate_der(mut self, der: impl Into<Vec<u8>>) -> Self {
        self.roots.added.push(Added::Der(der.into()));
        self
    }

    /// Whether to trust what the operating system trusts as well.
    ///
    /// It is read once, in [`build`](Self::build). Default: no.
    #[cfg(all(feature = "native-roots", feature = "_tls"))]
    pub const fn native_roots(mut self, native: bool) -> Self {
        self.roots.native = native;
        self
    }

    /// Sends everything but loopback through the HTTP proxy at `proxy`, by a CONNECT tunnel.
    ///
    /// `http://host:port`, or `http://user:password@host:port`. The proxy learns the name and port
    /// of the target and never the key, nor anything else of an `https` request. Wins over
    /// [`proxy_from_env`](Self::proxy_from_env). Default: none.
    pub fn proxy(mut self, proxy: impl Into<String>) -> Self {
        self.proxy = Some(proxy.into());
        self
    }

    /// Hosts that [`proxy`](Self::proxy) is not for, in the form of `NO_PROXY`.
    ///
    /// Commas between entries; an entry is a domain (with all below it), an address, a network such
    /// as `10.0.0.0/8`, or `*`. Default: none.
    pub fn proxy_bypass(mut self, hosts: impl Into<String>) -> Self {
        self.proxy_bypass = hosts.into();
        self
    }

    /// Whether to take proxies from `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.
    ///
    /// They are read once, in [`build`](Self::build). Default: no: the environment is not looked at.
    pub const fn proxy_from_env(mut self, from_env: bool) -> Self {
        self.proxy_from_env = from_env;
        self
    }

    /// How long looking the name up, connecting and TLS may take together.
    ///
    /// Zero gives up unless the connection is there at once; `Duration::MAX` waits as long as the
    /// system does. Default: 10 s.
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The silence after which the system asks the peer whether it is still there. `None`: never.
    ///
    /// Default: 20 s.
    pub const fn tcp_keep_alive(mut self, after: Option<Duration>) -> Self {
        self.tcp_keep_alive = after;
        self
    }

    /// How long an unused connection is kept. `None`: until the peer closes it.
    ///
    /// Longer saves handshakes; longer than the peer's own limit costs stale connections, which are
    /// noticed but cost a retry. Default: 60 s.
    pub const fn pool_idle_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.pool_idle_timeout = timeout;
        self
    }

    /// How many unused connections are kept for each host. Zero: none, each request opens its own.
    ///
    /// Only for HTTP/1; HTTP/2 needs one. Default: 256.
    pub const fn pool_max_idle_per_host(mut self, connections: usize) -> Self {
        self.pool_max_idle_per_host = connections;
        self
    }

    /// Whether to speak only HTTP/2, also without TLS, where nothing can be negotiated.
    ///
    /// Default: no: HTTP/2 where TLS agrees on it, else HTTP/1.1.
    pub const fn http2_prior_knowledge(mut self, only: bool) -> Self {
        self.http2_only = only;
        self
    }

    /// How many bytes of one HTTP/2 answer may wait unread.
    ///
    /// Smaller saves memory; larger is faster over long distances, 256 KiB for images. Between 1 and
    /// 2^31 - 1 (RFC 9113 section 6.9.1), else it is taken to the nearer of both. Default: 64 KiB.
    pub const fn http2_stream_window_bytes(mut self, bytes: u32) -> Self {
        self.stream_window_bytes = bytes;
        self
    }

    /// How many answers may wait unread on one HTTP/2 connection without stopping the next.
    ///
    /// The connection's window is the stream window times this plus one: with hyper's own defaults
    /// three readers who pause freeze all others. Set it to what the concurrency limit outside
    /// admits. Default: 64.
    pub const fn max_in_flight(mut self, streams: NonZeroU32) -> Self {
        self.max_in_flight = streams;
        self
    }

    /// How often an HTTP/2 connection in use is asked whether it lives, and how long an answer may
    /// take. `None`: never. Default: 20 s and 10 s.
    pub const fn http2_keep_alive(
        mut self,
        every_and_within: Option<(Duration, Duration)>,
    ) -> Self {
        self.http2_keep_alive = every_and_within;
        self
    }

    /// How large the head of an answer may be, in bytes. At least 8 KiB.
    ///
    /// On HTTP/1 a head has at most 100 lines besides, and the number bounds what hyper buffers of
    /// a connection, too. Default: 64 KiB.
    pub const fn max_head_bytes(mut self, bytes: u32) -> Self {
        self.max_head_bytes = bytes;
        self
    }

    /// Makes the transport. Opens no connection and needs no runtime.
    ///
    /// # Errors
    ///
    /// [`InvalidBuilder`] if a root certificate, a proxy or the key cannot be used.
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
/// println!("{}: {error}", error.option());
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

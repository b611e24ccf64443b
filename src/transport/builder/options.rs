//! The options of a transport.

use std::{num::NonZeroU32, time::Duration};

use blossom_layers::BoxError;

#[cfg(feature = "_tls")]
use super::super::connect::Added;
use super::{
    super::{ApiKey, Resolve},
    Builder,
};

impl Builder {
    /// Adds `Authorization: Bearer ..` with `key` to requests that have no such header.
    ///
    /// A text that cannot be a key is refused by [`build`](Self::build). Default: none.
    ///
    /// ```
    /// # use blossom::transport::Transport;
    /// assert!(Transport::builder().api_key("sk_mine").build().is_ok());
    /// let error = Transport::builder().api_key("sk_mine\n").build().unwrap_err();
    /// assert_eq!(error.option(), "api_key");
    /// ```
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
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # use blossom::{Body, transport::*};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// # struct Inside;
    /// # impl Resolve for Inside {
    /// #     fn resolve(&self, _name: &str) -> Resolving {
    /// #         Box::pin(async { Ok(vec![[127, 0, 0, 1].into()]) })
    /// #     }
    /// # }
    /// let transport = Transport::builder().resolver(Inside).allow_plain_http("ai.inside").build()?;
    /// let url = sandbox.base_url().replace("127.0.0.1", "ai.inside");
    /// let request = Request::get(format!("{url}/models")).body(Body::empty())?;
    /// assert_eq!(transport.oneshot(request).await?.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    pub fn allow_plain_http(mut self, host: impl Into<String>) -> Self {
        self.policy.plain_http.push(host.into());
        self
    }

    /// Looks names up with `resolver`. Default: the system's resolver.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::{Body, transport::*};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// struct Nobody;
    ///
    /// impl Resolve for Nobody {
    ///     fn resolve(&self, _name: &str) -> Resolving {
    ///         Box::pin(async { Ok(vec![]) })
    ///     }
    /// }
    ///
    /// let transport = Transport::builder().resolver(Nobody).build()?;
    /// let request = Request::get("https://example.com/").body(Body::empty())?;
    /// let error = transport.oneshot(request).await.unwrap_err();
    /// let cause = error.downcast_ref::<ConnectError>().map(ConnectError::cause);
    /// assert_eq!(cause, Some(ConnectCause::Dns));
    /// # Ok(())
    /// # }
    /// ```
    pub fn resolver(mut self, resolver: impl Resolve) -> Self {
        self.resolver = Box::new(resolver);
        self
    }

    /// Also trusts the certificate authorities in `pem`, one or more `CERTIFICATE` blocks.
    ///
    /// For services with a private authority. Default: Mozilla's list, compiled in.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::transport::Transport;
    /// # let authority = rcgen::generate_simple_self_signed(vec!["ai.inside".to_owned()])?.cert;
    /// let pem = authority.pem();
    /// assert!(Transport::builder().root_certificate_pem(pem).build().is_ok());
    /// let error = Transport::builder().root_certificate_pem("no certificate").build().unwrap_err();
    /// assert_eq!(error.option(), "root_certificate");
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "_tls")]
    pub fn root_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.added.push(Added::Pem(pem.into()));
        self
    }

    /// Also trusts the certificate authority in `der`.
    ///
    /// For services with a private authority. Default: Mozilla's list, compiled in.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::transport::Transport;
    /// # let authority = rcgen::generate_simple_self_signed(vec!["ai.inside".to_owned()])?.cert;
    /// let der = authority.der().to_vec();
    /// assert!(Transport::builder().root_certificate_der(der).build().is_ok());
    /// let error = Transport::builder().root_certificate_der("no certificate").build().unwrap_err();
    /// assert_eq!(error.option(), "root_certificate");
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "_tls")]
    pub fn root_certificate_der(mut self, der: impl Into<Vec<u8>>) -> Self {
        self.roots.added.push(Added::Der(der.into()));
        self
    }

    /// Whether to trust what the operating system trusts as well.
    ///
    /// It is read once, in [`build`](Self::build). Default: no.
    ///
    /// ```
    /// # use blossom::transport::Transport;
    /// assert!(Transport::builder().native_roots(true).build().is_ok());
    /// ```
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
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::{Body, transport::*};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// // Nobody listens there.
    /// let transport = Transport::builder().proxy("http://127.0.0.1:1").build()?;
    /// let request = Request::get("https://example.com/").body(Body::empty())?;
    /// let error = transport.oneshot(request).await.unwrap_err();
    /// assert!(nothing_was_sent(&*error));
    ///
    /// let error = Transport::builder().proxy("socks5://127.0.0.1:1").build().unwrap_err();
    /// assert_eq!(error.option(), "proxy");
    /// # Ok(())
    /// # }
    /// ```
    pub fn proxy(mut self, proxy: impl Into<String>) -> Self {
        self.proxy = Some(proxy.into());
        self
    }

    /// Hosts that [`proxy`](Self::proxy) is not for, in the form of `NO_PROXY`.
    ///
    /// Commas between entries; an entry is a domain (with all below it), an address, a network such
    /// as `10.0.0.0/8`, or `*`. Default: none.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # use blossom::{Body, transport::*};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// # struct Inside;
    /// # impl Resolve for Inside {
    /// #     fn resolve(&self, _name: &str) -> Resolving {
    /// #         Box::pin(async { Ok(vec![[127, 0, 0, 1].into()]) })
    /// #     }
    /// # }
    /// let transport = Transport::builder()
    ///     .proxy("http://127.0.0.1:1") // Nobody listens there.
    ///     .proxy_bypass("ai.inside, 10.0.0.0/8")
    /// #     .resolver(Inside)
    ///     .allow_plain_http("ai.inside")
    ///     .build()?;
    /// let url = sandbox.base_url().replace("127.0.0.1", "ai.inside");
    /// let request = Request::get(format!("{url}/models")).body(Body::empty())?;
    /// assert_eq!(transport.oneshot(request).await?.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    pub fn proxy_bypass(mut self, hosts: impl Into<String>) -> Self {
        self.proxy_bypass = hosts.into();
        self
    }

    /// Whether to take proxies from `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.
    ///
    /// They are read once, in [`build`](Self::build). Default: no: the environment is not looked at.
    ///
    /// ```
    /// # use blossom::transport::Transport;
    /// if let Err(error) = Transport::builder().proxy_from_env(true).build() {
    ///     assert_eq!(error.option(), "proxy_from_env"); // such as one of another kind
    /// }
    /// ```
    pub const fn proxy_from_env(mut self, from_env: bool) -> Self {
        self.proxy_from_env = from_env;
        self
    }

    /// How long looking the name up, connecting and TLS may take together.
    ///
    /// Zero gives up unless the connection is there at once; `Duration::MAX` waits as long as the
    /// system does. Default: 10 s.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # use blossom::{Body, transport::*};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// struct Hangs;
    ///
    /// impl Resolve for Hangs {
    ///     fn resolve(&self, _name: &str) -> Resolving {
    ///         Box::pin(std::future::pending())
    ///     }
    /// }
    ///
    /// let timeout = Duration::from_secs(5);
    /// let transport = Transport::builder().resolver(Hangs).connect_timeout(timeout).build()?;
    /// let request = Request::get("https://example.com/").body(Body::empty())?;
    /// let error = transport.oneshot(request).await.unwrap_err();
    /// let cause = error.downcast_ref::<ConnectError>().map(ConnectError::cause);
    /// assert_eq!(cause, Some(ConnectCause::Timeout));
    /// # Ok(())
    /// # }
    /// ```
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The silence after which the system asks the peer whether it is still there. `None`: never.
    ///
    /// Default: 20 s.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # use std::time::Duration;
    /// # use blossom::{Body, transport::*};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// # let models = || Request::get(format!("{}/models", sandbox.base_url())).body(Body::empty());
    /// let transport = Transport::builder().tcp_keep_alive(Some(Duration::from_secs(60))).build()?;
    /// assert_eq!(transport.oneshot(models()?).await?.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn tcp_keep_alive(mut self, after: Option<Duration>) -> Self {
        self.tcp_keep_alive = after;
        self
    }

    /// How long an unused connection is kept. `None`: until the peer closes it.
    ///
    /// Longer saves handshakes; longer than the peer's own limit costs stale connections, which are
    /// noticed but cost a retry. Default: 60 s.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # use blossom::{Body, transport::*};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// # let models = || Request::get(format!("{}/models", sandbox.base_url())).body(Body::empty());
    /// # use http_body_util::BodyExt;
    /// let transport = Transport::builder().pool_idle_timeout(None).build()?;
    /// for _ in 0..2 {
    ///     transport.clone().oneshot(models()?).await?.into_body().collect().await?;
    /// }
    /// assert_eq!(sandbox.connections(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn pool_idle_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.pool_idle_timeout = timeout;
        self
    }

    /// How many unused connections are kept for each host. Zero: none, each request opens its own.
    ///
    /// Only for HTTP/1; HTTP/2 needs one. Default: 256.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # use blossom::{Body, transport::*};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// # let models = || Request::get(format!("{}/models", sandbox.base_url())).body(Body::empty());
    /// # use http_body_util::BodyExt;
    /// let transport = Transport::builder().pool_max_idle_per_host(0).build()?;
    /// for _ in 0..2 {
    ///     transport.clone().oneshot(models()?).await?.into_body().collect().await?;
    /// }
    /// assert_eq!(sandbox.connections(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn pool_max_idle_per_host(mut self, connections: usize) -> Self {
        self.pool_max_idle_per_host = connections;
        self
    }

    /// Whether to speak only HTTP/2, also without TLS, where nothing can be negotiated.
    ///
    /// Default: no: HTTP/2 where TLS agrees on it, else HTTP/1.1.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # use blossom::{Body, transport::*};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// # let models = || Request::get(format!("{}/models", sandbox.base_url())).body(Body::empty());
    /// let transport = Transport::builder().http2_prior_knowledge(true).build()?;
    /// assert_eq!(transport.oneshot(models()?).await?.version(), http::Version::HTTP_2);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn http2_prior_knowledge(mut self, only: bool) -> Self {
        self.http2_only = only;
        self
    }

    /// How many bytes of one HTTP/2 answer may wait unread.
    ///
    /// Smaller saves memory; larger is faster over long distances, 256 KiB for images. Between 1 and
    /// 2^31 - 1 (RFC 9113 section 6.9.1), else it is taken to the nearer of both. Default: 64 KiB.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # use blossom::{Body, transport::*};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// # let models = || Request::get(format!("{}/models", sandbox.base_url())).body(Body::empty());
    /// # use http_body_util::BodyExt;
    /// let transport = Transport::builder()
    ///     .http2_prior_knowledge(true)
    ///     .http2_stream_window_bytes(1024)
    ///     .build()?;
    /// let body = transport.oneshot(models()?).await?.into_body().collect().await?.to_bytes();
    /// assert!(body.len() > 1024, "it comes in parts");
    /// # Ok(())
    /// # }
    /// ```
    pub const fn http2_stream_window_bytes(mut self, bytes: u32) -> Self {
        self.stream_window_bytes = bytes;
        self
    }

    /// How many answers may wait unread on one HTTP/2 connection without stopping the next.
    ///
    /// The connection's window is the stream window times this plus one: with hyper's own defaults
    /// three readers who pause freeze all others. Set it to what the concurrency limit outside
    /// admits. Default: 64.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # use blossom::{Body, transport::*};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// # let models = || Request::get(format!("{}/models", sandbox.base_url())).body(Body::empty());
    /// # use http_body_util::BodyExt;
    /// use std::num::NonZeroU32;
    ///
    /// let transport = Transport::builder()
    ///     .http2_prior_knowledge(true)
    ///     .max_in_flight(NonZeroU32::new(2).ok_or("not zero")?)
    ///     .build()?;
    /// let paused = transport.clone().oneshot(models()?).await?;
    /// let body = transport.oneshot(models()?).await?.into_body().collect().await?.to_bytes();
    /// assert!(!body.is_empty(), "who pauses does not stop the next");
    /// # drop(paused);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn max_in_flight(mut self, streams: NonZeroU32) -> Self {
        self.max_in_flight = streams;
        self
    }

    /// How often an HTTP/2 connection in use is asked whether it lives, and how long an answer may
    /// take. `None`: never. Default: 20 s and 10 s.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # use std::time::Duration;
    /// # use blossom::{Body, transport::*};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// # let models = || Request::get(format!("{}/models", sandbox.base_url())).body(Body::empty());
    /// let transport = Transport::builder()
    ///     .http2_prior_knowledge(true)
    ///     .http2_keep_alive(Some((Duration::from_secs(60), Duration::from_secs(5))))
    ///     .build()?;
    /// assert_eq!(transport.oneshot(models()?).await?.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::{Body, transport::*};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// # use std::io::{Read, Write};
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let url = format!("http://{}/", listener.local_addr()?);
    /// # std::thread::spawn(move || -> std::io::Result<()> {
    /// #     let (mut stream, _) = listener.accept()?;
    /// #     stream.read(&mut [0; 4096])?;
    /// #     write!(stream, "HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(16 * 1024))
    /// # });
    /// // The head of that answer has 16 KiB.
    /// let transport = Transport::builder().max_head_bytes(8 * 1024).build()?;
    /// let error = transport.oneshot(Request::get(url).body(Body::empty())?).await.unwrap_err();
    /// assert!(error.downcast_ref::<InvalidResponse>().is_some_and(InvalidResponse::is_too_large));
    /// # Ok(())
    /// # }
    /// ```
    pub const fn max_head_bytes(mut self, bytes: u32) -> Self {
        self.max_head_bytes = bytes;
        self
    }
}

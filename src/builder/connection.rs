//! How the client connects: what it passes on to the transport.

use std::{fmt, time::Duration};

use super::{
    Builder, builder_error,
    shown::{Values, none, shown, time},
};
use crate::{
    Result,
    transport::{self, ApiKey, Transport},
};

/// What a client passes on to its transport.
#[derive(Clone)]
pub(super) struct Connection {
    connect_timeout: Duration,
    proxy: Option<String>,
    proxy_bypass: String,
    proxy_from_env: bool,
    plain_http: Vec<String>,
    #[cfg(feature = "_tls")]
    roots: Vec<Vec<u8>>,
    #[cfg(all(feature = "native-roots", feature = "_tls"))]
    native_roots: bool,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            proxy: None,
            proxy_bypass: String::new(),
            proxy_from_env: false,
            plain_http: Vec::new(),
            #[cfg(feature = "_tls")]
            roots: Vec::new(),
            #[cfg(all(feature = "native-roots", feature = "_tls"))]
            native_roots: false,
        }
    }
}

impl Connection {
    pub(super) fn transport(self, api_key: Option<ApiKey>) -> Result<Transport> {
        let mut builder = Transport::builder()
            .connect_timeout(self.connect_timeout)
            .proxy_bypass(self.proxy_bypass)
            .proxy_from_env(self.proxy_from_env);
        if let Some(key) = api_key {
            builder = builder.api_key(key);
        }
        if let Some(proxy) = self.proxy {
            builder = builder.proxy(proxy);
        }
        for host in self.plain_http {
            builder = builder.allow_plain_http(host);
        }
        #[cfg(feature = "_tls")]
        for pem in self.roots {
            builder = builder.root_certificate_pem(pem);
        }
        #[cfg(all(feature = "native-roots", feature = "_tls"))]
        {
            builder = builder.native_roots(self.native_roots);
        }
        transport::Builder::build(builder).map_err(builder_error)
    }
}

impl Builder {
    /// How long to wait for a connection, TLS included. Default: 10 s.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// let builder = blossom::Blossom::builder().connect_timeout(Duration::from_secs(5));
    /// # builder.base_url("http://127.0.0.1:1").build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub const fn connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.connection.connect_timeout = connect_timeout;
        self
    }

    /// Sends everything but loopback through the HTTP proxy at `proxy`, by a CONNECT tunnel:
    /// `http://host:port`, or `http://user:password@host:port`. The proxy never sees the key.
    /// Default: none.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let builder = blossom::Blossom::builder().proxy("http://proxy.example:3128").proxy_bypass("intern.example,10.0.0.0/8");
    /// # builder.base_url("http://127.0.0.1:1").build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn proxy(mut self, proxy: impl Into<String>) -> Self {
        self.connection.proxy = Some(proxy.into());
        self
    }

    /// Hosts that [`proxy`](Self::proxy) is not for, in the form of `NO_PROXY`: domains, addresses
    /// and networks, with commas between. Default: none.
    ///
    /// ```
    /// let builder = blossom::Blossom::builder().proxy_bypass("intern.example,10.0.0.0/8");
    /// assert!(format!("{builder:?}").contains("intern.example"));
    /// ```
    pub fn proxy_bypass(mut self, hosts: impl Into<String>) -> Self {
        self.connection.proxy_bypass = hosts.into();
        self
    }

    /// Whether to take proxies from `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, which
    /// are read once, when the client is built. [`proxy`](Self::proxy) wins over them. Default: no.
    ///
    /// ```
    /// let builder = blossom::Blossom::builder().proxy_from_env(true);
    /// assert!(format!("{builder:?}").contains("proxy_from_env: true"));
    /// ```
    pub const fn proxy_from_env(mut self, from_env: bool) -> Self {
        self.connection.proxy_from_env = from_env;
        self
    }

    /// Lets requests to `host` go without TLS, beside those to loopback. Key and prompts can be read
    /// by everybody on the way. May be given several times. Default: loopback only.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // A server of your own network, to which no key is sent that matters.
    /// let builder = blossom::Blossom::builder().base_url("http://models.intern").allow_plain_http("models.intern");
    /// # builder.without_api_key().build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn allow_plain_http(mut self, host: impl Into<String>) -> Self {
        self.connection.plain_http.push(host.into());
        self
    }

    /// Also trusts the certificate authorities in `pem`, for a service with a private one. May be
    /// given several times. Default: Mozilla's list, compiled in.
    ///
    /// ```
    /// let builder = blossom::Blossom::builder().api_key("sk_secret");
    /// let error = builder.root_certificate_pem("no certificate").build().unwrap_err();
    /// assert_eq!(error.kind(), blossom::ErrorKind::Builder);
    /// ```
    #[cfg(feature = "_tls")]
    #[cfg_attr(docsrs, doc(cfg(any(feature = "tls-ring", feature = "tls-aws-lc"))))]
    pub fn root_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.connection.roots.push(pem.into());
        self
    }

    /// Whether to trust what the operating system trusts as well. It is read once, when the client
    /// is built. Default: no.
    ///
    /// ```
    /// let builder = blossom::Blossom::builder().native_roots(true);
    /// assert!(format!("{builder:?}").contains("native_roots: true"));
    /// ```
    #[cfg(all(feature = "native-roots", feature = "_tls"))]
    #[cfg_attr(docsrs, doc(cfg(feature = "native-roots")))]
    pub const fn native_roots(mut self, native: bool) -> Self {
        self.connection.native_roots = native;
        self
    }
}

impl Connection {
    /// Its settings, by their names. A proxy may hold a password.
    pub(super) fn values(&self) -> Values {
        let proxy = self
            .proxy
            .as_ref()
            .map_or_else(none, |_| "hidden".to_owned());
        let values = [
            ("connect_timeout", time(self.connect_timeout)),
            ("proxy", proxy),
            ("proxy_bypass", format!("{:?}", self.proxy_bypass)),
            ("proxy_from_env", self.proxy_from_env.to_string()),
            ("allow_plain_http", format!("{:?}", self.plain_http)),
            #[cfg(feature = "_tls")]
            ("root_certificate_pem", self.roots.len().to_string()),
            #[cfg(all(feature = "native-roots", feature = "_tls"))]
            ("native_roots", self.native_roots.to_string()),
        ];
        values.into()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown(f, "Connection", &self.values())
    }
}

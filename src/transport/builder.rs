use std::{collections::BTreeSet, sync::Arc, time::Duration};

use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use super::{
    ApiKey, InvalidTransport, Transport,
    connect::{Connector, Inner},
};

/// The window of an HTTP/2 stream: what the upstream may send before it is read.
const STREAM_WINDOW: u32 = 64 * 1024;

/// How many unread streams must not freeze a connection.
const STREAMS: u32 = 256;

/// Builds a [`Transport`]; see [`Transport::builder`].
///
/// | setting | default |
/// | --- | --- |
/// | `connect_timeout` | 10 s, TLS included |
/// | `pool_idle_timeout` | 60 s |
/// | `max_idle_per_host` | 64 |
/// | `http2_prior_knowledge` | off: HTTP/2 is agreed on in the TLS handshake |
///
/// Not to be set: `TCP_NODELAY` is on, TCP keep-alive 60 s, an HTTP/2 ping after 20 s of silence
/// with 10 s for its answer, an HTTP/2 window of 64 KiB a stream and enough for 256 unread streams a
/// connection, 128 headers and 128 KiB of them.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct TransportBuilder {
    api_key: Option<ApiKey>,
    connect_timeout: Duration,
    pool_idle_timeout: Duration,
    max_idle_per_host: usize,
    http2_prior_knowledge: bool,
    plain_http: BTreeSet<String>,
    #[cfg(feature = "tls-ring")]
    roots: Vec<Vec<u8>>,
}

impl Default for TransportBuilder {
    fn default() -> Self {
        Self {
            api_key: None,
            connect_timeout: Duration::from_secs(10),
            pool_idle_timeout: Duration::from_secs(60),
            max_idle_per_host: 64,
            http2_prior_knowledge: false,
            plain_http: BTreeSet::new(),
            #[cfg(feature = "tls-ring")]
            roots: Vec::new(),
        }
    }
}

impl TransportBuilder {
    /// The key that is sent in the `Authorization` header of requests that bear none.
    pub fn api_key(mut self, key: ApiKey) -> Self {
        self.api_key = Some(key);
        self
    }

    /// How long to wait for a connection, TLS included. Default: 10 s.
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a connection is kept without a request. Default: 60 s.
    pub const fn pool_idle_timeout(mut self, timeout: Duration) -> Self {
        self.pool_idle_timeout = timeout;
        self
    }

    /// How many connections without a request are kept for a host. Default: 64; 0 keeps none.
    pub const fn max_idle_per_host(mut self, connections: usize) -> Self {
        self.max_idle_per_host = connections;
        self
    }

    /// Speaks HTTP/2 without asking first, also without TLS. Only for servers that are known to.
    pub const fn http2_prior_knowledge(mut self) -> Self {
        self.http2_prior_knowledge = true;
        self
    }

    /// Allows plain `http` to `host`, which would else be refused: whoever is on the way can read
    /// key and prompt. Loopback needs no leave.
    pub fn allow_plain_http(mut self, host: impl Into<String>) -> Self {
        self.plain_http.insert(host.into().to_ascii_lowercase());
        self
    }

    /// Trusts `certificate` (DER) beside the built-in roots, for a certificate authority of your
    /// own.
    #[cfg(feature = "tls-ring")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls-ring")))]
    pub fn root_certificate(mut self, certificate: impl Into<Vec<u8>>) -> Self {
        self.roots.push(certificate.into());
        self
    }

    /// Builds the transport. Opens no connection.
    ///
    /// # Errors
    ///
    /// [`InvalidTransport`] if a root certificate cannot be read.
    pub fn build(self) -> Result<Transport, InvalidTransport> {
        let connector = Connector::new(self.connector()?, self.connect_timeout);
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.pool_idle_timeout)
            .pool_max_idle_per_host(self.max_idle_per_host)
            .http1_max_headers(128)
            .http1_max_buf_size(128 * 1024)
            .http2_only(self.http2_prior_knowledge)
            .http2_adaptive_window(false)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(STREAM_WINDOW * STREAMS)
            .http2_max_header_list_size(128 * 1024)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .http2_keep_alive_timeout(Duration::from_secs(10));
        Ok(Transport::new(
            builder.build(connector),
            self.api_key,
            Arc::new(self.plain_http),
        ))
    }

    #[cfg(not(feature = "tls-ring"))]
    fn connector(&self) -> Result<Inner, InvalidTransport> {
        Ok(http_connector())
    }

    #[cfg(feature = "tls-ring")]
    fn connector(&self) -> Result<Inner, InvalidTransport> {
        let tls = self.tls()?;
        let builder = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http();
        Ok(if self.http2_prior_knowledge {
            builder.enable_http2().wrap_connector(http_connector())
        } else {
            builder
                .enable_all_versions()
                .wrap_connector(http_connector())
        })
    }

    /// The provider is named here and never the process's default, which another crate may set.
    #[cfg(feature = "tls-ring")]
    fn tls(&self) -> Result<rustls::ClientConfig, InvalidTransport> {
        let mut roots = rustls::RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        for root in &self.roots {
            roots.add(root.clone().into()).map_err(|error| {
                InvalidTransport::new(
                    "a root certificate cannot be read; give it as DER",
                    Some(error.into()),
                )
            })?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| {
                InvalidTransport::new("the TLS provider has no usable version", Some(error.into()))
            })?;
        Ok(config.with_root_certificates(roots).with_no_client_auth())
    }
}

fn http_connector() -> HttpConnector {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_keepalive(Some(Duration::from_secs(60)));
    http.set_happy_eyeballs_timeout(Some(Duration::from_millis(300)));
    http
}

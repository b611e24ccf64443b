//! Connections that could not be made.

use std::{error::Error, fmt, io, sync::Arc, time::Duration};

use blossom_layers::BoxError;

use super::find;

/// No connection could be made, so nothing was sent.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use blossom::{Blossom, layers::cause_ref, transport::ConnectError};
///
/// // Nobody listens there.
/// let client = Blossom::builder().base_url("http://127.0.0.1:1").max_attempts(1).build()?;
/// let error = client.text().generate("Hi").await.unwrap_err();
/// let cause = cause_ref::<ConnectError>(&error).ok_or("it could not connect")?;
/// println!("{}: {:?}", cause.host(), cause.cause());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ConnectError {
    cause: ConnectCause,
    host: Box<str>,
    source: Arc<dyn Error + Send + Sync>,
}

/// Why no connection could be made.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use blossom::{Body, transport::*};
/// # use http::Request;
/// # use tower::ServiceExt;
/// # let transport = Transport::builder().build()?;
/// // Nobody listens there.
/// let request = Request::get("http://127.0.0.1:1/").body(Body::empty())?;
/// let error = transport.oneshot(request).await.unwrap_err();
/// let cause = error.downcast_ref::<ConnectError>().map(ConnectError::cause);
/// assert_eq!(cause, Some(ConnectCause::Refused));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectCause {
    /// The host is there, but nobody listens at that port.
    Refused,
    /// The name has no address, or the resolver failed.
    Dns,
    /// Name, connection and TLS together took too long.
    Timeout,
    /// TLS failed: see [`ConnectError::tls`].
    Tls,
    /// The proxy refused, or did not answer as a proxy does.
    Proxy,
    /// Something else: no route, no free file descriptor. The source says what.
    Other,
}

/// What TLS did not like.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # use blossom::{Body, transport::*};
/// # use http::Request;
/// # use tower::ServiceExt;
/// # let transport = Transport::builder().build()?;
/// // It speaks plain HTTP, and not TLS.
/// let url = sandbox.base_url().replace("http://", "https://");
/// let error = transport.oneshot(Request::get(url).body(Body::empty())?).await.unwrap_err();
/// let problem = error.downcast_ref::<ConnectError>().and_then(ConnectError::tls);
/// assert_eq!(problem, Some(TlsProblem::Other));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsProblem {
    /// The certificate has expired.
    Expired,
    /// The certificate is not valid yet: is the clock right?
    NotYetValid,
    /// The certificate belongs to another name.
    WrongName,
    /// The certificate is signed by nobody whom we trust. A private authority can be added in the
    /// builder.
    UnknownIssuer,
    /// The certificate has been revoked.
    Revoked,
    /// No version, cipher or protocol that both sides speak.
    NothingInCommon,
    /// Something else, a cut connection included. The source says what.
    Other,
}

impl ConnectError {
    pub(crate) fn new(cause: ConnectCause, host: &str, source: BoxError) -> Self {
        Self {
            cause,
            host: host.into(),
            source: source.into(),
        }
    }

    pub(in crate::transport) fn timeout(host: &str, after: Duration) -> Self {
        Self::new(ConnectCause::Timeout, host, ConnectTimeout { after }.into())
    }

    /// From a failure to open a socket.
    pub(in crate::transport) fn io(host: &str, source: BoxError) -> Self {
        let refused = find::<io::Error>(&*source)
            .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        let cause = if refused {
            ConnectCause::Refused
        } else {
            ConnectCause::Other
        };
        Self::new(cause, host, source)
    }

    /// Why.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::{Body, transport::*};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// # struct Nobody;
    /// # impl Resolve for Nobody {
    /// #     fn resolve(&self, _name: &str) -> Resolving {
    /// #         Box::pin(async { Ok(vec![]) })
    /// #     }
    /// # }
    /// // A resolver that finds no address.
    /// let transport = Transport::builder().resolver(Nobody).build()?;
    /// let request = Request::get("https://nowhere.invalid/").body(Body::empty())?;
    /// let error = transport.oneshot(request).await.unwrap_err();
    /// let cause = error.downcast_ref::<ConnectError>().map(ConnectError::cause);
    /// assert_eq!(cause, Some(ConnectCause::Dns));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn cause(&self) -> ConnectCause {
        self.cause
    }

    /// The host that was asked for.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::{Body, transport::*};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// # let transport = Transport::builder().build()?;
    /// let request = Request::get("http://127.0.0.1:1/").body(Body::empty())?;
    /// let error = transport.oneshot(request).await.unwrap_err();
    /// let host = error.downcast_ref::<ConnectError>().map(ConnectError::host);
    /// assert_eq!(host, Some("127.0.0.1"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What TLS did not like, if the cause is [`ConnectCause::Tls`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::{Body, transport::*};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// # let transport = Transport::builder().build()?;
    /// // Nobody listens there, so it does not come to TLS.
    /// let request = Request::get("https://127.0.0.1:1/").body(Body::empty())?;
    /// let error = transport.oneshot(request).await.unwrap_err();
    /// let problem = error.downcast_ref::<ConnectError>().and_then(ConnectError::tls);
    /// assert_eq!(problem, None);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn tls(&self) -> Option<TlsProblem> {
        (self.cause == ConnectCause::Tls).then(|| tls_problem(&*self.source))
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.cause {
            ConnectCause::Refused => "nobody listens there",
            ConnectCause::Dns => "the name cannot be resolved",
            ConnectCause::Timeout => "it took too long",
            ConnectCause::Tls => "TLS failed",
            ConnectCause::Proxy => "the proxy refused",
            ConnectCause::Other => "the connection failed",
        };
        write!(f, "cannot connect to {}: {what}", self.host)
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// The source of a [`ConnectError`] whose cause is [`ConnectCause::Timeout`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use blossom::{Body, layers::cause_ref, transport::*};
/// # use http::Request;
/// # use tower::ServiceExt;
/// # struct Hangs;
/// # impl Resolve for Hangs {
/// #     fn resolve(&self, _name: &str) -> Resolving {
/// #         Box::pin(std::future::pending())
/// #     }
/// # }
/// // A resolver that never answers.
/// let transport = Transport::builder().resolver(Hangs).build()?;
/// let request = Request::get("https://example.com/").body(Body::empty())?;
/// let error = transport.oneshot(request).await.unwrap_err();
/// assert!(cause_ref::<ConnectTimeout>(&*error).is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectTimeout {
    after: Duration,
}

impl ConnectTimeout {
    /// How long was waited.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # use blossom::{Body, layers::cause_ref, transport::*};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// # struct Hangs;
    /// # impl Resolve for Hangs {
    /// #     fn resolve(&self, _name: &str) -> Resolving {
    /// #         Box::pin(std::future::pending())
    /// #     }
    /// # }
    /// let timeout = Duration::from_secs(5);
    /// let transport = Transport::builder().resolver(Hangs).connect_timeout(timeout).build()?;
    /// let request = Request::get("https://example.com/").body(Body::empty())?;
    /// let error = transport.oneshot(request).await.unwrap_err();
    /// assert_eq!(cause_ref::<ConnectTimeout>(&*error).map(ConnectTimeout::after), Some(timeout));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for ConnectTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection within {:?}", self.after)
    }
}

impl Error for ConnectTimeout {}

#[cfg(not(feature = "_tls"))]
fn tls_problem(_source: &(dyn Error + 'static)) -> TlsProblem {
    TlsProblem::Other
}

#[cfg(feature = "_tls")]
fn tls_problem(source: &(dyn Error + 'static)) -> TlsProblem {
    use rustls::{AlertDescription as Alert, CertificateError as Bad, Error as Tls};

    match find::<Tls>(source) {
        Some(Tls::InvalidCertificate(bad)) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => TlsProblem::Expired,
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => TlsProblem::NotYetValid,
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => TlsProblem::WrongName,
            Bad::UnknownIssuer => TlsProblem::UnknownIssuer,
            Bad::Revoked => TlsProblem::Revoked,
            Bad::Other(other) => {
                // A certificate that is its own issuer and poses as a server's.
                if other.to_string().contains("CaUsedAsEndEntity") {
                    TlsProblem::UnknownIssuer
                } else {
                    TlsProblem::Other
                }
            }
            _ => TlsProblem::Other,
        },
        Some(
            Tls::PeerIncompatible(_)
            | Tls::NoApplicationProtocol
            | Tls::AlertReceived(
                Alert::ProtocolVersion | Alert::NoApplicationProtocol | Alert::HandshakeFailure,
            ),
        ) => TlsProblem::NothingInCommon,
        _ => TlsProblem::Other,
    }
}

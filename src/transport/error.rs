//! One struct per cause, and the two translations from hyper's errors.

use std::{error::Error, fmt, io, sync::Arc, time::Duration};

use blossom_layers::{BoxError, cause_ref};
use hyper_util::client::legacy;

/// Whether `error` proves that the upstream has not seen the request.
///
/// True for every refusal before a connection was used, for failures to connect, and where the
/// upstream itself says that it has not worked on the request. A retry after such an error is always
/// safe. False for everything else, errors of other modules included.
///
/// ```
/// use blossom::transport::nothing_was_sent;
///
/// assert!(!nothing_was_sent(&std::io::Error::other("who knows")));
/// ```
#[must_use]
pub fn nothing_was_sent(error: &(dyn Error + 'static)) -> bool {
    if let Some(interrupted) = cause_ref::<Interrupted>(error) {
        return !interrupted.was_sent();
    }
    cause_ref::<ConnectError>(error).is_some()
        || cause_ref::<NoAuthority>(error).is_some()
        || cause_ref::<UserInfoRefused>(error).is_some()
        || cause_ref::<PlainHttpRefused>(error).is_some()
        || cause_ref::<UnsupportedScheme>(error).is_some()
        || cause_ref::<TlsUnavailable>(error).is_some()
}

/// The request's URI is not absolute: the transport resolves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoAuthority(());

impl NoAuthority {
    pub(super) const fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for NoAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request's URI has no scheme or no host")
    }
}

impl Error for NoAuthority {}

/// The request's URI has a user name or password in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInfoRefused {
    host: Box<str>,
}

impl UserInfoRefused {
    pub(super) fn new(host: &str) -> Self {
        Self { host: host.into() }
    }

    /// The host that was asked for, without the user name.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for UserInfoRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the URI for {} has a user name or password in it; use .api_key(..)",
            self.host
        )
    }
}

impl Error for UserInfoRefused {}

/// Plain `http` to a host that is neither loopback nor allowed by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainHttpRefused {
    host: Box<str>,
}

impl PlainHttpRefused {
    pub(super) fn new(host: &str) -> Self {
        Self { host: host.into() }
    }

    /// The host that was asked for.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for PlainHttpRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "plain http to {0} would show key and prompt to the network; use https, or .allow_plain_http(\"{0}\")",
            self.host
        )
    }
}

impl Error for PlainHttpRefused {}

/// A scheme other than `http` and `https`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsupportedScheme {
    scheme: Box<str>,
}

impl UnsupportedScheme {
    pub(super) fn new(scheme: &str) -> Self {
        Self {
            scheme: scheme.into(),
        }
    }

    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }
}

impl fmt::Display for UnsupportedScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the scheme {} is not http or https", self.scheme)
    }
}

impl Error for UnsupportedScheme {}

/// `https` was asked for, but the crate was built without a TLS feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsUnavailable {
    host: Box<str>,
}

impl TlsUnavailable {
    pub(super) fn new(host: &str) -> Self {
        Self { host: host.into() }
    }

    /// The host that was asked for.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for TlsUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "https to {} needs the feature tls-ring or tls-aws-lc",
            self.host
        )
    }
}

impl Error for TlsUnavailable {}

/// No connection could be made, so nothing was sent.
#[derive(Debug, Clone)]
pub struct ConnectError {
    cause: ConnectCause,
    host: Box<str>,
    source: Arc<dyn Error + Send + Sync>,
}

/// Why no connection could be made.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsProblem {
    /// The certificate has expired.
    Expired,
    /// The certificate is not valid yet: is the clock right?
    NotYetValid,
    /// The certificate belongs to another name.
    WrongName,
    /// The certificate is signed by nobody whom we trust; see
    /// [`Builder::root_certificate_pem`](super::Builder::root_certificate_pem).
    UnknownIssuer,
    /// The certificate has been revoked.
    Revoked,
    /// No version, cipher or protocol that both sides speak.
    NothingInCommon,
    /// Something else, a cut connection included. The source says what.
    Other,
}

impl ConnectError {
    pub(super) fn new(cause: ConnectCause, host: &str, source: BoxError) -> Self {
        Self {
            cause,
            host: host.into(),
            source: source.into(),
        }
    }

    pub(super) fn timeout(host: &str, after: Duration) -> Self {
        Self::new(ConnectCause::Timeout, host, ConnectTimeout { after }.into())
    }

    /// From a failure to open a socket.
    pub(super) fn io(host: &str, source: BoxError) -> Self {
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
    #[must_use]
    pub const fn cause(&self) -> ConnectCause {
        self.cause
    }

    /// The host that was asked for.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What TLS did not like, if the cause is [`ConnectCause::Tls`].
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectTimeout {
    after: Duration,
}

impl ConnectTimeout {
    /// How long was waited.
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

/// The connection failed before the answer's head had come.
#[derive(Debug)]
pub struct Interrupted {
    sent: bool,
    source: BoxError,
}

impl Interrupted {
    /// Whether the upstream may have seen the request.
    ///
    /// False when no byte of it was written, and when an HTTP/2 upstream said that it did not work
    /// on it (`REFUSED_STREAM`, or `GOAWAY` with a lower stream id: RFC 9113 section 8.7).
    #[must_use]
    pub const fn was_sent(&self) -> bool {
        self.sent
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.sent {
            "the connection was lost before an answer came"
        } else {
            "the connection was lost before the request was sent"
        })
    }
}

impl Error for Interrupted {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// The answer's head is not HTTP, or larger than what is allowed.
#[derive(Debug)]
pub struct InvalidResponse {
    too_large: bool,
    source: BoxError,
}

impl InvalidResponse {
    /// Whether the head had too many headers or bytes.
    #[must_use]
    pub const fn is_too_large(&self) -> bool {
        self.too_large
    }
}

impl fmt::Display for InvalidResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.too_large {
            "the head of the answer is too large"
        } else {
            "the answer is not valid HTTP"
        })
    }
}

impl Error for InvalidResponse {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// The caller's request body failed while it was sent.
#[derive(Debug)]
pub struct RequestBodyFailed {
    source: BoxError,
}

impl fmt::Display for RequestBodyFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request body failed while it was sent")
    }
}

impl Error for RequestBodyFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// The response body was cut: fewer bytes than announced, chunks without an end, a reset stream, a
/// lost connection. What had arrived before was passed on.
#[derive(Debug)]
pub struct BodyInterrupted {
    source: Option<hyper::Error>,
}

impl BodyInterrupted {
    pub(super) const fn new(source: hyper::Error) -> Self {
        Self {
            source: Some(source),
        }
    }

    pub(super) const fn without_end() -> Self {
        Self { source: None }
    }

    /// Whether the upstream reset the HTTP/2 stream, as opposed to a connection that was lost.
    #[must_use]
    pub fn is_reset(&self) -> bool {
        match &self.source {
            None => true,
            Some(source) => find::<h2::Error>(source).is_some_and(h2::Error::is_reset),
        }
    }
}

impl fmt::Display for BodyInterrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer was cut off")
    }
}

impl Error for BodyInterrupted {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}

/// What the client's error means.
pub(super) fn from_client(error: legacy::Error) -> BoxError {
    if error.is_connect() {
        // The connector makes only these.
        if let Some(connect) = find::<ConnectError>(&error) {
            return connect.clone().into();
        }
        if let Some(refused) = find::<PlainHttpRefused>(&error) {
            return refused.clone().into();
        }
        return ConnectError::new(ConnectCause::Other, "the upstream", error.into()).into();
    }
    let Some(cause) = find::<hyper::Error>(&error) else {
        // Misuse of the client itself, found before anything is sent.
        return Interrupted {
            sent: false,
            source: error.into(),
        }
        .into();
    };
    if cause.is_parse() {
        // hyper tells the two apart by type only with its server compiled in.
        let too_large = cause.to_string() == "message head is too large";
        return InvalidResponse {
            too_large,
            source: error.into(),
        }
        .into();
    }
    if cause.is_user() && cause.source().is_some() && !cause.is_body_write_aborted() {
        return RequestBodyFailed {
            source: error.into(),
        }
        .into();
    }
    let refused = find::<h2::Error>(cause).is_some_and(is_refusal);
    Interrupted {
        sent: !(cause.is_canceled() || refused),
        source: error.into(),
    }
    .into()
}

/// Whether the upstream said that it has not worked on the request.
fn is_refusal(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
}

/// Finds an `E` in `error` or its sources, also where an `io::Error` hides it: the `source` of an
/// `io::Error` is the source of what it wraps, not what it wraps.
pub(super) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h3_refusals_and_failures_to_connect_prove_that_nothing_was_sent() {
        let refused = PlainHttpRefused::new("example.com");
        let connect = ConnectError::timeout("example.com", Duration::from_secs(1));
        let sent = Interrupted {
            sent: true,
            source: "cut".into(),
        };
        let unsent = Interrupted {
            sent: false,
            source: "stale".into(),
        };

        assert!(nothing_was_sent(&refused));
        assert!(nothing_was_sent(&connect));
        assert!(nothing_was_sent(&unsent));
        assert!(!nothing_was_sent(&sent));
    }

    #[test]
    fn an_error_inside_an_io_error_is_found() {
        let inner = io::Error::other(PlainHttpRefused::new("a"));
        let outer = io::Error::other(inner);

        assert_eq!(find::<PlainHttpRefused>(&outer).unwrap().host(), "a");
    }

    #[test]
    fn a_connect_timeout_says_how_long_it_waited() {
        let error = ConnectError::timeout("example.com", Duration::from_secs(3));

        assert_eq!(error.cause(), ConnectCause::Timeout);
        assert_eq!(error.tls(), None);
        assert_eq!(
            cause_ref::<ConnectTimeout>(&error).unwrap().after(),
            Duration::from_secs(3)
        );
        assert_eq!(
            error.to_string(),
            "cannot connect to example.com: it took too long"
        );
    }
}

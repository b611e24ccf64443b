use std::{error, fmt};

use crate::layers::BoxError;

/// The request was not sent, because of where it would have gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    NoAuthority,
    Userinfo,
    Scheme,
    PlainHttp(String),
    NoTls,
}

impl Refused {
    pub(super) const fn new(reason: Reason) -> Self {
        Self { reason }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::NoAuthority => f.write_str("the URI of the request has no scheme and host"),
            Reason::Userinfo => f.write_str(
                "the URI of the request holds a user name or password; use the API key instead",
            ),
            Reason::Scheme => f.write_str("the URI of the request is neither http nor https"),
            Reason::PlainHttp(host) => write!(
                f,
                "plain http to {host} would show key and prompt to the network; use https, or \
                 .allow_plain_http({host:?})"
            ),
            Reason::NoTls => f.write_str("https needs the feature tls-ring"),
        }
    }
}

impl error::Error for Refused {}

/// No connection could be made. Nothing was sent.
#[derive(Debug)]
pub struct ConnectError {
    failure: ConnectFailure,
    source: BoxError,
}

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectFailure {
    /// Nobody listens there.
    Refused,
    /// The name of the host has no address.
    Dns,
    /// It took longer than the connect timeout.
    Timeout,
    /// The TLS handshake failed: an expired or unknown certificate, another name, no common
    /// version.
    Tls,
    /// Anything else.
    Other,
}

impl ConnectError {
    pub(super) const fn new(failure: ConnectFailure, source: BoxError) -> Self {
        Self { failure, source }
    }

    /// Why.
    #[must_use]
    pub const fn failure(&self) -> ConnectFailure {
        self.failure
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = root(&*self.source);
        match self.failure {
            ConnectFailure::Refused => f.write_str("the connection was refused"),
            ConnectFailure::Dns => f.write_str("the host was not found"),
            ConnectFailure::Timeout => write!(f, "{cause}"),
            ConnectFailure::Tls => write!(f, "the TLS handshake failed: {cause}"),
            ConnectFailure::Other => write!(f, "no connection: {cause}"),
        }
    }
}

impl error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&*self.source)
    }
}

/// The connection broke before the response head arrived.
#[derive(Debug)]
pub struct SendError {
    was_sent: bool,
    source: BoxError,
}

impl SendError {
    pub(super) const fn new(was_sent: bool, source: BoxError) -> Self {
        Self { was_sent, source }
    }

    /// Whether any of the request may have reached the upstream. If not, it can be sent again
    /// without a thought.
    #[must_use]
    pub const fn was_sent(&self) -> bool {
        self.was_sent
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the connection broke before a response arrived: {}",
            root(&*self.source)
        )
    }
}

impl error::Error for SendError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&*self.source)
    }
}

/// The response body broke off before its end.
#[derive(Debug)]
pub struct BodyInterrupted {
    source: BoxError,
}

impl BodyInterrupted {
    pub(super) const fn new(source: BoxError) -> Self {
        Self { source }
    }
}

impl fmt::Display for BodyInterrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the response broke off: {}", root(&*self.source))
    }
}

impl error::Error for BodyInterrupted {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&*self.source)
    }
}

/// The transport cannot be built like this.
#[derive(Debug)]
pub struct InvalidTransport {
    message: &'static str,
    source: Option<BoxError>,
}

impl InvalidTransport {
    #[cfg_attr(
        not(feature = "tls-ring"),
        expect(dead_code, reason = "only TLS has settings that can be wrong")
    )]
    pub(super) const fn new(message: &'static str, source: Option<BoxError>) -> Self {
        Self { message, source }
    }
}

impl fmt::Display for InvalidTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl error::Error for InvalidTransport {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The innermost cause, which says most.
fn root<'a>(error: &'a (dyn error::Error + 'static)) -> &'a (dyn error::Error + 'static) {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

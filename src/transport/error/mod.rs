//! One struct per cause, and the two translations from hyper's errors.

mod connect;
mod refused;

use std::{error::Error, fmt, io};

use blossom_layers::{BoxError, cause_ref};
use hyper_util::client::legacy;

pub use self::{
    connect::{ConnectCause, ConnectError, ConnectTimeout, TlsProblem},
    refused::{NoAuthority, PlainHttpRefused, TlsUnavailable, UnsupportedScheme, UserInfoRefused},
};
use super::upload::UploadFailed;

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

/// The connection failed before the answer's head had come.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use blossom::{Body, transport::*};
/// # use http::Request;
/// # use tower::ServiceExt;
/// # let transport = Transport::builder().build()?;
/// # use std::io::{Read, Write};
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let url = format!("http://{}/", listener.local_addr()?);
/// # let answer = |text: String| {
/// #     std::thread::spawn(move || -> std::io::Result<()> {
/// #         let (mut stream, _) = listener.accept()?;
/// #         stream.read(&mut [0; 4096])?;
/// #         stream.write_all(text.as_bytes())
/// #     })
/// # };
/// answer(String::new()); // It reads the request, and closes.
/// let error = transport.oneshot(Request::get(url).body(Body::empty())?).await.unwrap_err();
/// assert!(error.is::<Interrupted>());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Interrupted {
    sent: bool,
    source: BoxError,
}

impl Interrupted {
    #[cfg(test)]
    pub(crate) fn new(sent: bool) -> Self {
        Self {
            sent,
            source: "scripted".into(),
        }
    }

    /// Whether the upstream may have seen the request.
    ///
    /// False when no byte of it was written, and when an HTTP/2 upstream said that it did not work
    /// on it (`REFUSED_STREAM`, or `GOAWAY` with a lower stream id: RFC 9113 section 8.7).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::{Body, transport::*};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// # let transport = Transport::builder().build()?;
    /// # use std::io::{Read, Write};
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let url = format!("http://{}/", listener.local_addr()?);
    /// # let answer = |text: String| {
    /// #     std::thread::spawn(move || -> std::io::Result<()> {
    /// #         let (mut stream, _) = listener.accept()?;
    /// #         stream.read(&mut [0; 4096])?;
    /// #         stream.write_all(text.as_bytes())
    /// #     })
    /// # };
    /// answer(String::new()); // It reads the request, and closes.
    /// let error = transport.oneshot(Request::get(url).body(Body::empty())?).await.unwrap_err();
    /// assert!(error.downcast_ref::<Interrupted>().is_some_and(Interrupted::was_sent));
    /// assert!(!nothing_was_sent(&*error));
    /// # Ok(())
    /// # }
    /// ```
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
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use blossom::{Body, transport::*};
/// # use http::Request;
/// # use tower::ServiceExt;
/// # let transport = Transport::builder().build()?;
/// # use std::io::{Read, Write};
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let url = format!("http://{}/", listener.local_addr()?);
/// # let answer = |text: String| {
/// #     std::thread::spawn(move || -> std::io::Result<()> {
/// #         let (mut stream, _) = listener.accept()?;
/// #         stream.read(&mut [0; 4096])?;
/// #         stream.write_all(text.as_bytes())
/// #     })
/// # };
/// answer("SSH-2.0-OpenSSH_9.9\r\n\r\n".to_owned());
/// let error = transport.oneshot(Request::get(url).body(Body::empty())?).await.unwrap_err();
/// assert!(error.is::<InvalidResponse>());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct InvalidResponse {
    too_large: bool,
    source: BoxError,
}

impl InvalidResponse {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self {
            too_large: false,
            source: "scripted".into(),
        }
    }

    /// Whether the head had too many headers or bytes. Known for HTTP/1 only.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::{Body, transport::*};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// # let transport = Transport::builder().build()?;
    /// # use std::io::{Read, Write};
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let url = format!("http://{}/", listener.local_addr()?);
    /// # let answer = |text: String| {
    /// #     std::thread::spawn(move || -> std::io::Result<()> {
    /// #         let (mut stream, _) = listener.accept()?;
    /// #         stream.read(&mut [0; 4096])?;
    /// #         stream.write_all(text.as_bytes())
    /// #     })
    /// # };
    /// answer(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(128 * 1024)));
    /// let error = transport.oneshot(Request::get(url).body(Body::empty())?).await.unwrap_err();
    /// assert!(error.downcast_ref::<InvalidResponse>().is_some_and(InvalidResponse::is_too_large));
    /// # Ok(())
    /// # }
    /// ```
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
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # use blossom::{Body, transport::*};
/// # use http::Request;
/// # use tower::ServiceExt;
/// # let transport = Transport::builder().build()?;
/// # use futures_util::stream;
/// # use http_body_util::StreamBody;
/// let gone = std::io::Error::other("the file is gone");
/// let frames = stream::iter([Err::<http_body::Frame<bytes::Bytes>, _>(gone)]);
/// let request = Request::post(sandbox.base_url()).body(Body::stream(StreamBody::new(frames)))?;
/// let error = transport.oneshot(request).await.unwrap_err();
/// assert!(error.is::<RequestBodyFailed>());
/// # Ok(())
/// # }
/// ```
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
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom::layers::BoxError> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # use blossom::{Body, transport::*};
/// # use http::Request;
/// # use tower::ServiceExt;
/// # let transport = Transport::builder().build()?;
/// # use http_body_util::BodyExt;
/// let request = Request::get(format!("{}/text/Hi?stream=true", sandbox.base_url()))
///     .header("x-sandbox-fault", "cut")
///     .body(Body::empty())?;
/// let body = transport.oneshot(request).await?.into_body();
/// let error: BodyInterrupted = body.collect().await.unwrap_err();
/// assert_eq!(error.to_string(), "the answer was cut off");
/// # Ok(())
/// # }
/// ```
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
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # use blossom::{Body, transport::*};
    /// # use http::Request;
    /// # use http_body_util::BodyExt;
    /// # use tower::ServiceExt;
    /// let transport = Transport::builder().http2_prior_knowledge(true).build()?;
    /// let request = Request::get(format!("{}/text/Hi?stream=true", sandbox.base_url()))
    ///     .header("x-sandbox-fault", "cut")
    ///     .body(Body::empty())?;
    /// let body = transport.oneshot(request).await?.into_body();
    /// assert!(body.collect().await.unwrap_err().is_reset(), "as a stream of HTTP/2 is cut");
    /// # Ok(())
    /// # }
    /// ```
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
    if find::<UploadFailed>(cause).is_some() {
        return RequestBodyFailed {
            source: error.into(),
        }
        .into();
    }
    let http2 = find::<h2::Error>(cause);
    if http2.is_some_and(h2::Error::is_library) {
        // Our side broke the stream off because of what had come.
        return InvalidResponse {
            too_large: false,
            source: error.into(),
        }
        .into();
    }
    let refused = http2.is_some_and(is_refusal);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

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

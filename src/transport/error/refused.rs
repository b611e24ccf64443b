//! Requests that are refused before a connection is used.

use std::{error::Error, fmt};

/// The request's URI is not absolute: the transport resolves nothing.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use blossom::{Body, transport::*};
/// # use http::Request;
/// # use tower::ServiceExt;
/// # let transport = Transport::builder().build()?;
/// let request = Request::get("/v1/models").body(Body::empty())?;
/// let error = transport.oneshot(request).await.unwrap_err();
/// assert!(error.is::<NoAuthority>());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoAuthority(());

impl NoAuthority {
    pub(in crate::transport) const fn new() -> Self {
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
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use blossom::{Body, transport::*};
/// # use http::Request;
/// # use tower::ServiceExt;
/// # let transport = Transport::builder().build()?;
/// let request = Request::get("https://me:secret@example.com/").body(Body::empty())?;
/// let error = transport.oneshot(request).await.unwrap_err();
/// assert!(error.is::<UserInfoRefused>());
/// assert!(!error.to_string().contains("secret"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInfoRefused {
    host: Box<str>,
}

impl UserInfoRefused {
    pub(in crate::transport) fn new(host: &str) -> Self {
        Self { host: host.into() }
    }

    /// The host that was asked for, without the user name.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::{Body, transport::*};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// # let transport = Transport::builder().build()?;
    /// let request = Request::get("https://me:secret@example.com/").body(Body::empty())?;
    /// let error = transport.oneshot(request).await.unwrap_err();
    /// let host = error.downcast_ref::<UserInfoRefused>().map(UserInfoRefused::host);
    /// assert_eq!(host, Some("example.com"));
    /// # Ok(())
    /// # }
    /// ```
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
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use blossom::{Blossom, layers::cause_ref, transport::PlainHttpRefused};
///
/// let client = Blossom::builder().base_url("http://example.com").api_key("sk_mine").build()?;
/// let error = client.text().generate("Hi").await.unwrap_err();
/// let refused = cause_ref::<PlainHttpRefused>(&error).ok_or("nothing was sent")?;
/// assert_eq!(refused.host(), "example.com");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainHttpRefused {
    host: Box<str>,
}

impl PlainHttpRefused {
    pub(crate) fn new(host: &str) -> Self {
        Self { host: host.into() }
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
    /// let request = Request::get("http://example.com/v1/models").body(Body::empty())?;
    /// let error = transport.oneshot(request).await.unwrap_err();
    /// let host = error.downcast_ref::<PlainHttpRefused>().map(PlainHttpRefused::host);
    /// assert_eq!(host, Some("example.com"));
    /// # Ok(())
    /// # }
    /// ```
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
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use blossom::{Body, transport::*};
/// # use http::Request;
/// # use tower::ServiceExt;
/// # let transport = Transport::builder().build()?;
/// let request = Request::get("ftp://127.0.0.1/").body(Body::empty())?;
/// let error = transport.oneshot(request).await.unwrap_err();
/// assert!(error.is::<UnsupportedScheme>());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsupportedScheme {
    scheme: Box<str>,
}

impl UnsupportedScheme {
    pub(in crate::transport) fn new(scheme: &str) -> Self {
        Self {
            scheme: scheme.into(),
        }
    }

    /// The scheme.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::{Body, transport::*};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// # let transport = Transport::builder().build()?;
    /// let request = Request::get("ftp://127.0.0.1/").body(Body::empty())?;
    /// let error = transport.oneshot(request).await.unwrap_err();
    /// let scheme = error.downcast_ref::<UnsupportedScheme>().map(UnsupportedScheme::scheme);
    /// assert_eq!(scheme, Some("ftp"));
    /// # Ok(())
    /// # }
    /// ```
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
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use blossom::{Body, transport::*};
/// # use http::Request;
/// # use tower::ServiceExt;
/// # let transport = Transport::builder().build()?;
/// let request = Request::get("https://127.0.0.1:1/").body(Body::empty())?;
/// let error = transport.oneshot(request).await.unwrap_err();
/// // Nobody listens there. Without a TLS feature it would not have come to that.
/// assert!(!error.is::<TlsUnavailable>());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsUnavailable {
    host: Box<str>,
}

impl TlsUnavailable {
    pub(in crate::transport) fn new(host: &str) -> Self {
        Self { host: host.into() }
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
    /// let request = Request::get("https://127.0.0.1:1/").body(Body::empty())?;
    /// let error = transport.oneshot(request).await.unwrap_err();
    /// let host = error.downcast_ref::<TlsUnavailable>().map(TlsUnavailable::host);
    /// assert_eq!(host, None, "TLS is compiled in");
    /// # Ok(())
    /// # }
    /// ```
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

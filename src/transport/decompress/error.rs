use std::{error::Error, fmt, io};

/// A body grew beyond what is allowed for its size on the wire.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom::layers::BoxError> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # use blossom::{Body, transport::{Transport, decompress::*}};
/// # use http::Request;
/// # use http_body_util::BodyExt;
/// # use tower::{Layer, ServiceExt};
/// # let request = Request::get(format!("{}/text/Hi", sandbox.base_url()))
/// #     .header("x-sandbox-fault", "bomb;mib=1")
/// #     .body(Body::empty())?;
/// # let transport = Transport::builder().build()?;
/// // A mebibyte of blanks comes as a kilobyte.
/// let service = DecompressLayer::new().free_bytes(10_000).layer(transport);
/// let body = service.oneshot(request).await?.into_body();
/// let error = body.collect().await.unwrap_err();
/// assert!(error.is::<DecompressionLimit>());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecompressionLimit {
    pub(super) limit_bytes: u64,
    pub(super) wire_bytes: u64,
}

impl DecompressionLimit {
    /// How many bytes were allowed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # use blossom::{Body, transport::{Transport, decompress::*}};
    /// # use http::Request;
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    /// # let request = Request::get(format!("{}/text/Hi", sandbox.base_url()))
    /// #     .header("x-sandbox-fault", "bomb;mib=1")
    /// #     .body(Body::empty())?;
    /// # let transport = Transport::builder().build()?;
    /// let service = DecompressLayer::new().free_bytes(10_000).max_ratio(0).layer(transport);
    /// let body = service.oneshot(request).await?.into_body();
    /// let error = body.collect().await.unwrap_err();
    /// let limit = error.downcast_ref::<DecompressionLimit>().map(DecompressionLimit::limit_bytes);
    /// assert_eq!(limit, Some(10_000));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// How many bytes had come over the wire.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # use blossom::{Body, transport::{Transport, decompress::*}};
    /// # use http::Request;
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    /// # let request = Request::get(format!("{}/text/Hi", sandbox.base_url()))
    /// #     .header("x-sandbox-fault", "bomb;mib=1")
    /// #     .body(Body::empty())?;
    /// # let transport = Transport::builder().build()?;
    /// let service = DecompressLayer::new().free_bytes(10_000).max_ratio(5).layer(transport);
    /// let body = service.oneshot(request).await?.into_body();
    /// let error = body.collect().await.unwrap_err();
    /// let limit = error.downcast_ref::<DecompressionLimit>().ok_or("it is too much")?;
    /// assert_eq!(limit.limit_bytes(), 10_000 + 5 * limit.wire_bytes());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn wire_bytes(&self) -> u64 {
        self.wire_bytes
    }
}

impl fmt::Display for DecompressionLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes of answer decompress to more than {} bytes",
            self.wire_bytes, self.limit_bytes
        )
    }
}

impl Error for DecompressionLimit {}

/// An answer came in an encoding that was not asked for, or in several.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use blossom::transport::decompress::*;
/// # use bytes::Bytes;
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// # use tower::{Layer, ServiceExt};
/// let upstream = tower::service_fn(|_: Request<()>| async {
///     Response::builder().header("content-encoding", "compress").body(Full::new(Bytes::from("..")))
/// });
/// let service = DecompressLayer::new().layer(upstream);
/// let error = service.oneshot(Request::new(())).await.unwrap_err();
/// assert!(error.is::<UnsupportedEncoding>());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsupportedEncoding {
    pub(super) encoding: Box<str>,
}

impl UnsupportedEncoding {
    /// The answer's `Content-Encoding`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::transport::decompress::*;
    /// # use bytes::Bytes;
    /// # use http::{Request, Response};
    /// # use http_body_util::Full;
    /// # use tower::{Layer, ServiceExt};
    /// let upstream = tower::service_fn(|_: Request<()>| async {
    ///     Response::builder().header("content-encoding", "gzip, gzip").body(Full::new(Bytes::from("..")))
    /// });
    /// let service = DecompressLayer::new().layer(upstream);
    /// let error = service.oneshot(Request::new(())).await.unwrap_err();
    /// let encoding = error.downcast_ref::<UnsupportedEncoding>().map(UnsupportedEncoding::encoding);
    /// assert_eq!(encoding, Some("gzip, gzip"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn encoding(&self) -> &str {
        &self.encoding
    }
}

impl fmt::Display for UnsupportedEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer is encoded as {:?}", self.encoding)
    }
}

impl Error for UnsupportedEncoding {}

/// A compressed body is cut, damaged, or goes on after its end.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom::layers::BoxError> {
/// # use blossom::transport::decompress::*;
/// # use bytes::Bytes;
/// # use http::{Request, Response};
/// # use http_body_util::{BodyExt, Full};
/// # use tower::{Layer, ServiceExt};
/// let upstream = tower::service_fn(|_: Request<()>| async {
///     Response::builder().header("content-encoding", "gzip").body(Full::new(Bytes::from("plain text")))
/// });
/// let response = DecompressLayer::new().layer(upstream).oneshot(Request::new(())).await?;
/// let error = response.into_body().collect().await.unwrap_err();
/// assert!(error.is::<CorruptBody>());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct CorruptBody {
    pub(super) source: io::Error,
}

impl CorruptBody {
    /// Whether the body ended too early.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # use blossom::transport::decompress::*;
    /// # use bytes::Bytes;
    /// # use http::{Request, Response};
    /// # use http_body_util::{BodyExt, Full};
    /// # use tower::{Layer, ServiceExt};
    /// let upstream = tower::service_fn(|_: Request<()>| async {
    ///     let begun = Full::new(Bytes::from_static(b"\x1f\x8b\x08"));
    ///     Response::builder().header("content-encoding", "gzip").body(begun)
    /// });
    /// let response = DecompressLayer::new().layer(upstream).oneshot(Request::new(())).await?;
    /// let error = response.into_body().collect().await.unwrap_err();
    /// assert!(error.downcast_ref::<CorruptBody>().is_some_and(CorruptBody::is_cut));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.source.kind() == io::ErrorKind::UnexpectedEof
    }
}

impl fmt::Display for CorruptBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the compressed answer is damaged")
    }
}

impl Error for CorruptBody {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

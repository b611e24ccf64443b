use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use blossom_layers::BoxError;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RANGE},
};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    DecompressBody, UnsupportedEncoding,
    codec::{Codec, Decoder, Limits},
};

/// Applies [`Decompress`].
///
/// See the [module docs](super) for its limits, and for an example.
///
/// ```
/// use blossom::transport::decompress::DecompressLayer;
///
/// let layer = DecompressLayer::new().max_ratio(50).free_bytes(1 << 20);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct DecompressLayer {
    limits: Limits,
    enabled: bool,
}

impl DecompressLayer {
    /// A layer with the default limits.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # use blossom::{Body, sandbox::Sandbox, transport::{Transport, decompress::DecompressLayer}};
    /// # use http::Request;
    /// # use tower::{Layer, ServiceExt};
    /// # let sandbox = Sandbox::builder().compress(true).start()?;
    /// # let request = Request::get(format!("{}/models", sandbox.base_url())).body(Body::empty())?;
    /// let service = DecompressLayer::new().layer(Transport::builder().build()?);
    /// let response = service.oneshot(request).await?;
    /// assert!(!response.headers().contains_key("content-encoding"));
    /// assert_eq!(sandbox.requests()[0].header("accept-encoding"), Some("gzip, br, zstd"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self {
            limits: Limits {
                free_bytes: 4 * 1024 * 1024,
                max_ratio: 3,
            },
            enabled: true,
        }
    }

    /// Whether to decompress at all, for stacks whose type must not depend on that. Default: yes.
    ///
    /// If not, requests and answers pass as they are.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # use blossom::{Body, sandbox::Sandbox, transport::{Transport, decompress::DecompressLayer}};
    /// # use http::Request;
    /// # use tower::{Layer, ServiceExt};
    /// # let sandbox = Sandbox::builder().compress(true).start()?;
    /// # let request = Request::get(format!("{}/models", sandbox.base_url())).body(Body::empty())?;
    /// let service = DecompressLayer::new().enabled(false).layer(Transport::builder().build()?);
    /// service.oneshot(request).await?;
    /// assert_eq!(sandbox.requests()[0].header("accept-encoding"), None);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// How large a body may become whatever its size on the wire, in bytes; an event stream twice
    /// that. Default: 4 MiB.
    ///
    /// Text compresses 10 to 20 times; what an answer in text grows to is below this in nearly all
    /// cases. Zero leaves the ratio alone to decide.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # use blossom::{Body, transport::{Transport, decompress::*}};
    /// # use http::Request;
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    /// # let bomb = || {
    /// #     Request::get(format!("{}/text/Hi", sandbox.base_url()))
    /// #         .header("x-sandbox-fault", "bomb;mib=1")
    /// #         .body(Body::empty())
    /// # };
    /// # let transport = Transport::builder().build()?;
    /// // A mebibyte of blanks comes as a kilobyte.
    /// for (free_bytes, passes) in [(2 << 20, true), (10_000, false)] {
    ///     let service = DecompressLayer::new().free_bytes(free_bytes).layer(transport.clone());
    ///     let body = service.oneshot(bomb()?).await?.into_body();
    ///     assert_eq!(body.collect().await.is_ok(), passes);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn free_bytes(mut self, bytes: u64) -> Self {
        self.limits.free_bytes = bytes;
        self
    }

    /// How many more bytes each byte on the wire allows, in an event stream twice as many. Default:
    /// 3, since who reads an answer whole may have to hold it twice. Zero makes
    /// [`free_bytes`](Self::free_bytes) the limit of every body.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # use blossom::{Body, transport::{Transport, decompress::*}};
    /// # use http::Request;
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    /// # let bomb = || {
    /// #     Request::get(format!("{}/text/Hi", sandbox.base_url()))
    /// #         .header("x-sandbox-fault", "bomb;mib=1")
    /// #         .body(Body::empty())
    /// # };
    /// # let transport = Transport::builder().build()?;
    /// // A mebibyte of blanks comes as a kilobyte.
    /// for (ratio, passes) in [(2_000, true), (50, false)] {
    ///     let layer = DecompressLayer::new().free_bytes(0).max_ratio(ratio);
    ///     let body = layer.layer(transport.clone()).oneshot(bomb()?).await?.into_body();
    ///     assert_eq!(body.collect().await.is_ok(), passes);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn max_ratio(mut self, ratio: u32) -> Self {
        self.limits.max_ratio = ratio as u64;
        self
    }
}

impl Default for DecompressLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for DecompressLayer {
    type Service = Decompress<S>;

    fn layer(&self, inner: S) -> Decompress<S> {
        Decompress {
            inner,
            limits: self.limits,
            enabled: self.enabled,
        }
    }
}

/// Asks for compressed answers and decompresses them, within limits.
///
/// See the [module docs](super).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom::layers::BoxError> {
/// # use blossom::{Body, sandbox::Sandbox};
/// # use http::Request;
/// # use tower::{Layer, ServiceExt};
/// use blossom::transport::{Transport, decompress::{Decompress, DecompressLayer}};
///
/// struct Client {
///     service: Decompress<Transport>,
/// }
///
/// let service = DecompressLayer::new().layer(Transport::builder().build()?);
/// let client = Client { service };
/// let sandbox = Sandbox::builder().compress(true).start()?;
/// let request = Request::get(format!("{}/models", sandbox.base_url())).body(Body::empty())?;
/// let response = client.service.oneshot(request).await?;
/// assert!(!response.headers().contains_key("content-encoding"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Decompress<S> {
    inner: S,
    limits: Limits,
    enabled: bool,
}

impl<S, B, R> Service<Request<B>> for Decompress<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    type Response = Response<DecompressBody<R>>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> ResponseFuture<S::Future> {
        let headers = request.headers_mut();
        let ask =
            self.enabled && !headers.contains_key(ACCEPT_ENCODING) && !headers.contains_key(RANGE);
        if ask {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, br, zstd"));
        }
        ResponseFuture {
            inner: self.inner.call(request),
            limits: ask.then_some(self.limits),
        }
    }
}

pin_project! {
    /// Response future of [`Decompress`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # use blossom::Body;
    /// # use http::Request;
    /// # use tower::{Layer, Service};
    /// use blossom::transport::{self, Transport, decompress::{DecompressLayer, ResponseFuture}};
    ///
    /// struct Call {
    ///     head: ResponseFuture<transport::ResponseFuture>,
    /// }
    ///
    /// let mut service = DecompressLayer::new().layer(Transport::builder().build()?);
    /// let request = Request::get(format!("{}/models", sandbox.base_url())).body(Body::empty())?;
    /// let call = Call { head: service.call(request) };
    /// assert_eq!(call.head.await?.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        // `None` where the caller asked for an encoding.
        limits: Option<Limits>,
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<DecompressBody<R>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = match ready!(this.inner.poll(cx)) {
            Ok(response) => response,
            Err(error) => return Poll::Ready(Err(error.into())),
        };
        let Some(limits) = *this.limits else {
            return Poll::Ready(Ok(response.map(DecompressBody::plain)));
        };
        // An answer to HEAD names the encoding of a body that does not come.
        if response.body().is_end_stream() {
            return Poll::Ready(Ok(response.map(DecompressBody::plain)));
        }
        Poll::Ready(Ok(match codec(response.headers())? {
            None => response.map(DecompressBody::plain),
            Some(codec) => {
                let limits = if is_stream(response.headers()) {
                    limits.twice()
                } else {
                    limits
                };
                response.headers_mut().remove(CONTENT_ENCODING);
                response.headers_mut().remove(CONTENT_LENGTH);
                response.map(|body| DecompressBody::encoded(body, Decoder::new(codec, limits)))
            }
        }))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// Events are read one by one: more of them does not mean more memory.
fn is_stream(headers: &HeaderMap) -> bool {
    const EVENTS: &[u8] = b"text/event-stream";
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.and_then(|kind| kind.get(..EVENTS.len()))
        .is_some_and(|kind| kind.eq_ignore_ascii_case(EVENTS))
}

/// What undoes the encoding that `headers` name, or `None` if there is none.
fn codec(headers: &HeaderMap) -> Result<Option<Codec>, UnsupportedEncoding> {
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let encoding = value.to_str().unwrap_or_default().trim();
    if values.next().is_none() {
        if encoding.eq_ignore_ascii_case("identity") {
            return Ok(None);
        }
        if let Some(codec) = Codec::named(encoding) {
            return Ok(Some(codec));
        }
    }
    Err(UnsupportedEncoding {
        encoding: encoding.into(),
    })
}

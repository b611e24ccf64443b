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
    #[must_use]
    pub const fn free_bytes(mut self, bytes: u64) -> Self {
        self.limits.free_bytes = bytes;
        self
    }

    /// How many more bytes each byte on the wire allows, in an event stream twice as many. Default:
    /// 3, since who reads an answer whole may have to hold it twice. Zero makes
    /// [`free_bytes`](Self::free_bytes) the limit of every body.
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

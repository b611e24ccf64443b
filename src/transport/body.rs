use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Version;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::{BodyInterrupted, connect::Line, upload::Upload};

/// A response body as it comes from the connection.
///
/// Ends in [`BodyInterrupted`] when it was cut. Dropped before its end it closes the connection on
/// HTTP/1 and resets the stream on HTTP/2.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom::layers::BoxError> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// use blossom::transport::{Body, Transport};
/// use http::Request;
/// use http_body_util::BodyExt;
/// use tower::ServiceExt;
///
/// async fn text(body: Body) -> Result<String, blossom::layers::BoxError> {
///     Ok(String::from_utf8(body.collect().await?.to_bytes().into())?)
/// }
///
/// let request = Request::get(format!("{}/models", sandbox.base_url())).body(blossom::Body::empty())?;
/// let response = Transport::builder().build()?.oneshot(request).await?;
/// assert!(text(response.into_body()).await?.contains("openai"));
/// # Ok(())
/// # }
/// ```
pub struct Body {
    inner: Incoming,
    http2: bool,
    // Both until the end of the body.
    line: Option<Line>,
    upload: Option<Arc<Upload>>,
}

impl Body {
    pub(super) fn new(
        inner: Incoming,
        version: Version,
        line: Option<Line>,
        upload: Option<Arc<Upload>>,
    ) -> Self {
        let http2 = version == Version::HTTP_2;
        let mut body = Self {
            inner,
            http2,
            // An HTTP/2 connection is shared: it is never closed for one stream.
            line: line.filter(|_| !http2),
            upload,
        };
        if http_body::Body::is_end_stream(&body.inner) {
            body.ended();
        }
        body
    }

    /// The answer is over: so is the upload, and with an unfinished one the connection.
    fn ended(&mut self) {
        if let Some(upload) = self.upload.take() {
            upload.stop();
        }
        if let Some(line) = self.line.take() {
            line.close_if_blocked();
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyInterrupted;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyInterrupted>>> {
        let this = self.get_mut();
        let frame = match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
            Some(Ok(frame)) => {
                if this.inner.is_end_stream() {
                    this.ended();
                }
                return Poll::Ready(Some(Ok(frame)));
            }
            Some(Err(error)) => Some(Err(BodyInterrupted::new(error))),
            // hyper ends a stream that was reset with NO_ERROR as if it were whole.
            None if this.http2 && !this.inner.is_end_stream() => {
                Some(Err(BodyInterrupted::without_end()))
            }
            None => None,
        };
        // After a failure nothing more is asked of the connection.
        this.http2 = false;
        this.ended();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.ended();
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("size_hint", &http_body::Body::size_hint(self))
            .finish_non_exhaustive()
    }
}

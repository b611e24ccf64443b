use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use blossom_layers::BoxError;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::codec::Decoder;

pin_project! {
    /// Response body of [`Decompress`](super::Decompress).
    ///
    /// A body that was not encoded passes as it is, `size_hint` and `is_end_stream` with it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # use blossom::{Body, layers::BoxError, sandbox::Sandbox};
    /// # use http::Request;
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    /// use blossom::transport::{self, Transport, decompress::{DecompressBody, DecompressLayer}};
    ///
    /// async fn text(body: DecompressBody<transport::Body>) -> Result<String, BoxError> {
    ///     Ok(String::from_utf8(body.collect().await?.to_bytes().into())?)
    /// }
    ///
    /// let sandbox = Sandbox::builder().compress(true).start()?;
    /// let request = Request::get(format!("{}/models", sandbox.base_url())).body(Body::empty())?;
    /// let service = DecompressLayer::new().layer(Transport::builder().build()?);
    /// let response = service.oneshot(request).await?;
    /// assert!(text(response.into_body()).await?.contains("openai"));
    /// # Ok(())
    /// # }
    /// ```
    pub struct DecompressBody<B> {
        #[pin]
        inner: B,
        state: State,
    }
}

enum State {
    Plain,
    Decoding {
        decoder: Box<Decoder>,
        trailers: Option<HeaderMap>,
        // The inner body is at its end and must not be polled again.
        read: bool,
    },
    Ended,
}

impl<B> DecompressBody<B> {
    pub(super) const fn plain(inner: B) -> Self {
        Self {
            inner,
            state: State::Plain,
        }
    }

    pub(super) fn encoded(inner: B, decoder: Decoder) -> Self {
        Self {
            inner,
            state: State::Decoding {
                decoder: Box::new(decoder),
                trailers: None,
                read: false,
            },
        }
    }
}

impl<B> Body for DecompressBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        let frame = match this.state {
            State::Ended => return Poll::Ready(None),
            State::Plain => {
                let frame = ready!(this.inner.poll_frame(cx));
                return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
            }
            State::Decoding {
                decoder,
                trailers,
                read,
            } => ready!(poll_decoded(
                this.inner.as_mut(),
                decoder,
                trailers,
                read,
                cx
            )),
        };
        if !matches!(&frame, Some(Ok(frame)) if frame.is_data()) {
            *this.state = State::Ended;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match self.state {
            State::Plain => self.inner.is_end_stream(),
            State::Decoding { .. } => false,
            State::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.state {
            State::Plain => self.inner.size_hint(),
            State::Decoding { .. } => SizeHint::default(),
            State::Ended => SizeHint::with_exact(0),
        }
    }
}

/// Data as long as there is some, then the trailers or nothing. An error is the end.
fn poll_decoded<B>(
    mut inner: Pin<&mut B>,
    decoder: &mut Decoder,
    trailers: &mut Option<HeaderMap>,
    read: &mut bool,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BoxError>>>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    loop {
        match decoder.next() {
            Ok(Some(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
            Ok(None) => {}
            Err(error) => return Poll::Ready(Some(Err(error))),
        }
        if *read {
            let end = decoder.finish().map(|()| trailers.take());
            return Poll::Ready(end.map(|end| end.map(Frame::trailers)).transpose());
        }
        match ready!(inner.as_mut().poll_frame(cx)) {
            None => *read = true,
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => decoder.feed(data),
                Err(frame) => {
                    *trailers = frame.into_trailers().ok();
                    *read = true;
                }
            },
        }
    }
}

impl<B: fmt::Debug> fmt::Debug for DecompressBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecompressBody")
            .field("inner", &self.inner)
            .field("decoding", &matches!(self.state, State::Decoding { .. }))
            .finish()
    }
}

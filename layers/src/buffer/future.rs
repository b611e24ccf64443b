use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::{Request, request::Parts};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::RequestBodyFailed;
use crate::{BoxError, body::ReqBody};

pin_project! {
    /// Response future of [`Buffer`](super::Buffer).
    ///
    /// ```
    /// use blossom_layers::{buffer::{BufferLayer, ResponseFuture}, test_util::*};
    /// # use http::Request;
    /// # use tower::{Layer, Service, ServiceExt};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut service = BufferLayer::new().layer(ScriptedService::default());
    /// let request = Request::new(ScriptedBody::new().data("hello"));
    /// let ready = ServiceExt::<Request<ScriptedBody>>::ready(&mut service).await?;
    /// let answer: ResponseFuture<ScriptedService, ScriptedBody> = ready.call(request);
    /// assert_eq!(answer.await?.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        state: State<S, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, F> {
        // Boxed: it is the rare one, and twice as large as the other.
        Reading { reading: Option<Box<Reading<S, B>>> },
        Calling { #[pin] response: F },
    }
}

struct Reading<S, B> {
    inner: S,
    head: Parts,
    // Boxed, so that it can go on as a stream: only bodies that are not known yet come here.
    body: Pin<Box<B>>,
    frames: VecDeque<Frame<Bytes>>,
    read: usize,
    limit: usize,
    whole: bool,
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<ReqBody>>,
{
    pub(super) const fn calling(response: S::Future) -> Self {
        Self {
            state: State::Calling { response },
        }
    }

    pub(super) fn reading(inner: S, head: Parts, body: B, limit: usize) -> Self {
        Self {
            state: State::Reading {
                reading: Some(Box::new(Reading {
                    inner,
                    head,
                    body: Box::pin(body),
                    frames: VecDeque::new(),
                    read: 0,
                    limit,
                    whole: false,
                })),
            },
        }
    }
}

impl<S, B> Future for ResponseFuture<S, B>
where
    S: Service<Request<ReqBody>>,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProj::Calling { response } => {
                    return response.poll(cx).map_err(Into::into);
                }
                StateProj::Reading { reading } => {
                    let Some(read) = reading else {
                        return Poll::Pending;
                    };
                    let result = ready!(read.poll(cx));
                    let Some(read) = reading.take() else {
                        return Poll::Pending;
                    };
                    let mut read = *read;
                    result.map_err(|error| RequestBodyFailed::new(error.into()))?;
                    let body = if read.whole {
                        ReqBody::full(join(read.frames))
                    } else {
                        let frames = read.frames;
                        let rest = read.body;
                        ReqBody::stream(Chain { frames, rest })
                    };
                    let response = read.inner.call(Request::from_parts(read.head, body));
                    state.set(State::Calling { response });
                }
            }
        }
    }
}

impl<S, B> Reading<S, B>
where
    B: Body<Data = Bytes>,
{
    /// Reads to the end, to the limit, or to the first frame that is no data.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), B::Error>> {
        let limit = self.limit;
        while self.read <= limit {
            if self.body.is_end_stream() {
                self.whole = true;
                break;
            }
            // What says that it is too large need not be read first.
            let announced = self.body.size_hint().lower();
            if announced > limit.saturating_sub(self.read) as u64 {
                break;
            }
            let Some(frame) = ready!(self.body.as_mut().poll_frame(cx)?) else {
                self.whole = true;
                break;
            };
            let data = frame.data_ref().map(Bytes::len);
            self.frames.push_back(frame);
            match data {
                Some(len) => self.read = self.read.saturating_add(len),
                // Trailers: only a stream can bear them.
                None => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// All of the frames; one is not copied.
fn join(mut frames: VecDeque<Frame<Bytes>>) -> Bytes {
    let data = |frame: Frame<Bytes>| frame.into_data().unwrap_or_default();
    if frames.len() <= 1 {
        return frames.pop_front().map(data).unwrap_or_default();
    }
    let mut all = BytesMut::new();
    frames
        .into_iter()
        .for_each(|frame| all.extend_from_slice(&data(frame)));
    all.freeze()
}

/// The frames that were read, then the rest.
struct Chain<B> {
    frames: VecDeque<Frame<Bytes>>,
    rest: Pin<Box<B>>,
}

impl<B: Body<Data = Bytes>> Body for Chain<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        match this.frames.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => this.rest.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let read: usize = self
            .frames
            .iter()
            .filter_map(|frame| frame.data_ref().map(Bytes::len))
            .sum();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read as u64));
        if let Some(upper) = rest
            .upper()
            .and_then(|upper| upper.checked_add(read as u64))
        {
            hint.set_upper(upper);
        }
        hint
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

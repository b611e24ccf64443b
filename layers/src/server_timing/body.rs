use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::entries::Entries;
use crate::types::Outcome;

pin_project! {
    /// Response body of [`ServerTiming`](super::ServerTiming).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::{HeaderValue, Request, Response, header::TE};
    /// # use http_body_util::BodyExt as _;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// use blossom_layers::{
    ///     server_timing::{ResponseBody, ServerTimingLayer},
    ///     test_util::{ScriptedBody, ScriptedService, Step},
    ///     types::Outcome,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let outcome = Outcome::new();
    /// let mut response = Response::new(ScriptedBody::new().data("hello"));
    /// response.extensions_mut().insert(outcome.clone());
    /// let upstream = ScriptedService::new([Step::Respond(response)]);
    /// let service = ServerTimingLayer::new().layer(upstream);
    ///
    /// let mut request = Request::new(());
    /// request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
    /// let body: ResponseBody<ScriptedBody> = service.oneshot(request).await?.into_body();
    /// // Written by `observe`, as the body passes.
    /// outcome.update(|record| record.timing.end = Some(Duration::from_millis(80)));
    /// let trailers = body.collect().await?.trailers().cloned().unwrap_or_default();
    /// assert_eq!(trailers["server-timing"], "body;dur=80.000");
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        inner: B,
        // What trailers are still to tell.
        later: Option<Outcome>,
    }
}

impl<B> ResponseBody<B> {
    pub(super) const fn new(inner: B, later: Option<Outcome>) -> Self {
        Self { inner, later }
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        // One that is at its end is not polled again.
        let frame = if this.later.is_some() && this.inner.is_end_stream() {
            None
        } else {
            ready!(this.inner.as_mut().poll_frame(cx))
        };
        Poll::Ready(match (frame, &this.later) {
            (Some(Ok(frame)), Some(_)) => match frame.into_trailers() {
                Ok(trailers) => Some(Ok(told(this.later.take(), trailers))),
                Err(frame) => Some(Ok(frame)),
            },
            (None, Some(_)) => Some(Ok(told(this.later.take(), HeaderMap::new()))),
            (frame, _) => {
                if !matches!(frame, Some(Ok(_))) {
                    *this.later = None;
                }
                frame
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.later.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn told(outcome: Option<Outcome>, mut trailers: HeaderMap) -> Frame<Bytes> {
    if let Some(outcome) = outcome {
        Entries::default()
            .body(outcome.timing())
            .write(&mut trailers);
    }
    Frame::trailers(trailers)
}

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::circuit::{Ticket, Verdict};
use crate::{
    BoxError,
    types::{Classify, Outcome, Reply},
};

pin_project! {
    /// Response body of [`Breaker`](super::Breaker).
    ///
    /// ```
    /// use blossom_layers::{breaker::{BreakerLayer, ByHealth, ResponseBody}, test_util::*};
    /// use http_body_util::BodyExt;
    /// # use http::Request;
    /// # use tower::{Layer, ServiceExt};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let inner = ScriptedService::once(ScriptedBody::new().data("hello"));
    /// let service = BreakerLayer::new().layer(inner);
    /// let response = service.oneshot(Request::new(())).await?;
    /// let body: ResponseBody<ScriptedBody, ByHealth> = response.into_body();
    /// assert_eq!(body.collect().await?.to_bytes(), "hello");
    /// # Ok(())
    /// # }
    /// ```
    pub struct ResponseBody<R, C> {
        #[pin]
        inner: R,
        // `None` once the call has counted.
        watching: Option<Watching<C>>,
    }

    impl<R, C> PinnedDrop for ResponseBody<R, C> {
        fn drop(this: Pin<&mut Self>) {
            if let Some(watching) = this.project().watching.take() {
                watching.dropped();
            }
        }
    }
}

/// What is needed to say how a call ended.
pub(super) struct Watching<C> {
    ticket: Ticket,
    classify: C,
    status: StatusCode,
    outcome: Option<Outcome>,
    /// Data has come.
    data: bool,
}

impl<C: Classify + Clone> Watching<C> {
    /// Begins to watch the body, unless the head is a verdict by itself.
    #[inline(always)]
    pub(super) fn begin<R: Body>(
        response: &Response<R>,
        ticket: Ticket,
        classify: &C,
    ) -> Option<Self> {
        let status = response.status();
        let reply = Reply::head(status, response.headers());
        let verdict = Verdict::of(classify.classify(&reply));
        if verdict != Verdict::Success || response.body().is_end_stream() {
            ticket.settle(verdict);
            return None;
        }
        Some(Self {
            ticket,
            classify: classify.clone(),
            status,
            outcome: response.extensions().get().cloned(),
            data: false,
        })
    }
}

impl<C> Watching<C> {
    /// The answer itself has begun: who observes it knows; else any data is a beginning.
    fn has_begun(&self) -> bool {
        match &self.outcome {
            Some(outcome) => outcome.timing().first_event.is_some(),
            None => self.data,
        }
    }

    fn frame(&mut self, frame: &Frame<Bytes>) {
        self.data = self.data || frame.data_ref().is_some_and(|data| !data.is_empty());
        if self.ticket.is_probe() && self.has_begun() {
            self.ticket.begun();
        }
    }

    fn dropped(self) {
        let verdict = if self.has_begun() {
            Verdict::Success
        } else {
            Verdict::Nothing
        };
        self.ticket.settle(verdict);
    }
}

impl<C: Classify> Watching<C> {
    fn complete(self) {
        let verdict = match &self.outcome {
            // What is still to be found out is whether a whole answer can be read: not worth the while.
            Some(outcome) if !outcome.is_deferred() => {
                let reply = Reply::ended(self.status).outcome(outcome);
                Verdict::of(self.classify.classify(&reply))
            }
            _ => Verdict::Success,
        };
        self.ticket.settle(verdict);
    }

    #[cold]
    fn failed(self, error: &BoxError) {
        let class = self.classify.classify(&Reply::failed(&**error));
        self.ticket.settle(Verdict::of(class));
    }
}

impl<R, C> ResponseBody<R, C> {
    pub(super) const fn new(inner: R, watching: Option<Watching<C>>) -> Self {
        Self { inner, watching }
    }
}

impl<R, C> Body for ResponseBody<R, C>
where
    R: Body<Data = Bytes>,
    R::Error: Into<BoxError>,
    C: Classify,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        let frame = frame.map(|frame| frame.map_err(Into::into));
        if let Some(watching) = this.watching {
            let over = match &frame {
                Some(Ok(frame)) => {
                    watching.frame(frame);
                    // Nobody polls a body that says it is at its end.
                    this.inner.is_end_stream()
                }
                Some(Err(_)) | None => true,
            };
            if over && let Some(watching) = this.watching.take() {
                match &frame {
                    Some(Err(error)) => watching.failed(error),
                    Some(Ok(_)) | None => watching.complete(),
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<R: fmt::Debug, C> fmt::Debug for ResponseBody<R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("inner", &self.inner)
            .field("counted", &self.watching.is_none())
            .finish()
    }
}

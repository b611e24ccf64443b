use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::Settle;
use crate::{BoxError, body::Guarded, oneshot::Oneshot, types::Price};

pin_project! {
    /// Response future of [`Spend`](super::Spend).
    pub struct ResponseFuture<S, B, F, P: Price> {
        #[pin]
        call: Oneshot<S, Request<B>, F>,
        // `None` once it hangs on the body.
        settle: Option<Settle<P>>,
        refused: Option<BoxError>,
    }

    impl<S, B, F, P: Price> PinnedDrop for ResponseFuture<S, B, F, P> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            // What was not sent yet gives its reservation back.
            if this.call.request().is_none()
                && let Some(mut settle) = this.settle.take()
            {
                settle.dropped();
            }
        }
    }
}

impl<S, B, F, P: Price> ResponseFuture<S, B, F, P> {
    pub(super) const fn calling(inner: S, request: Request<B>, settle: Settle<P>) -> Self {
        Self {
            call: Oneshot::new(inner, request),
            settle: Some(settle),
            refused: None,
        }
    }

    pub(super) fn refused(inner: S, request: Request<B>, error: BoxError) -> Self {
        Self {
            call: Oneshot::new(inner, request),
            settle: None,
            refused: Some(error),
        }
    }
}

impl<S, B, R, P> Future for ResponseFuture<S, B, S::Future, P>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body,
    P: Price,
{
    type Output = Result<Response<Guarded<R, Settle<P>>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(error) = this.refused.take() {
            return Poll::Ready(Err(error));
        }
        if this.settle.is_none() {
            // Polled after its end.
            return Poll::Pending;
        }
        let result = ready!(this.call.poll(cx)).map_err(Into::into);
        let Some(mut settle) = this.settle.take() else {
            return Poll::Pending;
        };
        match result {
            Ok(response) => {
                settle.head(&response);
                Poll::Ready(Ok(response.map(|body| Guarded::new(body, settle))))
            }
            Err(error) => {
                settle.failed(&*error);
                Poll::Ready(Err(error))
            }
        }
    }
}

impl<S, B, F, P: Price> fmt::Debug for ResponseFuture<S, B, F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("settle", &self.settle)
            .finish_non_exhaustive()
    }
}

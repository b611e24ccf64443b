use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use super::{DeadlinePassed, Permit};
use crate::{BoxError, body::Guarded, oneshot::Oneshot, timer::Timer, types::Deadline};

pin_project! {
    /// Response future of [`ConcurrencyLimit`](super::ConcurrencyLimit).
    pub struct ResponseFuture<S, B, F> {
        #[pin]
        call: Oneshot<S, Request<B>, F>,
        // `None` once it hangs on the body.
        permit: Option<Permit>,
        // Made when it has to wait and has a deadline.
        patience: Option<Box<Patience>>,
    }
}

struct Patience {
    deadline: Deadline,
    since: Instant,
    timer: Timer,
}

impl Patience {
    fn passed(&self) -> BoxError {
        DeadlinePassed::new(self.since.elapsed()).into()
    }
}

impl<S, B, F> ResponseFuture<S, B, F> {
    pub(super) const fn new(inner: S, request: Request<B>, permit: Permit) -> Self {
        Self {
            call: Oneshot::new(inner, request),
            permit: Some(permit),
            patience: None,
        }
    }

    /// Polled only while it has no permit yet.
    fn poll_permit(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let this = self.project();
        let Some(permit) = this.permit else {
            // Polled after its end.
            return Poll::Pending;
        };
        let polled = permit.poll(cx);
        match (polled, this.patience.as_deref_mut()) {
            // A permit that comes after the deadline goes to the next: nobody waits for this answer.
            (Poll::Ready(Ok(())), Some(patience))
                if Instant::now().into_std() >= patience.deadline.instant() =>
            {
                *this.permit = None;
                return Poll::Ready(Err(patience.passed()));
            }
            (Poll::Ready(answer), _) => return Poll::Ready(answer.map_err(Into::into)),
            (Poll::Pending, _) => {}
        }
        let extensions = this.call.request().map(Request::extensions);
        let Some(deadline) = extensions.and_then(|extensions| extensions.get()).copied() else {
            return Poll::Pending;
        };
        let patience = this.patience.get_or_insert_with(|| {
            Box::new(Patience {
                deadline,
                since: Instant::now(),
                timer: Timer::default(),
            })
        });
        let at = Instant::from_std(deadline.instant());
        ready!(patience.timer.poll_until(at, cx));
        *this.permit = None;
        Poll::Ready(Err(patience.passed()))
    }
}

impl<S, B, R> Future for ResponseFuture<S, B, S::Future>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body,
{
    type Output = Result<Response<Guarded<R, Permit>>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.permit.as_ref().is_some_and(Permit::is_held) {
            ready!(self.as_mut().poll_permit(cx))?;
        }
        let this = self.project();
        let result = ready!(this.call.poll(cx));
        // Taken in either case: an error gives it back at once.
        match (result, this.permit.take()) {
            (Ok(response), Some(permit)) => {
                Poll::Ready(Ok(response.map(|body| Guarded::new(body, permit))))
            }
            (Ok(_), None) => Poll::Pending,
            (Err(error), _) => Poll::Ready(Err(error.into())),
        }
    }
}

impl<S, B, F> fmt::Debug for ResponseFuture<S, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("permit", &self.permit)
            .finish_non_exhaustive()
    }
}

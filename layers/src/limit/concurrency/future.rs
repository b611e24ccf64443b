use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Extensions, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use super::{DeadlinePassed, Permit};
use crate::{
    BoxError,
    body::Guarded,
    oneshot::Oneshot,
    timer::Timer,
    types::{Deadline, Held},
};

pin_project! {
    /// Response future of [`ConcurrencyLimit`](super::ConcurrencyLimit).
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, Service as _};
    /// use blossom_layers::{
    ///     limit::concurrency::{ConcurrencyLimitLayer, ResponseFuture},
    ///     test_util::{ScriptedBody, ScriptedService},
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = ConcurrencyLimitLayer::new(8);
    /// let mut service = layer.layer(ScriptedService::once(ScriptedBody::new()));
    /// let call: ResponseFuture<_, (), _> = service.call(Request::new(()));
    /// assert_eq!(layer.handle().in_flight(), 0); // not polled yet
    /// let response = call.await?;
    /// assert_eq!(layer.handle().in_flight(), 1); // its body is not read yet
    /// # drop(response);
    /// # Ok(())
    /// # }
    /// ```
    pub struct ResponseFuture<S, B, F> {
        #[pin]
        call: Oneshot<S, Request<B>, F>,
        // `None` once it hangs on the body.
        permit: Option<Permit>,
        // Made when it has to wait.
        wait: Option<Box<Wait>>,
    }
}

struct Wait {
    held: Option<Held>,
    since: Instant,
    timer: Timer,
}

impl Wait {
    fn new(extensions: &Extensions) -> Self {
        let held = extensions.get::<Held>().cloned();
        if let Some(held) = &held {
            held.hold();
        }
        Self {
            held,
            since: Instant::now(),
            timer: Timer::default(),
        }
    }

    /// The permit is there; in time, if it is before the deadline.
    fn granted(&self, deadline: Option<Instant>) -> Result<(), BoxError> {
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(self.passed());
        }
        if let Some(held) = &self.held {
            held.let_go();
        }
        Ok(())
    }

    fn passed(&self) -> BoxError {
        DeadlinePassed::new(self.since.elapsed()).into()
    }
}

impl<S, B, F> ResponseFuture<S, B, F> {
    pub(super) const fn new(inner: S, request: Request<B>, permit: Permit) -> Self {
        Self {
            call: Oneshot::new(inner, request),
            permit: Some(permit),
            wait: None,
        }
    }

    /// Polled only while it has no permit yet.
    fn poll_permit(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let this = self.project();
        let Some(permit) = this.permit else {
            // Polled after its end.
            return Poll::Pending;
        };
        let none = Extensions::new();
        let extensions = this.call.request().map_or(&none, Request::extensions);
        let answer = if let Poll::Ready(answer) = permit.poll(cx) {
            let granted = |wait: &Wait| wait.granted(deadline(extensions));
            // A permit that comes too late goes to the next: nobody waits for this answer.
            let in_time = this.wait.as_deref().map_or(Ok(()), granted);
            answer.map_err(Into::into).and(in_time)
        } else {
            let wait = this
                .wait
                .get_or_insert_with(|| Box::new(Wait::new(extensions)));
            // One that others share may have moved meanwhile.
            while let Some(deadline) = deadline(extensions)
                && Instant::now() < deadline
            {
                ready!(wait.timer.poll_until(deadline, cx));
            }
            if deadline(extensions).is_none() {
                return Poll::Pending;
            }
            Err(wait.passed())
        };
        if answer.is_err() {
            *this.permit = None;
        }
        Poll::Ready(answer)
    }
}

fn deadline(extensions: &Extensions) -> Option<Instant> {
    Deadline::of(extensions).map(|deadline| Instant::from_std(deadline.instant()))
}

impl<S, B, R> Future for ResponseFuture<S, B, S::Future>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body,
{
    type Output = Result<Response<Guarded<R, Permit>>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        let held = |permit: &mut Permit| permit.is_held() || permit.try_take();
        if !this.permit.as_mut().is_some_and(held) {
            ready!(self.as_mut().poll_permit(cx))?;
        }
        let this = self.project();
        match ready!(this.call.poll(cx)) {
            Ok(response) => match this.permit.take() {
                Some(permit) => {
                    let (head, body) = response.into_parts();
                    let body = Guarded::new(body, permit);
                    Poll::Ready(Ok(Response::from_parts(head, body)))
                }
                None => Poll::Pending,
            },
            Err(error) => {
                // At once, and not only when this future is dropped.
                *this.permit = None;
                Poll::Ready(Err(error.into()))
            }
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

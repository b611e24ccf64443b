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

use super::{Settlement, claim::Claim, layer::Pricing, learn};
use crate::{
    BoxError,
    body::Guarded,
    cause_ref,
    oneshot::Oneshot,
    timer::Timer,
    types::{Deadline, Outcome, Refusal},
};

pin_project! {
    /// Response future of [`RateLimit`](super::RateLimit).
    pub struct ResponseFuture<S, B, F> {
        #[pin]
        call: Oneshot<S, Request<B>, F>,
        // `None` if no quota holds for it, and once it hangs on the body.
        claim: Option<Claim>,
        price: Option<Pricing>,
        learn: bool,
        timer: Timer,
    }
}

impl<S, B, F> ResponseFuture<S, B, F> {
    pub(super) fn new(
        inner: S,
        request: Request<B>,
        claim: Option<Claim>,
        price: Option<Pricing>,
        learn: bool,
    ) -> Self {
        Self {
            call: Oneshot::new(inner, request),
            claim,
            price,
            learn,
            timer: Timer::default(),
        }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B, S::Future>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body,
{
    type Output = Result<Response<Guarded<R, Settlement>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(claim) = this.claim.as_mut().filter(|claim| !claim.is_granted()) {
            let request = this.call.request();
            let deadline = || {
                let deadline = request.and_then(|request| Deadline::of(request.extensions()));
                deadline.map(|deadline| Instant::from_std(deadline.instant()))
            };
            ready!(claim.poll(deadline, this.timer, cx))?;
        }
        let polled = this.call.as_mut().poll(cx);
        if let Some(claim) = this.claim
            && this.call.request().is_none()
        {
            claim.sent();
        }
        let result = ready!(polled);
        Poll::Ready(ended(
            result.map_err(Into::into),
            this.claim.take(),
            this.price.take(),
            *this.learn,
        ))
    }
}

/// What becomes of a claim when the head is there, or will never be.
fn ended<R: Body>(
    result: Result<Response<R>, BoxError>,
    claim: Option<Claim>,
    price: Option<Pricing>,
    learn: bool,
) -> Result<Response<Guarded<R, Settlement>>, BoxError> {
    let settlement = match (&result, claim) {
        (_, None) => Settlement::none(),
        (Err(error), Some(mut claim)) => {
            if cause_ref::<Refusal>(&**error).is_some_and(Refusal::is_unsent) {
                claim.unsent();
            }
            Settlement::none()
        }
        (Ok(response), Some(claim)) => {
            if learn && let Some(wait) = learn::told(response.status(), response.headers()) {
                claim.limiter().pause(claim.whose(), wait);
            }
            // Without an outcome nobody will ever know more.
            match response.extensions().get::<Outcome>() {
                Some(outcome) if claim.limiter().settles() => {
                    Settlement::new(claim, outcome.clone(), price)
                }
                _ => Settlement::none(),
            }
        }
    };
    result.map(|response| response.map(|body| Guarded::new(body, settlement)))
}

impl<S, B, F> fmt::Debug for ResponseFuture<S, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("claim", &self.claim)
            .finish_non_exhaustive()
    }
}

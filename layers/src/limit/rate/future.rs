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

use super::{Settlement, claim::Claim, learn};
use crate::{
    BoxError,
    body::Guarded,
    cause_ref,
    oneshot::Oneshot,
    timer::Timer,
    types::{Deadline, Held, Outcome, Refusal},
};

pin_project! {
    /// Response future of [`RateLimit`](super::RateLimit).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::Request;
    /// # use tower::{Layer as _, Service as _};
    /// use blossom_layers::{
    ///     limit::rate::{Quota, RateLimitLayer, ResponseFuture},
    ///     test_util::ScriptedService,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = RateLimitLayer::new([Quota::requests(600, Duration::from_secs(60))]);
    /// let mut service = layer.layer(ScriptedService::default());
    /// let call: ResponseFuture<_, (), _> = service.call(Request::new(()));
    /// assert_eq!(layer.handle().available(None), [29]); // it could go at once
    /// assert_eq!(call.await?.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    pub struct ResponseFuture<S, B, F> {
        #[pin]
        state: State<S, B, F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, F> {
        // It could go at once.
        Calling { #[pin] response: F, claim: Option<Claim> },
        // Boxed, so that those that need not wait stay small.
        Waiting { waiting: Pin<Box<Waiting<S, B, F>>> },
        // It became ready with an error.
        Failed { error: Option<BoxError> },
    }
}

pin_project! {
    struct Waiting<S, B, F> {
        #[pin]
        call: Oneshot<S, Request<B>, F>,
        claim: Option<Claim>,
        timer: Timer,
        // Tells who keeps account further out that the request has not left yet.
        held: Option<Held>,
    }
}

impl<S, B, F> ResponseFuture<S, B, F> {
    pub(super) const fn calling(response: F, claim: Option<Claim>) -> Self {
        Self {
            state: State::Calling { response, claim },
        }
    }

    pub(super) fn waiting(inner: S, request: Request<B>, claim: Option<Claim>) -> Self {
        let held = request.extensions().get::<Held>().cloned();
        if let Some(held) = &held {
            held.hold();
        }
        let waiting = Box::pin(Waiting {
            held,
            call: Oneshot::new(inner, request),
            claim,
            timer: Timer::default(),
        });
        Self {
            state: State::Waiting { waiting },
        }
    }

    pub(super) const fn failed(error: BoxError) -> Self {
        Self {
            state: State::Failed { error: Some(error) },
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
        match self.project().state.project() {
            StateProj::Calling { response, claim } => match ready!(response.poll(cx)) {
                Ok(response) => Poll::Ready(Ok(answered(response, claim.take()))),
                Err(error) => Poll::Ready(Err(failed(error.into(), claim.take()))),
            },
            StateProj::Waiting { waiting } => {
                let result = ready!(waiting.as_mut().poll_call(cx))?;
                let claim = waiting.as_mut().project().claim.take();
                match result {
                    Ok(response) => Poll::Ready(Ok(answered(response, claim))),
                    Err(error) => Poll::Ready(Err(failed(error.into(), claim))),
                }
            }
            StateProj::Failed { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                // Polled after its end.
                None => Poll::Pending,
            },
        }
    }
}

impl<S, B> Waiting<S, B, S::Future>
where
    S: Service<Request<B>>,
{
    #[expect(clippy::type_complexity, reason = "a refusal, or what the call gave")]
    fn poll_call(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Result<S::Response, S::Error>, BoxError>> {
        let mut this = self.project();
        if let Some(claim) = this.claim.as_mut().filter(|claim| !claim.is_granted()) {
            let request = this.call.request();
            let deadline = || {
                let deadline = request.and_then(|request| Deadline::of(request.extensions()));
                deadline.map(|deadline| Instant::from_std(deadline.instant()))
            };
            ready!(claim.poll(deadline, this.timer, cx))?;
        }
        // Before it is sent: what it meets further in may hold it as well.
        if let Some(held) = this.held {
            held.let_go();
        }
        let polled = this.call.as_mut().poll(cx);
        if this.call.request().is_none() {
            *this.held = None;
            if let Some(claim) = this.claim {
                claim.sent();
            }
        } else if let Some(held) = this.held {
            held.hold();
        }
        polled.map(Ok)
    }
}

/// What becomes of a claim when the head is there.
// In place, and by parts: else the reply would be moved once more.
#[inline(always)]
fn answered<R: Body>(
    response: Response<R>,
    claim: Option<Claim>,
) -> Response<Guarded<R, Settlement>> {
    if let Some(claim) = claim
        && claim.limiter().wants_heads()
    {
        return open(claim, response);
    }
    let (head, body) = response.into_parts();
    Response::from_parts(head, Guarded::new(body, Settlement::none()))
}

/// Learns from the head, and leaves to the body what it will know.
#[inline(never)]
fn open<R: Body>(claim: Claim, response: Response<R>) -> Response<Guarded<R, Settlement>> {
    let limiter = claim.limiter();
    if limiter.learns()
        && let Some(wait) = learn::told(response.status(), response.headers())
    {
        limiter.pause(claim.whose(), wait);
    }
    // Without an outcome nobody will ever know more.
    let settlement = match response.extensions().get::<Outcome>() {
        Some(outcome) if limiter.settles() => Settlement::new(claim, outcome.clone()),
        _ => Settlement::none(),
    };
    response.map(|body| Guarded::new(body, settlement))
}

/// What becomes of a claim when there will never be a head.
#[cold]
fn failed(error: BoxError, claim: Option<Claim>) -> BoxError {
    if let Some(mut claim) = claim
        && cause_ref::<Refusal>(&*error).is_some_and(Refusal::is_unsent)
    {
        claim.unsent();
    }
    error
}

impl<S, B, F> fmt::Debug for ResponseFuture<S, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Calling { .. } => "calling",
            State::Waiting { .. } => "waiting",
            State::Failed { .. } => "failed",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}

use std::{
    fmt,
    future::Future,
    ops::ControlFlow,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    GaveUp, Policy, ResponseBody,
    drain::drain,
    held::{Held, Seen, is_event_stream},
    service::begin,
};
use crate::{
    BoxError, cause_ref,
    types::{Attempt, Reply},
};

pin_project! {
    /// Response future of [`Retry`](super::Retry).
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, Service as _, ServiceExt};
    /// use blossom_layers::{
    ///     body::ReqBody,
    ///     retry::{ResponseFuture, RetryLayer, Standard, Wait},
    ///     test_util::ScriptedService,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut service = RetryLayer::default().layer(ScriptedService::default());
    /// ServiceExt::<Request<ReqBody>>::ready(&mut service).await?;
    /// let call: ResponseFuture<_, Standard, ReqBody, _, _, Wait> =
    ///     service.call(Request::new(ReqBody::empty()));
    /// assert_eq!(call.await?.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    pub struct ResponseFuture<S, P, B, F, R, W> {
        #[pin]
        state: State<F, R, W>,
        // `None` where the request is sent once. Boxed, since the future is moved through the whole
        // stack, and mostly nothing of it is needed again.
        kept: Option<Box<Kept<S, P, B>>>,
    }
}

/// What another attempt takes.
pub(super) struct Kept<S, P, B> {
    pub(super) service: S,
    pub(super) policy: P,
    // `None` once there is to be no other attempt.
    pub(super) request: Option<Request<B>>,
    pub(super) attempt: Attempt,
    pub(super) commit_after: Duration,
}

pin_project! {
    #[project = StateProj]
    #[project_replace = StateOwn]
    enum State<F, R, W> {
        Calling {
            #[pin]
            response: F,
        },
        // Boxed, since the future of every call would be larger for it.
        Holding {
            held: Box<Held<R>>,
        },
        Waiting {
            #[pin]
            wait: W,
        },
        Readying,
    }
}

/// What follows from a head. It does not hold the reply, which is not moved for it.
enum Next<W> {
    Pass,
    HoldFailure,
    HoldStream,
    Wait(W),
}

impl<S, P, B, F, R, W> ResponseFuture<S, P, B, F, R, W> {
    pub(super) const fn new(response: F, kept: Option<Box<Kept<S, P, B>>>) -> Self {
        Self {
            state: State::Calling { response },
            kept,
        }
    }
}

impl<S, P, B, R> Future for ResponseFuture<S, P, B, S::Future, R, P::Wait>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    P: Policy<B>,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody<R>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(kept) = this.kept.as_deref_mut() else {
            let StateProj::Calling { response } = this.state.project() else {
                return Poll::Pending;
            };
            return Poll::Ready(match ready!(response.poll(cx)) {
                Ok(response) => Ok(response.map(ResponseBody::passed)),
                Err(error) => Err(error.into()),
            });
        };
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Calling { response } => match ready!(response.poll(cx)) {
                    Ok(mut response) => match kept.after_head(&response) {
                        Next::Pass => {
                            kept.mark(response.extensions_mut());
                            let (head, body) = response.into_parts();
                            let body = ResponseBody::passed(body);
                            return Poll::Ready(Ok(Response::from_parts(head, body)));
                        }
                        next => hold(response, next, kept.commit_after, cx),
                    },
                    Err(error) => match kept.after_error(error.into()) {
                        Ok(wait) => State::Waiting { wait },
                        Err(error) => return Poll::Ready(Err(error)),
                    },
                },
                // Apart, so that the way of nearly all calls is short.
                _ => match ready!(go_on(this.state.as_mut(), kept, cx)) {
                    ControlFlow::Continue(next) => next,
                    ControlFlow::Break(result) => return Poll::Ready(result),
                },
            };
            this.state.set(next);
        }
    }
}

/// What becomes of a reply that is not passed on as it is.
#[cold]
fn hold<F, R, W>(
    response: Response<R>,
    next: Next<W>,
    commit_after: Duration,
    cx: &mut Context<'_>,
) -> State<F, R, W>
where
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    let held = match next {
        Next::Wait(wait) => {
            drain(Box::pin(response.into_body()), cx);
            return State::Waiting { wait };
        }
        Next::HoldFailure => Held::failure(response, commit_after),
        Next::HoldStream | Next::Pass => Held::stream(response, commit_after),
    };
    State::Holding {
        held: Box::new(held),
    }
}

/// What follows while no call is under way: another state, or what is given back.
#[cold]
#[expect(clippy::type_complexity, reason = "the result of a call, or a state")]
fn go_on<S, P, B, R>(
    mut state: Pin<&mut State<S::Future, R, P::Wait>>,
    kept: &mut Kept<S, P, B>,
    cx: &mut Context<'_>,
) -> Poll<ControlFlow<Result<Response<ResponseBody<R>>, BoxError>, State<S::Future, R, P::Wait>>>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    P: Policy<B>,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    let next = match state.as_mut().project() {
        StateProj::Holding { held } => {
            let seen = ready!(held.poll(cx));
            let StateOwn::Holding { held } = state.project_replace(State::Readying) else {
                return Poll::Pending;
            };
            let asked = kept.request.as_ref().filter(|_| seen == Seen::Failed);
            match asked.and_then(|request| held.show(|it| kept.policy.retry(request, it))) {
                Some(wait) => {
                    drain(held.into_body(), cx);
                    State::Waiting { wait }
                }
                None => {
                    // Polled again, it must not send again.
                    kept.request = None;
                    let mut response = held.into_response();
                    kept.mark(response.extensions_mut());
                    return Poll::Ready(ControlFlow::Break(Ok(response)));
                }
            }
        }
        StateProj::Waiting { wait } => {
            ready!(wait.poll(cx));
            State::Readying
        }
        StateProj::Readying => {
            if kept.request.is_none() {
                // Polled after its end.
                return Poll::Pending;
            }
            if let Err(error) = ready!(kept.service.poll_ready(cx)) {
                let error = kept.last(error.into());
                return Poll::Ready(ControlFlow::Break(Err(error)));
            }
            let Some(mut request) = kept.request.take() else {
                return Poll::Pending;
            };
            kept.request = kept.policy.clone_request(&request);
            kept.attempt = kept.attempt.next();
            begin(&mut request, kept.attempt);
            State::Calling {
                response: kept.service.call(request),
            }
        }
        StateProj::Calling { .. } => return Poll::Pending,
    };
    Poll::Ready(ControlFlow::Continue(next))
}

impl<S, P, B> Kept<S, P, B>
where
    P: Policy<B>,
{
    /// What follows from a head.
    fn after_head<R: Body>(&mut self, response: &Response<R>) -> Next<P::Wait> {
        let Some(request) = &self.request else {
            return Next::Pass;
        };
        let status = response.status();
        let failed = status.is_client_error() || status.is_server_error();
        let is_stream = is_event_stream(response);
        // Who is further in has repeated already.
        if (failed || is_stream) && response.extensions().get::<Attempt>().is_some() {
            return Next::Pass;
        }
        let reply = Reply::head(status, response.headers());
        if failed && !response.body().is_end_stream() && self.policy.wants_body(&reply) {
            return Next::HoldFailure;
        }
        if let Some(wait) = self.policy.retry(request, &reply) {
            return Next::Wait(wait);
        }
        if is_stream && !response.body().is_end_stream() {
            return Next::HoldStream;
        }
        Next::Pass
    }

    /// The wait before another attempt, or the error that is given back.
    #[cold]
    fn after_error(&mut self, error: BoxError) -> Result<P::Wait, BoxError> {
        // Who is further in has repeated already.
        let over = cause_ref::<GaveUp>(&*error).is_some();
        let request = self.request.as_ref().filter(|_| !over);
        let wait = request.and_then(|it| self.policy.retry(it, &Reply::failed(&*error)));
        match wait {
            Some(wait) => Ok(wait),
            None if over => Err(error),
            None => Err(self.last(error)),
        }
    }

    /// Whether this is more than the first attempt, which says nothing. It does say what it is where there
    /// would be another one if that were not too often.
    fn speaks(&self) -> bool {
        self.attempt != Attempt::FIRST || self.policy.is_out_of_budget()
    }

    /// Says in a reply which attempt it belongs to.
    fn mark(&self, extensions: &mut Extensions) {
        if self.speaks() {
            extensions.insert(self.attempt);
        }
    }

    /// The error of the last attempt.
    fn last(&self, error: BoxError) -> BoxError {
        if self.speaks() {
            return GaveUp::new(self.attempt, error).into();
        }
        error
    }
}

impl<S, P, B, F, R, W> fmt::Debug for ResponseFuture<S, P, B, F, R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Calling { .. } => "calling",
            State::Holding { .. } => "holding",
            State::Waiting { .. } => "waiting",
            State::Readying => "readying",
        };
        f.debug_struct("ResponseFuture")
            .field("attempt", &self.kept.as_ref().map(|kept| kept.attempt))
            .field("state", &state)
            .finish_non_exhaustive()
    }
}

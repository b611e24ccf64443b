use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
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
    BoxError,
    types::{Attempt, Reply},
};

pin_project! {
    /// Response future of [`Retry`](super::Retry).
    pub struct ResponseFuture<S, P, B, F, R, W> {
        // Kept while a call of it is under way, since dropping it may cancel the call.
        service: S,
        policy: P,
        // `None` where the request is sent once.
        kept: Option<Request<B>>,
        attempt: Attempt,
        commit_after: Duration,
        #[pin]
        state: State<F, R, W>,
    }
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

/// What follows from a head or an error. It does not hold the reply, which is not moved for it.
enum Next<W> {
    Pass,
    HoldFailure,
    HoldStream,
    Wait(W),
}

impl<S, P, B, F, R, W> ResponseFuture<S, P, B, F, R, W> {
    pub(super) const fn new(
        service: S,
        policy: P,
        kept: Option<Request<B>>,
        response: F,
        commit_after: Duration,
    ) -> Self {
        Self {
            service,
            policy,
            kept,
            attempt: Attempt::FIRST,
            commit_after,
            state: State::Calling { response },
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

    #[expect(
        clippy::too_many_lines,
        reason = "one state after the other is read more easily than states that are scattered"
    )]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Calling { response } => {
                    let result = ready!(response.poll(cx)).map_err(Into::into);
                    let next = match this.kept {
                        Some(kept) => follow(this.policy, kept, &result),
                        None => Next::Pass,
                    };
                    match (next, result) {
                        (Next::HoldFailure, Ok(response)) => State::Holding {
                            held: Box::new(Held::failure(response, *this.commit_after)),
                        },
                        (Next::HoldStream, Ok(response)) => State::Holding {
                            held: Box::new(Held::stream(response, *this.commit_after)),
                        },
                        (Next::Wait(wait), result) => {
                            if let Ok(response) = result {
                                drain(Box::pin(response.into_body()), cx);
                            }
                            State::Waiting { wait }
                        }
                        (_, result) => {
                            let result = result.map(|it| it.map(ResponseBody::passed));
                            return Poll::Ready(mark(result, *this.attempt));
                        }
                    }
                }
                StateProj::Holding { held } => {
                    let seen = ready!(held.poll(cx));
                    let StateOwn::Holding { held } =
                        this.state.as_mut().project_replace(State::Readying)
                    else {
                        continue;
                    };
                    let asked = this.kept.as_ref().filter(|_| seen == Seen::Failed);
                    match asked.and_then(|kept| held.show(|it| this.policy.retry(kept, it))) {
                        Some(wait) => {
                            drain(held.into_body(), cx);
                            State::Waiting { wait }
                        }
                        None => {
                            // Polled again, it must not send again.
                            *this.kept = None;
                            return Poll::Ready(mark(Ok(held.into_response()), *this.attempt));
                        }
                    }
                }
                StateProj::Waiting { wait } => {
                    ready!(wait.poll(cx));
                    State::Readying
                }
                StateProj::Readying => {
                    if this.kept.is_none() {
                        // Polled after its end.
                        return Poll::Pending;
                    }
                    if let Err(error) = ready!(this.service.poll_ready(cx)) {
                        return Poll::Ready(mark(Err(error.into()), *this.attempt));
                    }
                    let Some(mut request) = this.kept.take() else {
                        return Poll::Pending;
                    };
                    *this.kept = this.policy.clone_request(&request);
                    *this.attempt = this.attempt.next();
                    begin(&mut request, *this.attempt);
                    State::Calling {
                        response: this.service.call(request),
                    }
                }
            };
            this.state.set(next);
        }
    }
}

/// What follows from a head or an error.
fn follow<P, B, R>(
    policy: &mut P,
    kept: &Request<B>,
    result: &Result<Response<R>, BoxError>,
) -> Next<P::Wait>
where
    P: Policy<B>,
    R: Body,
{
    let response = match result {
        Ok(response) => response,
        Err(error) => {
            let wait = policy.retry(kept, &Reply::failed(&**error));
            return wait.map_or(Next::Pass, Next::Wait);
        }
    };
    let status = response.status();
    let reply = Reply::head(status, response.headers());
    let failed = status.is_client_error() || status.is_server_error();
    if failed && !response.body().is_end_stream() && policy.wants_body(&reply) {
        return Next::HoldFailure;
    }
    if let Some(wait) = policy.retry(kept, &reply) {
        return Next::Wait(wait);
    }
    if is_event_stream(response) && !response.body().is_end_stream() {
        return Next::HoldStream;
    }
    Next::Pass
}

/// Says which attempt a reply belongs to, if it is not the first.
fn mark<R>(
    result: Result<Response<R>, BoxError>,
    attempt: Attempt,
) -> Result<Response<R>, BoxError> {
    if attempt == Attempt::FIRST {
        return result;
    }
    match result {
        Ok(mut response) => {
            response.extensions_mut().insert(attempt);
            Ok(response)
        }
        Err(error) => Err(GaveUp::new(attempt, error).into()),
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
            .field("attempt", &self.attempt)
            .field("state", &state)
            .finish_non_exhaustive()
    }
}

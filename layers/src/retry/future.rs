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
        Holding {
            held: Held<R>,
        },
        Waiting {
            #[pin]
            wait: W,
        },
        Readying,
    }
}

/// What follows from a reply.
enum Next<R, W> {
    Pass(Result<Response<ResponseBody<R>>, BoxError>),
    Hold(Held<R>),
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

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Calling { response } => {
                    let result = ready!(response.poll(cx));
                    match this.kept {
                        Some(kept) => answered(this.policy, kept, result, *this.commit_after, cx),
                        None => Next::Pass(pass(result)),
                    }
                }
                StateProj::Holding { held } => {
                    let seen = ready!(held.poll(cx));
                    let StateOwn::Holding { held } =
                        this.state.as_mut().project_replace(State::Readying)
                    else {
                        continue;
                    };
                    looked_at(this.policy, this.kept.as_ref(), held, seen, cx)
                }
                StateProj::Waiting { wait } => {
                    ready!(wait.poll(cx));
                    this.state.set(State::Readying);
                    continue;
                }
                StateProj::Readying => match ready!(this.service.poll_ready(cx)) {
                    Ok(()) => {
                        let Some(mut request) = this.kept.take() else {
                            // Polled after its end.
                            return Poll::Pending;
                        };
                        *this.kept = this.policy.clone_request(&request);
                        *this.attempt = this.attempt.next();
                        begin(&mut request, *this.attempt);
                        let response = this.service.call(request);
                        this.state.set(State::Calling { response });
                        continue;
                    }
                    Err(error) => Next::Pass(Err(error.into())),
                },
            };
            match next {
                Next::Pass(result) => return Poll::Ready(mark(result, *this.attempt)),
                Next::Hold(held) => this.state.set(State::Holding { held }),
                Next::Wait(wait) => this.state.set(State::Waiting { wait }),
            }
        }
    }
}

fn pass<R, E: Into<BoxError>>(
    result: Result<Response<R>, E>,
) -> Result<Response<ResponseBody<R>>, BoxError> {
    match result {
        Ok(response) => Ok(response.map(ResponseBody::passed)),
        Err(error) => Err(error.into()),
    }
}

/// What follows from a head or an error.
fn answered<P, B, R, E>(
    policy: &mut P,
    kept: &Request<B>,
    result: Result<Response<R>, E>,
    commit_after: Duration,
    cx: &mut Context<'_>,
) -> Next<R, P::Wait>
where
    P: Policy<B>,
    R: Body<Data = Bytes> + Send + 'static,
    E: Into<BoxError>,
{
    let response = match result {
        Ok(response) => response,
        Err(error) => {
            let error = error.into();
            return match policy.retry(kept, &Reply::failed(&*error)) {
                Some(wait) => Next::Wait(wait),
                None => Next::Pass(Err(error)),
            };
        }
    };
    let reply = Reply::head(response.status(), response.headers());
    let failed = response.status().is_client_error() || response.status().is_server_error();
    if failed && !response.body().is_end_stream() && policy.wants_body(&reply) {
        return Next::Hold(Held::failure(response, commit_after));
    }
    if let Some(wait) = policy.retry(kept, &reply) {
        drain(Box::pin(response.into_body()), cx);
        return Next::Wait(wait);
    }
    if is_event_stream(&response) && !response.body().is_end_stream() {
        return Next::Hold(Held::stream(response, commit_after));
    }
    Next::Pass(Ok(response.map(ResponseBody::passed)))
}

/// What follows from what was seen of a body.
fn looked_at<P, B, R>(
    policy: &mut P,
    kept: Option<&Request<B>>,
    held: Held<R>,
    seen: Seen,
    cx: &mut Context<'_>,
) -> Next<R, P::Wait>
where
    P: Policy<B>,
    R: Body<Data = Bytes> + Send + 'static,
{
    if seen == Seen::Failed
        && let Some(kept) = kept
        && let Some(wait) = held.show(|reply| policy.retry(kept, reply))
    {
        drain(held.into_body(), cx);
        return Next::Wait(wait);
    }
    Next::Pass(Ok(held.into_response()))
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

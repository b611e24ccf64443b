use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    ResponseBody,
    body::Watching,
    circuit::{Ticket, Verdict},
};
use crate::{
    BoxError,
    oneshot::Oneshot,
    types::{Classify, Reply},
};

pin_project! {
    /// Response future of [`Breaker`](super::Breaker).
    ///
    /// ```
    /// use blossom_layers::{
    ///     breaker::{BreakerLayer, ByHealth, ResponseFuture},
    ///     test_util::ScriptedService,
    /// };
    /// # use http::Request;
    /// # use tower::{Layer, Service};
    ///
    /// /// What a breaker over a service `S` answers with.
    /// type Answer<S> = ResponseFuture<S, Request<()>, <S as Service<Request<()>>>::Future, ByHealth>;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut service = BreakerLayer::new().layer(ScriptedService::default());
    /// let answer: Answer<ScriptedService> = service.call(Request::new(()));
    /// assert_eq!(answer.await?.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    pub struct ResponseFuture<S, Q, F, C> {
        #[pin]
        state: State<S, Q, F, C>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, Q, F, C> {
        Calling {
            #[pin]
            response: F,
            ticket: Option<Ticket>,
            classify: C,
        },
        // Boxed, so that those that need not wait stay small.
        Waiting {
            waiting: Pin<Box<Waiting<S, Q, F, C>>>,
        },
        // Refused, or it became ready with an error.
        Failed {
            error: Option<BoxError>,
        },
    }
}

pin_project! {
    /// A call whose service was not ready.
    struct Waiting<S, Q, F, C> {
        #[pin]
        call: Oneshot<S, Q, F>,
        ticket: Option<Ticket>,
        classify: C,
    }
}

impl<S, Q, C: Classify> ResponseFuture<S, Q, S::Future, C>
where
    S: Service<Q>,
    S::Error: Into<BoxError>,
{
    /// Nothing is waited for: a service that is ready, as nearly all are, is called at once, so that
    /// neither it nor the request is kept. If not, it is asked again with a waker that is heard.
    #[inline]
    pub(super) fn calling(mut service: S, request: Q, ticket: Option<Ticket>, classify: C) -> Self {
        let state = match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => State::Calling {
                response: service.call(request),
                ticket,
                classify,
            },
            Poll::Pending => State::Waiting {
                waiting: Box::pin(Waiting {
                    call: Oneshot::new(service, request),
                    ticket,
                    classify,
                }),
            },
            Poll::Ready(Err(error)) => {
                return Self::failed(failed(ticket, &classify, error.into()));
            }
        };
        Self { state }
    }
}

impl<S, Q, F, C> ResponseFuture<S, Q, F, C> {
    pub(super) const fn failed(error: BoxError) -> Self {
        Self {
            state: State::Failed { error: Some(error) },
        }
    }
}

impl<S, Q, R, C> Future for ResponseFuture<S, Q, S::Future, C>
where
    S: Service<Q, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body<Data = Bytes>,
    C: Classify + Clone,
{
    type Output = Result<Response<ResponseBody<R, C>>, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Calling {
                response,
                ticket,
                classify,
            } => match ready!(response.poll(cx)) {
                Ok(response) => Poll::Ready(Ok(answered(response, ticket.take(), classify))),
                Err(error) => Poll::Ready(Err(failed(ticket.take(), classify, error.into()))),
            },
            StateProj::Waiting { waiting } => {
                let waiting = waiting.as_mut().project();
                let (ticket, classify) = (waiting.ticket.take(), waiting.classify);
                match ready!(waiting.call.poll(cx)) {
                    Ok(response) => Poll::Ready(Ok(answered(response, ticket, classify))),
                    Err(error) => Poll::Ready(Err(failed(ticket, classify, error.into()))),
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

/// A bad head is a verdict; otherwise the body is to be watched.
// In place, and by parts: else the reply would be moved once more.
#[inline(always)]
fn answered<R, C>(
    response: Response<R>,
    ticket: Option<Ticket>,
    classify: &C,
) -> Response<ResponseBody<R, C>>
where
    R: Body<Data = Bytes>,
    C: Classify + Clone,
{
    let watching = ticket.and_then(|it| Watching::begin(&response, it, classify));
    let (head, body) = response.into_parts();
    Response::from_parts(head, ResponseBody::new(body, watching))
}

/// An error is a verdict.
#[cold]
fn failed<C: Classify>(ticket: Option<Ticket>, classify: &C, error: BoxError) -> BoxError {
    if let Some(ticket) = ticket {
        ticket.settle(Verdict::of(classify.classify(&Reply::failed(&*error))));
    }
    error
}

impl<S, Q, F, C> fmt::Debug for ResponseFuture<S, Q, F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = matches!(self.state, State::Failed { .. });
        f.debug_struct("ResponseFuture")
            .field("failed", &failed)
            .finish_non_exhaustive()
    }
}

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    Broken, ResponseBody,
    body::Watching,
    circuit::{Ticket, Verdict},
};
use crate::{
    BoxError,
    oneshot::Called,
    types::{Classify, Reply},
};

pin_project! {
    /// Response future of [`Breaker`](super::Breaker).
    pub struct ResponseFuture<S, Q, F, C> {
        #[pin]
        state: State<S, Q, F, C>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, Q, F, C> {
        Refused {
            broken: Option<Broken>,
        },
        Calling {
            #[pin]
            call: Called<S, Q, F>,
            ticket: Option<Ticket>,
            classify: C,
        },
    }
}

impl<S, Q, C> ResponseFuture<S, Q, S::Future, C>
where
    S: Service<Q>,
    S::Error: Into<BoxError>,
{
    #[inline]
    pub(super) fn calling(service: S, request: Q, ticket: Option<Ticket>, classify: C) -> Self {
        Self {
            state: State::Calling {
                call: Called::new(service, request),
                ticket,
                classify,
            },
        }
    }
}

impl<S, Q, F, C> ResponseFuture<S, Q, F, C> {
    pub(super) const fn refused(broken: Broken) -> Self {
        Self {
            state: State::Refused {
                broken: Some(broken),
            },
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

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Refused { broken } => match broken.take() {
                Some(broken) => Poll::Ready(Err(broken.into())),
                // Polled after its end.
                None => Poll::Pending,
            },
            StateProj::Calling {
                call,
                ticket,
                classify,
            } => match ready!(call.poll(cx)) {
                Ok(response) => {
                    let ticket = ticket.take();
                    let watching = ticket.and_then(|it| Watching::begin(&response, it, classify));
                    Poll::Ready(Ok(response.map(|body| ResponseBody::new(body, watching))))
                }
                Err(error) => {
                    failed(ticket.take(), classify, &error);
                    Poll::Ready(Err(error))
                }
            },
        }
    }
}

#[cold]
fn failed<C: Classify>(ticket: Option<Ticket>, classify: &C, error: &BoxError) {
    if let Some(ticket) = ticket {
        ticket.settle(Verdict::of(classify.classify(&Reply::failed(&**error))));
    }
}

impl<S, Q, F, C> fmt::Debug for ResponseFuture<S, Q, F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused = matches!(self.state, State::Refused { .. });
        f.debug_struct("ResponseFuture")
            .field("refused", &refused)
            .finish_non_exhaustive()
    }
}

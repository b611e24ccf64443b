//! One call of a service that is nearly always ready.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower_service::Service;

use crate::layers::BoxError;

pin_project! {
    /// The answer to one request, of a service that was called at once if it was ready: then the
    /// request need not be stored beside the service first.
    #[project = StartedProj]
    pub(crate) enum Started<S, Q>
    where
        S: Service<Q>,
    {
        Called { #[pin] call: S::Future },
        // Boxed: it is rare, and holds the request.
        Readying { call: Pin<Box<Oneshot<S, Q>>> },
        // It became ready with an error.
        Failed { error: Option<BoxError> },
    }
}

impl<S, Q> Started<S, Q>
where
    S: Service<Q>,
    S::Error: Into<BoxError>,
{
    /// Calls `service`, or will when it is ready.
    #[inline]
    pub(crate) fn new(mut service: S, request: Q) -> Self {
        match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Self::Called {
                call: service.call(request),
            },
            Poll::Ready(Err(error)) => Self::Failed {
                error: Some(error.into()),
            },
            // It is asked again with a waker that is heard.
            Poll::Pending => Self::Readying {
                call: Box::pin(Oneshot::new(service, request)),
            },
        }
    }
}

impl<S, Q> Future for Started<S, Q>
where
    S: Service<Q>,
    S::Error: Into<BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            StartedProj::Called { call } => call.poll(cx).map_err(Into::into),
            StartedProj::Readying { call } => call.as_mut().poll(cx).map_err(Into::into),
            StartedProj::Failed { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                // Polled after its end.
                None => Poll::Pending,
            },
        }
    }
}

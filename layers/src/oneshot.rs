//! One call of a service that may have to become ready first.

#[cfg(any(feature = "spend", test))]
use std::task::Waker;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

#[cfg(feature = "spend")]
use crate::BoxError;

pin_project! {
    /// Readies the service that it owns, calls it once, and is its answer.
    ///
    /// For layers that are always ready: they clone their inner service, and ready and call the clone
    /// when their own grant is there. The service is kept until the call has ended, since dropping
    /// one that was called may cancel what it has under way.
    ///
    /// `F` is `S::Future`; it stands apart so that the struct needs no bound.
    #[derive(Debug)]
    pub(crate) struct Oneshot<S, R, F> {
        service: S,
        #[pin]
        state: State<R, F>,
    }
}

pin_project! {
    // Request and response share their place: what is moved through a whole stack should be small.
    #[project = StateProj]
    #[derive(Debug)]
    enum State<R, F> {
        Asking { request: Option<R> },
        Answering { #[pin] response: F },
    }
}

impl<S, R, F> Oneshot<S, R, F> {
    /// Calls `service` with `request` once it is ready; does nothing until it is polled.
    pub(crate) const fn new(service: S, request: R) -> Self {
        Self {
            service,
            state: State::Asking {
                request: Some(request),
            },
        }
    }

    /// The request, until it is sent.
    #[cfg(any(feature = "limit-concurrency", feature = "limit-rate"))]
    pub(crate) const fn request(&self) -> Option<&R> {
        match &self.state {
            State::Asking { request } => request.as_ref(),
            State::Answering { .. } => None,
        }
    }
}

impl<S, R> Future for Oneshot<S, R, S::Future>
where
    S: Service<R>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let StateProj::Asking { request } = this.state.as_mut().project() {
            ready!(this.service.poll_ready(cx))?;
            let Some(request) = request.take() else {
                // Polled after its end.
                return Poll::Pending;
            };
            let response = this.service.call(request);
            this.state.set(State::Answering { response });
        }
        match this.state.project() {
            StateProj::Answering { response } => response.poll(cx),
            StateProj::Asking { .. } => Poll::Pending,
        }
    }
}

#[cfg(feature = "spend")]
pin_project! {
    /// As [`Oneshot`], for a layer that waits for nothing and holds nothing that others wait for: a
    /// service that is ready is called in [`new`](Self::new).
    ///
    /// Nearly every one is ready. Then neither request nor service is kept, and what is moved through
    /// the stack is only the answer to come.
    pub(crate) struct Called<S, R, F> {
        #[pin]
        state: CalledState<S, R, F>,
    }
}

#[cfg(feature = "spend")]
pin_project! {
    #[project = CalledProj]
    enum CalledState<S, R, F> {
        Answering { #[pin] response: F },
        // Boxed, so that those that need not wait stay small.
        Asking { call: Pin<Box<Oneshot<S, R, F>>> },
        // It became ready with an error.
        Failed { error: Option<BoxError> },
    }
}

#[cfg(feature = "spend")]
impl<S, R> Called<S, R, S::Future>
where
    S: Service<R>,
    S::Error: Into<BoxError>,
{
    /// Calls `service`, or will when it is ready.
    #[inline]
    pub(crate) fn new(mut service: S, request: R) -> Self {
        // If it is not ready, it is asked again with a waker that is heard.
        let state = match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => CalledState::Answering {
                response: service.call(request),
            },
            Poll::Pending => CalledState::Asking {
                call: Box::pin(Oneshot::new(service, request)),
            },
            Poll::Ready(Err(error)) => CalledState::Failed {
                error: Some(error.into()),
            },
        };
        Self { state }
    }
}

#[cfg(feature = "spend")]
impl<S, R, F> Called<S, R, F> {
    /// Whether the request has been sent.
    pub(crate) const fn is_sent(&self) -> bool {
        matches!(self.state, CalledState::Answering { .. })
    }
}

#[cfg(feature = "spend")]
impl<S, R> Future for Called<S, R, S::Future>
where
    S: Service<R>,
    S::Error: Into<BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            CalledProj::Answering { response } => response.poll(cx).map_err(Into::into),
            CalledProj::Asking { call } => call.as_mut().poll(cx).map_err(Into::into),
            CalledProj::Failed { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                // Polled after its end.
                None => Poll::Pending,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::test_util::{ReadyProbe, ScriptedService, Step};

    #[tokio::test]
    async fn readies_the_very_service_that_it_calls() {
        let mut service = ReadyProbe::default();
        Service::<Request<()>>::poll_ready(&mut service, &mut Context::from_waker(Waker::noop()))
            .is_ready();

        assert!(
            Oneshot::new(service.clone(), Request::new(()))
                .await
                .is_ok()
        );
    }

    #[tokio::test]
    async fn an_error_of_readiness_is_the_answer_and_nothing_is_called() {
        let service = ScriptedService::new([Step::NotReady("closed")]);

        let error = Oneshot::new(service.clone(), Request::new(()))
            .await
            .unwrap_err();

        assert_eq!(error.to_string(), "closed");
        assert_eq!(service.calls(), 0);
    }
}

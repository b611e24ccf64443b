//! One clone of the lower part of the stack for each attempt, in place of several.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use http::Request;
use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower_layer::Layer;
use tower_service::Service;

/// Puts what is within behind one reference count.
///
/// Each call clones the stack, and retries keep a clone for the next attempt, which most calls never
/// make: only the attempt that is made clones what is within, a reference count for each of its layers.
///
/// Always ready: what is within is readied by each call for itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct SharedLayer;

impl<S> Layer<S> for SharedLayer {
    type Service = Shared<S>;

    fn layer(&self, inner: S) -> Shared<S> {
        Shared(Arc::new(inner))
    }
}

pub(super) struct Shared<S>(Arc<S>);

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S, B> Service<Request<B>> for Shared<S>
where
    S: Service<Request<B>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = SharedFuture<S, Request<B>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut service = S::clone(&self.0);
        // Nearly always it is ready. If not, it is asked again with a waker that is heard.
        match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => SharedFuture::Called {
                call: service.call(request),
            },
            Poll::Ready(Err(error)) => SharedFuture::Failed { error: Some(error) },
            Poll::Pending => SharedFuture::Readying {
                call: Box::pin(Oneshot::new(service, request)),
            },
        }
    }
}

pin_project! {
    #[project = SharedProj]
    pub(super) enum SharedFuture<S, Q>
    where
        S: Service<Q>,
    {
        Called { #[pin] call: S::Future },
        // Boxed: it is rare, and holds the request.
        Readying { call: Pin<Box<Oneshot<S, Q>>> },
        Failed { error: Option<S::Error> },
    }
}

impl<S: Service<Q>, Q> Future for SharedFuture<S, Q> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            SharedProj::Called { call } => call.poll(cx),
            SharedProj::Readying { call } => call.as_mut().poll(cx),
            SharedProj::Failed { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                // Polled after its end.
                None => Poll::Pending,
            },
        }
    }
}

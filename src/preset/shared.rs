//! One clone of the lower part of the stack for each attempt, in place of several.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::{client::Started, layers::BoxError};

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
    // By hand: what is shared need not be `Clone`.
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S, B> Service<Request<B>> for Shared<S>
where
    S: Service<Request<B>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Started<S, Request<B>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Started::new(S::clone(&self.0), request)
    }
}

use std::{
    fmt,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    ResponseBody, ResponseFuture,
    call::{Call, Shared},
};
use crate::{
    sync::Arc,
    types::{Describe, ErrorType, ErrorWords, Undescribed},
};

/// Counts and measures calls, to the end of their bodies.
///
/// See the [module docs](super) for an example.
///
/// ```
/// use blossom_layers::metrics::{Metrics, MetricsLayer};
/// use tower_layer::Layer as _;
///
/// let service: Metrics<&str> = MetricsLayer::new().layer("any service");
/// ```
#[derive(Clone)]
pub struct Metrics<S, D = Undescribed, E = ErrorWords> {
    inner: S,
    describe: D,
    errors: E,
    shared: Arc<Shared>,
}

impl<S, D, E> Metrics<S, D, E> {
    pub(super) const fn new(inner: S, describe: D, errors: E, shared: Arc<Shared>) -> Self {
        Self {
            inner,
            describe,
            errors,
            shared,
        }
    }
}

impl<S, D, E, B, R> Service<Request<B>> for Metrics<S, D, E>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: 'static,
    D: Describe<B>,
    E: ErrorType + Clone,
    R: Body,
{
    type Response = Response<ResponseBody<R, E>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, E>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let call = Call::start(&self.shared, &self.describe, &self.errors, &request);
        ResponseFuture::new(self.inner.call(request), call)
    }
}

impl<S: fmt::Debug, D, E> fmt::Debug for Metrics<S, D, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

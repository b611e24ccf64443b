use std::{
    fmt,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    Content, NoContent, NoContext, Propagate, ResponseBody, ResponseFuture, TraceLayer,
    span::{Traced, is_wanted},
};
use crate::{
    body::Guard,
    types::{Describe, ErrorType, ErrorWords, Undescribed},
};

/// Opens a span for each request, and closes it when the body ends.
///
/// See the [module docs](super) for an example.
///
/// ```
/// # use http::Request;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{test_util::ScriptedService, trace::{Trace, TraceLayer}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let service: Trace<ScriptedService> = TraceLayer::call().layer(ScriptedService::default());
/// assert_eq!(service.oneshot(Request::new(())).await?.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Trace<S, D = Undescribed, E = ErrorWords, P = NoContext, C = NoContent> {
    inner: S,
    layer: TraceLayer<D, E, P, C>,
}

impl<S, D, E, P, C> Trace<S, D, E, P, C> {
    pub(super) const fn new(inner: S, layer: TraceLayer<D, E, P, C>) -> Self {
        Self { inner, layer }
    }
}

impl<S, D, E, P, C, B, R> Service<Request<B>> for Trace<S, D, E, P, C>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: 'static,
    D: Describe<B>,
    E: ErrorType + Clone,
    P: Propagate,
    C: Content<B>,
    R: Body,
{
    type Response = Response<ResponseBody<R, E>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, E>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if !is_wanted() && !self.layer.propagate.is_on() {
            return ResponseFuture::new(self.inner.call(request), Traced::NONE);
        }
        let mut traced = Traced::open(&self.layer, &mut request);
        let response = traced.around(|| self.inner.call(request));
        ResponseFuture::new(response, traced)
    }
}

impl<S: fmt::Debug, D, E, P, C> fmt::Debug for Trace<S, D, E, P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

use std::{
    fmt,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{ConcurrencyLimitLayer, Permit, ResponseFuture};
use crate::{
    BoxError,
    body::Guarded,
    types::{Partition, Unpartitioned},
};

/// Limits how many calls are under way at once, from the request to the end of the body.
///
/// See the [module docs](super) for an example.
///
/// ```
/// use blossom_layers::limit::concurrency::{ConcurrencyLimit, ConcurrencyLimitLayer};
/// use tower_layer::Layer as _;
///
/// let service: ConcurrencyLimit<&str> = ConcurrencyLimitLayer::new(10).layer("any service");
/// ```
#[derive(Clone)]
pub struct ConcurrencyLimit<S, P = Unpartitioned> {
    inner: S,
    limit: ConcurrencyLimitLayer<P>,
}

impl<S, P> ConcurrencyLimit<S, P> {
    /// Wraps `inner`. It shares the limit of all services of `limit`.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::ServiceExt as _;
    /// use blossom_layers::{
    ///     limit::concurrency::{ConcurrencyLimit, ConcurrencyLimitLayer},
    ///     test_util::{ScriptedBody, ScriptedService},
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let limit = ConcurrencyLimitLayer::new(8);
    /// let upstream = ScriptedService::once(ScriptedBody::new());
    /// let service = ConcurrencyLimit::new(upstream, limit.clone());
    /// let open = service.oneshot(Request::new(())).await?;
    /// assert_eq!(limit.handle().in_flight(), 1);
    /// # drop(open);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn new(inner: S, limit: ConcurrencyLimitLayer<P>) -> Self {
        Self { inner, limit }
    }
}

impl<S, P, B, R> Service<Request<B>> for ConcurrencyLimit<S, P>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    P: Partition<B>,
    R: Body,
{
    type Response = Response<Guarded<R, Permit>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B, S::Future>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let ConcurrencyLimitLayer { queue, partition } = &self.limit;
        let permit = Permit::new(queue.clone(), partition.partition(&request));
        ResponseFuture::new(self.inner.clone(), request, permit)
    }
}

impl<S: fmt::Debug, P> fmt::Debug for ConcurrencyLimit<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyLimit")
            .field("inner", &self.inner)
            .field("limit", &self.limit)
            .finish()
    }
}

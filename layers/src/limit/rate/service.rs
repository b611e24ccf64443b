use std::{
    fmt,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{RateLimitLayer, ResponseFuture, Settlement, Stated, claim::Claim};
use crate::{
    BoxError,
    body::Guarded,
    types::{EstimateTokens, Held, Partition, Unpartitioned},
};

/// Lets requests go at the rate that its quotas allow.
///
/// See the [module docs](super) for an example.
#[derive(Clone)]
pub struct RateLimit<S, P = Unpartitioned, E = Stated> {
    inner: S,
    limit: RateLimitLayer<P, E>,
}

impl<S, P, E> RateLimit<S, P, E> {
    /// Wraps `inner`. It shares the quotas of all services of `limit`.
    pub const fn new(inner: S, limit: RateLimitLayer<P, E>) -> Self {
        Self { inner, limit }
    }
}

impl<S, P, E, B, R> Service<Request<B>> for RateLimit<S, P, E>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    P: Partition<B>,
    E: EstimateTokens<B>,
    R: Body,
{
    type Response = Response<Guarded<R, Settlement>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B, S::Future>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let limit = &self.limit;
        let claim = limit.whose(&request).map(|whose| {
            let limiter = limit.limiter().clone();
            let units = limit.units(&request);
            // Only where much is at stake: it costs two allocations.
            let held = limiter.settles().then(Held::default);
            if let Some(held) = &held {
                request.extensions_mut().insert(held.clone());
            }
            Claim::new(limiter, whose, units, held)
        });
        ResponseFuture::new(
            self.inner.clone(),
            request,
            claim,
            limit.pricing().cloned(),
            limit.learns(),
        )
    }
}

impl<S: fmt::Debug, P, E> fmt::Debug for RateLimit<S, P, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("inner", &self.inner)
            .field("limit", &self.limit)
            .finish()
    }
}

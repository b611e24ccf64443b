use std::{
    fmt,
    task::{Context, Poll, Waker},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    RateLimitLayer, ResponseFuture, Settlement, Stated,
    claim::{Claim, Estimated},
    limiter::{Limiter, Whose},
};
use crate::{
    BoxError,
    body::Guarded,
    sync::Arc,
    types::{EstimateTokens, Held, Partition, Unpartitioned},
};

/// Lets requests go at the rate that its quotas allow.
///
/// See the [module docs](super) for an example.
///
/// ```
/// # use std::time::Duration;
/// # use http::Request;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     limit::rate::{Quota, RateLimit, RateLimitLayer},
///     test_util::ScriptedService,
/// };
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let layer = RateLimitLayer::new([Quota::requests(600, Duration::from_secs(60))]);
/// let one: RateLimit<ScriptedService> = layer.layer(ScriptedService::default());
/// let other: RateLimit<ScriptedService> = layer.layer(ScriptedService::default());
/// one.oneshot(Request::new(())).await?;
/// other.oneshot(Request::new(())).await?;
/// assert_eq!(layer.handle().available(None), [28]); // they share it
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RateLimit<S, P = Unpartitioned, E = Stated> {
    inner: S,
    limit: RateLimitLayer<P, E>,
}

impl<S, P, E> RateLimit<S, P, E> {
    /// Wraps `inner`. It shares the quotas of all services of `limit`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::Request;
    /// # use tower::ServiceExt as _;
    /// # use blossom_layers::{
    /// #     limit::rate::{Quota, RateLimit, RateLimitLayer},
    /// #     test_util::ScriptedService,
    /// # };
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let limit = RateLimitLayer::new([Quota::requests(600, Duration::from_secs(60))]);
    /// let service = RateLimit::new(ScriptedService::default(), limit.clone());
    /// service.oneshot(Request::new(())).await?;
    /// assert_eq!(limit.handle().available(None), [29]);
    /// # Ok(())
    /// # }
    /// ```
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

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let limit = &self.limit;
        let Some(whose) = limit.whose(&request) else {
            return send(self.inner.clone(), request, None);
        };
        let limiter = limit.limiter().clone();
        if limiter.settles() {
            return self.call_estimated(request, limiter, whose);
        }
        let claim = Claim::new(limiter, whose, None);
        send(self.inner.clone(), request, Some(claim))
    }
}

impl<S, P, E> RateLimit<S, P, E> {
    // Apart, so that requests that are only counted are seen by nobody on their way.
    #[inline(never)]
    fn call_estimated<B>(
        &self,
        mut request: Request<B>,
        limiter: Arc<Limiter>,
        whose: Whose,
    ) -> ResponseFuture<S, B, S::Future>
    where
        S: Service<Request<B>> + Clone,
        S::Error: Into<BoxError>,
        E: EstimateTokens<B>,
    {
        let units = self.limit.estimated(&request);
        let held = Held::place(request.extensions_mut());
        let estimated = Box::new(Estimated { units, held });
        let claim = Claim::new(limiter, whose, Some(estimated));
        send(self.inner.clone(), request, Some(claim))
    }
}

/// Calls `inner` at once if the claim is granted at once.
#[inline(always)]
fn send<S, B>(
    mut inner: S,
    request: Request<B>,
    mut claim: Option<Claim>,
) -> ResponseFuture<S, B, S::Future>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    if !claim.as_mut().is_none_or(Claim::try_grant) {
        return ResponseFuture::waiting(inner, request, claim);
    }
    // Nearly always it is ready: then the request need not be kept first. If not, it is asked again
    // with a waker that is heard.
    match inner.poll_ready(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(())) => {
            if let Some(claim) = &mut claim {
                claim.sent();
            }
            ResponseFuture::calling(inner.call(request), claim)
        }
        Poll::Ready(Err(error)) => ResponseFuture::failed(error.into()),
        Poll::Pending => ResponseFuture::waiting(inner, request, claim),
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

use std::{
    fmt, mem,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{Policy, ResponseBody, ResponseFuture, future::Kept};
use crate::{
    BoxError,
    types::{Attempt, Attempts},
};

/// Sends a request again when another try can help.
///
/// See the [module docs](super) for an example.
///
/// ```
/// use blossom_layers::retry::{Retry, RetryLayer, Standard};
/// use tower_layer::Layer as _;
///
/// let service: Retry<&str, Standard> = RetryLayer::new(Standard::new()).layer("any service");
/// ```
#[derive(Clone)]
pub struct Retry<S, P> {
    inner: S,
    policy: P,
    commit_after: Duration,
}

impl<S, P> Retry<S, P> {
    pub(super) const fn new(inner: S, policy: P, commit_after: Duration) -> Self {
        Self {
            inner,
            policy,
            commit_after,
        }
    }
}

impl<S, P, B, R> Service<Request<B>> for Retry<S, P>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    P: Policy<B> + Clone,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, P, B, S::Future, R, P::Wait>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Who is further out repeats already.
        if request.extensions().get::<Attempt>().is_some() {
            return ResponseFuture::new(self.inner.call(request), None);
        }
        count(request.extensions(), Attempt::FIRST);
        // Made before its parts, so that they are not moved into it.
        let mut kept = Box::new(Kept {
            service: self.inner.clone(),
            policy: self.policy.clone(),
            request: None,
            attempt: Attempt::FIRST,
            commit_after: self.commit_after,
        });
        kept.request = kept.policy.clone_request(&request);
        // The readied instance goes into the future; a clone stays.
        mem::swap(&mut kept.service, &mut self.inner);
        let response = kept.service.call(request);
        ResponseFuture::new(response, kept.request.is_some().then_some(kept))
    }
}

/// Says in a request that is sent again which attempt it is, and to whoever counts them. The first says
/// nothing: extensions that are empty otherwise would cost it three allocations.
pub(super) fn begin<B>(request: &mut Request<B>, attempt: Attempt) {
    count(request.extensions(), attempt);
    request.extensions_mut().insert(attempt);
}

fn count(extensions: &Extensions, attempt: Attempt) {
    if let Some(attempts) = extensions.get::<Attempts>() {
        attempts.begin(attempt);
    }
}

impl<S: fmt::Debug, P> fmt::Debug for Retry<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("inner", &self.inner)
            .field("commit_after", &self.commit_after)
            .finish_non_exhaustive()
    }
}

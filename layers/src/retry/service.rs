use std::{
    fmt, mem,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{Policy, ResponseBody, ResponseFuture};
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

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mut policy = self.policy.clone();
        // Who is further out repeats already.
        let kept = if request.extensions().get::<Attempt>().is_some() {
            None
        } else {
            let kept = policy.clone_request(&request);
            begin(&mut request, Attempt::FIRST);
            kept
        };
        // The readied instance goes into the future; a clone stays.
        let clone = self.inner.clone();
        let mut readied = mem::replace(&mut self.inner, clone);
        let response = readied.call(request);
        ResponseFuture::new(readied, policy, kept, response, self.commit_after)
    }
}

/// Says in the request which attempt it is, and to whoever counts them.
pub(super) fn begin<B>(request: &mut Request<B>, attempt: Attempt) {
    let extensions = request.extensions_mut();
    if let Some(attempts) = extensions.get::<Attempts>() {
        attempts.begin(attempt);
    }
    extensions.insert(attempt);
}

impl<S: fmt::Debug, P> fmt::Debug for Retry<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("inner", &self.inner)
            .field("commit_after", &self.commit_after)
            .finish_non_exhaustive()
    }
}

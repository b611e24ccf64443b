use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::ResponseBody;
use crate::types::{Observe, Outcome};

pin_project! {
    /// Response future of [`Observe`](super::Observe).
    pub struct ResponseFuture<F, P> {
        #[pin]
        response: F,
        policy: P,
        started: Instant,
    }
}

impl<F, P> ResponseFuture<F, P> {
    pub(super) fn new(response: F, policy: P) -> Self {
        Self {
            response,
            policy,
            started: Instant::now(),
        }
    }
}

impl<F, P, R, E> Future for ResponseFuture<F, P>
where
    F: Future<Output = Result<Response<R>, E>>,
    P: Observe,
    R: Body,
{
    type Output = Result<Response<ResponseBody<R, P::Watch>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (mut head, body) = ready!(this.response.poll(cx))?.into_parts();

        let outcome = Outcome::new();
        let arrived = this.started.elapsed();
        let sent = this.started.into_std();
        outcome.update(|record| {
            record.timing.sent = Some(sent);
            record.timing.head = Some(arrived);
        });
        let watch = this.policy.observe(&head);
        head.extensions.insert(outcome.clone());
        let body = ResponseBody::new(body, watch, outcome, *this.started);
        Poll::Ready(Ok(Response::from_parts(head, body)))
    }
}

impl<F, P> fmt::Debug for ResponseFuture<F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

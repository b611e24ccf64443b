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
    ///
    /// ```
    /// use blossom_layers::observe::{ObserveLayer, ResponseFuture};
    /// # use blossom_layers::{body::End, test_util::*, types::{Deferred, Outcome, Record, Watch}};
    /// # use bytes::Bytes;
    /// # use http::{Request, response::Parts};
    /// # use tower::{Layer, Service, ServiceExt};
    /// # struct Note;
    /// # impl Watch for Note {
    /// #     fn data(&mut self, data: &Bytes, _: &mut Record) -> bool { !data.is_empty() }
    /// #     fn end(&mut self, _: End, _: &mut Record) -> Option<Deferred> { None }
    /// # }
    ///
    /// /// What a service `S` answers with, watched by a policy `P`.
    /// type Answer<S, P> = ResponseFuture<<S as Service<Request<()>>>::Future, P>;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// type Policy = fn(&Parts) -> Option<Note>;
    /// let policy: Policy = |_| Some(Note);
    /// let mut service = ObserveLayer::new(policy).layer(ScriptedService::default());
    /// let ready = ServiceExt::<Request<()>>::ready(&mut service).await?;
    /// let answer: Answer<ScriptedService, Policy> = ready.call(Request::new(()));
    /// assert!(answer.await?.extensions().get::<Outcome>().is_some());
    /// # Ok(())
    /// # }
    /// ```
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
        // Not made of a record: that would be moved.
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

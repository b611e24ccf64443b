use std::{
    fmt,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{ResponseBody, ResponseFuture};
use crate::types;

/// Watches each response body once and publishes what became of it.
///
/// See the [module docs](super) for an example.
///
/// ```
/// use blossom_layers::observe::{Observe, ObserveLayer};
/// # use blossom_layers::{body::End, test_util::*, types::{Deferred, Outcome, Record, Watch}};
/// # use bytes::Bytes;
/// # use http::{Request, response::Parts};
/// # use tower::{Layer, ServiceExt};
/// # struct Note;
/// # impl Watch for Note {
/// #     fn data(&mut self, data: &Bytes, _: &mut Record) -> bool { !data.is_empty() }
/// #     fn end(&mut self, _: End, _: &mut Record) -> Option<Deferred> { None }
/// # }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let policy: fn(&Parts) -> Option<Note> = |_| Some(Note);
/// let inner = ScriptedService::default();
/// let service: Observe<_, fn(&Parts) -> Option<Note>> = ObserveLayer::new(policy).layer(inner);
/// let response = service.oneshot(Request::new(())).await?;
/// assert!(response.extensions().get::<Outcome>().is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Observe<S, P> {
    inner: S,
    policy: P,
}

impl<S, P> Observe<S, P> {
    /// Wraps `inner`.
    ///
    /// ```
    /// # use blossom_layers::observe::Observe;
    /// # use blossom_layers::{body::End, test_util::*, types::{Deferred, Outcome, Record, Watch}};
    /// # use bytes::Bytes;
    /// # use http::{Request, response::Parts};
    /// # use tower::ServiceExt;
    /// # struct Note;
    /// # impl Watch for Note {
    /// #     fn data(&mut self, data: &Bytes, _: &mut Record) -> bool { !data.is_empty() }
    /// #     fn end(&mut self, _: End, _: &mut Record) -> Option<Deferred> { None }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let service = Observe::new(ScriptedService::default(), |_: &Parts| Some(Note));
    /// let response = service.oneshot(Request::new(())).await?;
    /// assert!(response.extensions().get::<Outcome>().is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub const fn new(inner: S, policy: P) -> Self {
        Self { inner, policy }
    }
}

impl<S, P, B, R> Service<Request<B>> for Observe<S, P>
where
    S: Service<Request<B>, Response = Response<R>>,
    P: types::Observe + Clone,
    R: Body,
{
    type Response = Response<ResponseBody<R, P::Watch>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, P>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ResponseFuture::new(self.inner.call(request), self.policy.clone())
    }
}

impl<S: fmt::Debug, P> fmt::Debug for Observe<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observe")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt, time::Duration};

    use bytes::Bytes;
    use http::response::Parts;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::{
        body::End,
        test_util::{ScriptedBody, ScriptedService, Step},
        types::{Deferred, FinishReason, Outcome, Record, Watch},
    };

    const SECOND: Duration = Duration::from_secs(1);

    /// Takes frames that begin with `:` for comments, and `end` for the finish.
    #[derive(Debug)]
    struct Words;

    impl Watch for Words {
        fn data(&mut self, data: &Bytes, record: &mut Record) -> bool {
            if data == "end" {
                record.finish_reason = Some(FinishReason::Stop);
            }
            !data.starts_with(b":")
        }

        fn end(&mut self, _end: End, record: &mut Record) -> Option<Deferred> {
            record.complete &= record.finish_reason.is_some();
            None
        }
    }

    fn words(_: &Parts) -> Option<Words> {
        Some(Words)
    }

    async fn observed(step: Step) -> (Outcome, impl Body<Data = Bytes, Error: fmt::Debug>) {
        let service = Observe::new(ScriptedService::new([step]), words);
        let response = service.oneshot(Request::new(())).await.unwrap();
        let outcome = response.extensions().get::<Outcome>().unwrap().clone();
        (outcome, response.into_body())
    }

    #[tokio::test(start_paused = true)]
    async fn says_when_each_part_came_and_that_it_is_complete() {
        let body = ScriptedBody::new()
            .wait(SECOND)
            .data(": hello")
            .wait(SECOND)
            .data("word")
            .data("end")
            .wait(SECOND);
        let (outcome, body) = observed(Step::RespondAfter(SECOND, Response::new(body))).await;
        assert!(!outcome.ended());

        body.collect().await.unwrap();

        let record = outcome.record();
        assert_eq!(record.timing.head, Some(SECOND));
        assert_eq!(record.timing.first_event, Some(SECOND * 3));
        assert_eq!(record.timing.end, Some(SECOND * 4));
        assert_eq!((record.end, record.complete), (Some(End::Complete), true));
    }

    #[tokio::test]
    async fn a_body_without_proof_is_not_complete() {
        let body = ScriptedBody::new().data("word");
        let (outcome, body) = observed(Step::Respond(Response::new(body))).await;

        body.collect().await.unwrap();

        assert!(outcome.ended());
        assert!(!outcome.complete());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_dropped_after_its_proof_is_not_complete() {
        let body = ScriptedBody::new().data("end").data("more");
        let (outcome, mut body) = {
            let (outcome, body) = observed(Step::Respond(Response::new(body))).await;
            (outcome, Box::pin(body))
        };

        body.frame().await.unwrap().unwrap();
        tokio::time::advance(SECOND).await;
        drop(body);

        let record = outcome.record();
        assert_eq!((record.end, record.complete), (Some(End::Dropped), false));
        let (first, end) = (record.timing.first_event, record.timing.end);
        assert_eq!((first, end), (Some(Duration::ZERO), Some(SECOND)));
    }

    #[tokio::test]
    async fn a_body_that_fails_is_not_complete() {
        let body = ScriptedBody::new().data("end").error("cut");
        let (outcome, body) = observed(Step::Respond(Response::new(body))).await;

        body.collect().await.unwrap_err();

        let record = outcome.record();
        assert_eq!((record.end, record.complete), (Some(End::Failed), false));
    }

    #[tokio::test]
    async fn an_empty_body_has_an_outcome_before_it_is_read() {
        let body = ScriptedBody::new().sized();
        let (outcome, _body) = observed(Step::Respond(Response::new(body))).await;

        assert!(outcome.ended());
    }
}

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{ResponseBody, ResponseFuture, answer::Dialect};
use crate::BoxError;

/// Turns the refusals of a stack into answers.
///
/// See the [module docs](super) for an example.
///
/// ```
/// use blossom_layers::respond::{Respond, RespondLayer};
/// use tower_layer::Layer as _;
///
/// let service: Respond<&str> = RespondLayer::new().layer("any service");
/// ```
#[derive(Debug)]
pub struct Respond<S> {
    inner: S,
    // Why the inner service is not ready, for the next call.
    failed: Option<BoxError>,
}

impl<S> Respond<S> {
    /// Wraps `inner`.
    ///
    /// ```
    /// # use blossom_layers::{respond::Respond, test_util::{ScriptedService, Step}};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let service = Respond::new(ScriptedService::new([Step::NotReady("down")]));
    /// let Ok(response) = service.oneshot(Request::new(())).await;
    /// assert_eq!(response.status(), 500);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn new(inner: S) -> Self {
        Self {
            inner,
            failed: None,
        }
    }
}

impl<S: Clone> Clone for Respond<S> {
    // A failure to become ready is of the instance that met it.
    fn clone(&self) -> Self {
        Self::new(self.inner.clone())
    }
}

impl<S, B, R> Service<Request<B>> for Respond<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.failed.is_some() {
            return Poll::Ready(Ok(()));
        }
        self.inner.poll_ready(cx).map(|ready| {
            self.failed = ready.err().map(Into::into);
            Ok(())
        })
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let dialect = Dialect::of(request.headers());
        match self.failed.take() {
            Some(error) => ResponseFuture::failed(error, dialect),
            None => ResponseFuture::calling(self.inner.call(request), dialect),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::{
        test_util::{ScriptedBody, ScriptedService, Step},
        types::{Refusal, RefusalKind},
    };

    async fn answered(step: Step, grpc: bool) -> Response<ResponseBody<ScriptedBody>> {
        let mut request = Request::new(());
        if grpc {
            let content_type = http::HeaderValue::from_static("application/grpc");
            request.headers_mut().insert("content-type", content_type);
        }
        let Ok(response) = Respond::new(ScriptedService::new([step]))
            .oneshot(request)
            .await;
        response
    }

    #[tokio::test]
    async fn an_answer_of_the_inner_service_passes_whatever_its_status() {
        let mut inner = Response::new(ScriptedBody::new().data("no"));
        *inner.status_mut() = StatusCode::IM_A_TEAPOT;

        let response = answered(Step::Respond(inner), false).await;

        assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            "no"
        );
    }

    #[tokio::test]
    async fn an_error_becomes_problem_details() {
        let response = answered(Step::Fail("secret"), false).await;

        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()["cache-control"], "no-store");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body.starts_with(br#"{"type":"about:blank""#));
        assert!(!body.windows(6).any(|text| text == b"secret"));
    }

    #[tokio::test]
    async fn a_service_that_is_not_ready_is_answered_too() {
        let response = answered(Step::NotReady("closed"), false).await;

        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[tokio::test]
    async fn grpc_gets_a_status_in_a_response_of_trailers_only() {
        let response = answered(Step::Fail("secret"), true).await;

        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["grpc-status"], "13");
        assert_eq!(response.headers()["content-type"], "application/grpc");
        assert!(
            response
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
                .is_empty()
        );
    }

    #[tokio::test]
    async fn a_grpc_body_that_fails_ends_in_its_status() {
        let body = ScriptedBody::new().data("a").error("cut");
        let response = answered(Step::Respond(Response::new(body)), true).await;

        let whole = response.into_body().collect().await.unwrap();
        assert_eq!(whole.trailers().unwrap()["grpc-status"], "13");
        assert_eq!(whole.to_bytes(), "a");
    }

    #[tokio::test]
    async fn an_http_body_that_fails_still_fails() {
        let body = ScriptedBody::new().data("a").error("cut");
        let response = answered(Step::Respond(Response::new(body)), false).await;

        assert!(response.into_body().collect().await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn each_kind_has_its_answer() {
        for (kind, status) in [
            (RefusalKind::Timeout, 504),
            (RefusalKind::Overloaded, 503),
            (RefusalKind::Unavailable, 503),
            (RefusalKind::Spent, 429),
            (RefusalKind::RateLimited, 429),
            (RefusalKind::TooLarge, 413),
        ] {
            let inner = tower::service_fn(move |_: Request<()>| async move {
                Err::<Response<ScriptedBody>, _>(Refusal::new(kind))
            });
            let Ok(response) = Respond::new(inner).oneshot(Request::new(())).await;
            assert_eq!(response.status().as_u16(), status);
        }
    }
}

use std::task::{Context, Poll};

use http::{Request, Response, header::TE};
use http_body::Body;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use super::{ResponseBody, ResponseFuture};

/// Applies [`ServerTiming`].
///
/// See the [module docs](super) for an example.
///
/// ```
/// # use std::time::Duration;
/// # use http::{Request, Response};
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     body::End,
///     server_timing::ServerTimingLayer,
///     test_util::{ScriptedBody, ScriptedService, Step},
///     types::Outcome,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// // What is known of an answer that was stored.
/// let outcome = Outcome::new();
/// outcome.update(|record| {
///     record.timing.head = Some(Duration::from_millis(80));
///     record.timing.end = Some(Duration::from_millis(500));
///     record.end = Some(End::Complete);
/// });
/// let mut response = Response::new(ScriptedBody::new());
/// response.extensions_mut().insert(outcome);
///
/// let service = ServerTimingLayer::new().layer(ScriptedService::new([Step::Respond(response)]));
/// let response = service.oneshot(Request::new(())).await?;
/// assert_eq!(response.headers()["server-timing"], "head;dur=80.000, body;dur=500.000");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct ServerTimingLayer(());

impl ServerTimingLayer {
    /// A layer that tells callers of the times in the table of the [module](super).
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{server_timing::ServerTimingLayer, test_util::ScriptedService};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// // Of a reply that nobody observes it says nothing.
    /// let service = ServerTimingLayer::new().layer(ScriptedService::default());
    /// let response = service.oneshot(Request::new(())).await?;
    /// assert!(response.headers().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for ServerTimingLayer {
    type Service = ServerTiming<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ServerTiming::new(inner)
    }
}

/// Tells the caller where the time of its answer went.
///
/// See the [module docs](super) for an example.
///
/// ```
/// # use http::{Request, Response};
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     server_timing::{ServerTiming, ServerTimingLayer},
///     test_util::{ScriptedBody, ScriptedService, Step},
///     types::CacheStatus,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let mut response = Response::new(ScriptedBody::new());
/// response.extensions_mut().insert(CacheStatus::Stale);
/// let upstream = ScriptedService::new([Step::Respond(response)]);
/// let service: ServerTiming<ScriptedService> = ServerTimingLayer::new().layer(upstream);
/// let response = service.oneshot(Request::new(())).await?;
/// assert_eq!(response.headers()["server-timing"], "cache;desc=stale");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ServerTiming<S> {
    inner: S,
}

impl<S> ServerTiming<S> {
    /// Wraps `inner`.
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use tower::ServiceExt as _;
    /// # use blossom_layers::{
    /// #     server_timing::ServerTiming,
    /// #     test_util::{ScriptedBody, ScriptedService, Step},
    /// #     types::CacheStatus,
    /// # };
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let mut response = Response::new(ScriptedBody::new());
    /// # response.extensions_mut().insert(CacheStatus::Hit);
    /// # let upstream = ScriptedService::new([Step::Respond(response)]);
    /// let service = ServerTiming::new(upstream); // whose answer comes from a cache
    /// let response = service.oneshot(Request::new(())).await?;
    /// assert_eq!(response.headers()["server-timing"], "cache;desc=hit");
    /// # Ok(())
    /// # }
    /// ```
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B, R> Service<Request<B>> for ServerTiming<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let started = Instant::now();
        let takes_trailers = request.headers().get_all(TE).iter().any(|value| {
            let mut members = value.as_bytes().split(|byte| *byte == b',');
            members.any(|member| member.trim_ascii().eq_ignore_ascii_case(b"trailers"))
        });
        ResponseFuture::new(self.inner.call(request), started, takes_trailers)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::{
        test_util::{ScriptedBody, ScriptedService, Step},
        types::{CacheStatus, Outcome, Timing},
    };

    const SECOND: Duration = Duration::from_secs(1);

    /// An outcome as of a reply that was sent after a second, and began a second after that.
    fn outcome() -> Outcome {
        let outcome = Outcome::new();
        outcome.update(|record| {
            record.timing = Timing {
                sent: Some((Instant::now() + SECOND).into_std()),
                head: Some(SECOND / 2),
                first_event: Some(SECOND),
                ..Timing::default()
            };
        });
        outcome
    }

    async fn answered(
        body: ScriptedBody,
        te: Option<&'static str>,
    ) -> Response<ResponseBody<ScriptedBody>> {
        let mut response = Response::new(body);
        response.extensions_mut().insert(outcome());
        response.extensions_mut().insert(CacheStatus::Miss);
        let mut request = Request::new(());
        if let Some(te) = te {
            request
                .headers_mut()
                .insert(TE, HeaderValue::from_static(te));
        }
        let service = ServerTiming::new(ScriptedService::new([Step::Respond(response)]));
        service.oneshot(request).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_head_says_what_is_known_by_then() {
        let response = answered(ScriptedBody::new().data("a"), None).await;

        let field = response.headers()["server-timing"].to_str().unwrap();
        assert_eq!(
            field,
            "cache;desc=miss, queue;dur=1000.000, head;dur=500.000"
        );
        let whole = response.into_body().collect().await.unwrap();
        assert!(whole.trailers().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn trailers_say_the_rest_where_they_are_taken() {
        let response = answered(ScriptedBody::new().data("a"), Some("gzip, Trailers")).await;
        assert_eq!(response.headers()["trailer"], "server-timing");

        let outcome = response.extensions().get::<Outcome>().unwrap().clone();
        outcome.update(|record| record.timing.end = Some(SECOND * 2));
        let whole = response.into_body().collect().await.unwrap();
        let field = &whole.trailers().unwrap()["server-timing"];
        assert_eq!(field, "first;dur=1000.000, body;dur=2000.000");
    }

    #[tokio::test(start_paused = true)]
    async fn trailers_that_come_are_kept() {
        let body = ScriptedBody::new().data("a").trailer("grpc-status", "0");
        let response = answered(body, Some("trailers")).await;

        let whole = response.into_body().collect().await.unwrap();
        let trailers = whole.trailers().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
        assert_eq!(trailers["server-timing"], "first;dur=1000.000");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_of_known_length_keeps_its_form() {
        let response = answered(ScriptedBody::new().data("a").sized(), Some("trailers")).await;

        assert!(!response.headers().contains_key("trailer"));
        let whole = response.into_body().collect().await.unwrap();
        assert!(whole.trailers().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_of_the_body_is_given_and_nothing_after_it() {
        let body = ScriptedBody::new().error("cut");
        let response = answered(body, Some("trailers")).await;

        let mut body = Box::pin(response.into_body());
        assert!(body.frame().await.unwrap().is_err());
        assert!(body.frame().await.is_none());
    }
}

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{
    HeaderValue, Response,
    header::{CONTENT_LENGTH, TRAILER},
};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::{ResponseBody, entries::Entries};
use crate::types::{CacheStatus, Outcome};

pin_project! {
    /// Response future of [`ServerTiming`](super::ServerTiming).
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use tower::{Layer as _, Service as _, ServiceExt};
    /// use blossom_layers::{
    ///     server_timing::{ResponseFuture, ServerTimingLayer},
    ///     test_util::{ScriptedBody, ScriptedService, Step},
    ///     types::CacheStatus,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut response = Response::new(ScriptedBody::new());
    /// response.extensions_mut().insert(CacheStatus::Miss);
    /// let upstream = ScriptedService::new([Step::Respond(response)]);
    /// let mut service = ServerTimingLayer::new().layer(upstream);
    /// ServiceExt::<Request<()>>::ready(&mut service).await?;
    /// let call: ResponseFuture<_> = service.call(Request::new(()));
    /// assert_eq!(call.await?.headers()["server-timing"], "cache;desc=miss");
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        response: F,
        started: Instant,
        takes_trailers: bool,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(response: F, started: Instant, takes_trailers: bool) -> Self {
        Self {
            response,
            started,
            takes_trailers,
        }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (mut head, body) = ready!(this.response.poll(cx))?.into_parts();
        let cache = head.extensions.get::<CacheStatus>().copied();
        let outcome = head.extensions.get::<Outcome>();
        let timing = outcome.map(|outcome| outcome.timing().since(this.started.into_std()));
        let mut entries = Entries::head(cache, timing);
        let mut later = None;
        match (timing, outcome) {
            (Some(timing), Some(outcome)) if outcome.ended() => entries = entries.body(timing),
            (_, Some(outcome)) if *this.takes_trailers => {
                let sized = head.headers.contains_key(CONTENT_LENGTH)
                    || body.size_hint().exact().is_some()
                    || body.is_end_stream();
                later = (!sized).then(|| outcome.clone());
            }
            _ => {}
        }
        entries.write(&mut head.headers);
        if later.is_some() {
            let name = HeaderValue::from_static("server-timing");
            head.headers.append(TRAILER, name);
        }
        Poll::Ready(Ok(Response::from_parts(
            head,
            ResponseBody::new(body, later),
        )))
    }
}

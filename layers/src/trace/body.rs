use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::span::Traced;
use crate::{body::Guarded, types::ErrorType};

pin_project! {
    /// Response body of [`Trace`](super::Trace).
    ///
    /// ```
    /// # use http::Request;
    /// # use http_body_util::BodyExt as _;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// use blossom_layers::{
    ///     test_util::{ScriptedBody, ScriptedService},
    ///     trace::{ResponseBody, TraceLayer},
    ///     types::ErrorWords,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let upstream = ScriptedService::once(ScriptedBody::new().data("hello"));
    /// let response = TraceLayer::call().layer(upstream).oneshot(Request::new(())).await?;
    /// let body: ResponseBody<ScriptedBody, ErrorWords> = response.into_body();
    /// assert_eq!(body.collect().await?.to_bytes(), "hello");
    /// # Ok(())
    /// # }
    /// ```
    pub struct ResponseBody<B, E: ErrorType> {
        #[pin]
        inner: Guarded<B, Traced<E>>,
    }
}

impl<B: Body, E: ErrorType> ResponseBody<B, E> {
    pub(super) fn new(body: B, traced: Traced<E>) -> Self {
        Self {
            inner: Guarded::new(body, traced),
        }
    }
}

impl<B, E> Body for ResponseBody<B, E>
where
    B: Body<Data = Bytes>,
    B::Error: 'static,
    E: ErrorType,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let inner = self.project().inner;
        inner.poll_frame_with(cx, |traced, error| traced.failed(error))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: fmt::Debug, E: ErrorType> fmt::Debug for ResponseBody<B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("inner", &self.inner)
            .finish()
    }
}

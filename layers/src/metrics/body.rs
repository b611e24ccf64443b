use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::call::{Call, Gone};
use crate::{body::Guarded, types::ErrorType};

pin_project! {
    /// Response body of [`Metrics`](super::Metrics).
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// use blossom_layers::{
    ///     metrics::{MetricsLayer, ResponseBody, name},
    ///     test_util::{ScriptedBody, ScriptedService},
    ///     types::ErrorWords,
    /// };
    /// use metrics_util::debugging::DebuggingRecorder;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let recorder = DebuggingRecorder::new();
    /// let figures = recorder.snapshotter();
    /// let _installed = metrics::set_default_local_recorder(&recorder);
    ///
    /// let ended = || {
    ///     let seen = figures.snapshot().into_vec();
    ///     seen.iter().any(|(key, ..)| key.key().name() == name::CALLS_ENDED)
    /// };
    /// let service = MetricsLayer::new().layer(ScriptedService::once(ScriptedBody::new()));
    /// let response = service.oneshot(Request::new(())).await?;
    /// let body: ResponseBody<ScriptedBody, ErrorWords> = response.into_body();
    /// assert!(!ended());
    /// drop(body);
    /// assert!(ended());
    /// # Ok(())
    /// # }
    /// ```
    pub struct ResponseBody<B, E: ErrorType> {
        #[pin]
        inner: Guarded<B, Call<E>>,
        // Dropped after it.
        gone: Gone,
    }
}

impl<B: Body, E: ErrorType> ResponseBody<B, E> {
    pub(super) fn new(body: B, call: Call<E>) -> Self {
        let gone = call.gone();
        Self {
            inner: Guarded::new(body, call),
            gone,
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
        let this = self.project();
        let frame = this
            .inner
            .poll_frame_with(cx, |call, error| call.failed(error));
        if let Poll::Ready(None | Some(Err(_))) = frame {
            // Its end was told.
            this.gone.settled();
        }
        frame
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

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{ResponseBody, span::Traced};
use crate::{
    body::{End, Guard},
    types::ErrorType,
};

pin_project! {
    /// Response future of [`Trace`](super::Trace).
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, Service as _, ServiceExt};
    /// use blossom_layers::{
    ///     test_util::ScriptedService,
    ///     trace::{ResponseFuture, TraceLayer},
    ///     types::ErrorWords,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut service = TraceLayer::call().layer(ScriptedService::default());
    /// ServiceExt::<Request<()>>::ready(&mut service).await?;
    /// let call: ResponseFuture<_, ErrorWords> = service.call(Request::new(()));
    /// assert_eq!(call.await?.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    pub struct ResponseFuture<F, E: ErrorType> {
        #[pin]
        response: F,
        traced: Traced<E>,
    }
}

impl<F, E: ErrorType> ResponseFuture<F, E> {
    pub(super) const fn new(response: F, traced: Traced<E>) -> Self {
        Self { response, traced }
    }
}

impl<F, R, T, E> Future for ResponseFuture<F, E>
where
    F: Future<Output = Result<Response<R>, T>>,
    R: Body,
    T: 'static,
    E: ErrorType,
{
    type Output = Result<Response<ResponseBody<R, E>>, T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // Spelled out: each `map` on the way would move the whole response once more.
        match ready!(this.traced.around(|| this.response.poll(cx))) {
            Ok(response) => {
                this.traced.head(&response);
                let (head, body) = response.into_parts();
                let body = ResponseBody::new(body, this.traced.take());
                Poll::Ready(Ok(Response::from_parts(head, body)))
            }
            Err(error) => {
                this.traced.failed(&error);
                this.traced.take().end(End::Failed);
                Poll::Ready(Err(error))
            }
        }
    }
}

impl<F, E: ErrorType> fmt::Debug for ResponseFuture<F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;

use super::PromptTooLarge;
use crate::{
    BoxError,
    types::{Warning, Warnings},
};

pin_project! {
    /// Response future of [`Estimate`](super::Estimate).
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, Service as _, ServiceExt};
    /// use blossom_layers::{
    ///     estimate::{EstimateLayer, ResponseFuture},
    ///     test_util::ScriptedService,
    ///     types::{TokenEstimate, Warnings},
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let policy = |_: &Request<()>| Some(TokenEstimate::new(9_000));
    /// let layer = EstimateLayer::new(policy).warn_above(8_000);
    /// let mut service = layer.layer(ScriptedService::default());
    /// ServiceExt::<Request<()>>::ready(&mut service).await?;
    /// let call: ResponseFuture<_> = service.call(Request::new(()));
    /// assert!(call.await?.extensions().get::<Warnings>().is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Calling { #[pin] response: F, warning: Option<Warning> },
        Refused { error: Option<PromptTooLarge> },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn calling(response: F, warning: Option<Warning>) -> Self {
        Self {
            state: State::Calling { response, warning },
        }
    }

    pub(super) const fn refused(error: PromptTooLarge) -> Self {
        Self {
            state: State::Refused { error: Some(error) },
        }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<R>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Calling { response, warning } => match ready!(response.poll(cx)) {
                Ok(mut response) => {
                    if let Some(warning) = warning.take() {
                        let extensions = response.extensions_mut();
                        extensions
                            .get_or_insert_with(Warnings::default)
                            .push(warning);
                    }
                    Poll::Ready(Ok(response))
                }
                Err(error) => Poll::Ready(Err(error.into())),
            },
            StateProj::Refused { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error.into())),
                // Polled after its end.
                None => Poll::Pending,
            },
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

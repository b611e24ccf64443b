use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::{Overloaded, service_time::ServiceTime};
use crate::BoxError;

pin_project! {
    /// Response future of [`LoadShed`](super::LoadShed).
    ///
    /// ```
    /// use blossom_layers::{load_shed::{LoadShedLayer, ResponseFuture}, test_util::ScriptedService};
    /// # use http::Request;
    /// # use tower::{Layer, Service, ServiceExt};
    ///
    /// /// What a service `S` answers with, if it is asked at all.
    /// type Answer<S> = ResponseFuture<<S as Service<Request<()>>>::Future>;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut service = LoadShedLayer::new().layer(ScriptedService::default());
    /// let ready = ServiceExt::<Request<()>>::ready(&mut service).await?;
    /// let answer: Answer<ScriptedService> = ready.call(Request::new(()));
    /// assert_eq!(answer.await?.status(), 200);
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
        Shed { overloaded: Overloaded },
        Calling { #[pin] response: F, time: Option<ServiceTime> },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn shed(overloaded: Overloaded) -> Self {
        Self {
            state: State::Shed { overloaded },
        }
    }

    pub(super) const fn calling(response: F, time: Option<ServiceTime>) -> Self {
        Self {
            state: State::Calling { response, time },
        }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Shed { overloaded } => Poll::Ready(Err((*overloaded).into())),
            StateProj::Calling { response, time } => {
                let result = ready!(response.poll(cx));
                if let Some(time) = time.take() {
                    time.end();
                }
                Poll::Ready(result.map_err(Into::into))
            }
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

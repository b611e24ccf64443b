use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;

use super::{
    ResponseBody,
    answer::{Dialect, answer},
};
use crate::BoxError;

pin_project! {
    /// Response future of [`Respond`](super::Respond).
    ///
    /// ```
    /// use std::convert::Infallible;
    ///
    /// use blossom_layers::{respond::{RespondLayer, ResponseFuture}, test_util::*};
    /// # use http::Request;
    /// # use tower::{Layer, Service, ServiceExt};
    ///
    /// /// What a service `S` answers with, come what may.
    /// type Answer<S> = ResponseFuture<<S as Service<Request<()>>>::Future>;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut service = RespondLayer::new().layer(ScriptedService::new([Step::Fail("down")]));
    /// let ready = ServiceExt::<Request<()>>::ready(&mut service).await?;
    /// let answer: Answer<ScriptedService> = ready.call(Request::new(()));
    /// let Ok::<_, Infallible>(response) = answer.await;
    /// assert_eq!(response.status(), 500);
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
        // Taken when the answer is there.
        dialect: Option<Dialect>,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F> {
        Calling { #[pin] response: F },
        Failed { error: BoxError },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn calling(response: F, dialect: Dialect) -> Self {
        Self {
            state: State::Calling { response },
            dialect: Some(dialect),
        }
    }

    pub(super) const fn failed(error: BoxError, dialect: Dialect) -> Self {
        Self {
            state: State::Failed { error },
            dialect: Some(dialect),
        }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody<R>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = match this.state.project() {
            StateProj::Calling { response } => ready!(response.poll(cx)).map_err(Into::into),
            StateProj::Failed { error } => {
                let dialect = this.dialect.take().unwrap_or(Dialect::Http);
                return Poll::Ready(Ok(answer(error, dialect)));
            }
        };
        let dialect = this.dialect.take().unwrap_or(Dialect::Http);
        Poll::Ready(Ok(match result {
            Ok(response) => {
                response.map(|body| ResponseBody::inner(body, dialect.ends_in_trailers()))
            }
            Err(error) => answer(&error, dialect),
        }))
    }
}

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{Overloaded, ServiceTime};
use crate::{BoxError, body::Guarded};

pin_project! {
    /// Response future of [`LoadShed`](super::LoadShed).
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

    pub(super) const fn calling(response: F, time: ServiceTime) -> Self {
        Self {
            state: State::Calling {
                response,
                time: Some(time),
            },
        }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
    R: Body,
{
    type Output = Result<Response<Guarded<R, ServiceTime>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Shed { overloaded } => Poll::Ready(Err((*overloaded).into())),
            StateProj::Calling { response, time } => {
                let response = ready!(response.poll(cx)).map_err(Into::into)?;
                let Some(time) = time.take() else {
                    // Polled after its end.
                    return Poll::Pending;
                };
                Poll::Ready(Ok(response.map(|body| Guarded::new(body, time))))
            }
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::Settle;
use crate::{BoxError, body::Guarded, oneshot::Called, types::Price};

pin_project! {
    /// Response future of [`Spend`](super::Spend).
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, Service as _};
    /// use blossom_layers::{
    ///     spend::{ResponseFuture, SpendLayer},
    ///     test_util::ScriptedService,
    ///     types::{Nanos, Quote, Record},
    /// };
    ///
    /// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)))
    ///     .quote(|_: &Request<()>| Some(Quote::new().most(Nanos(50))));
    /// let mut service = spend.layer(ScriptedService::default());
    /// let call: ResponseFuture<_, (), _, _> = service.call(Request::new(()));
    /// assert_eq!(spend.handle().totals().reserved, Nanos(50));
    /// drop(call); // it was never sent
    /// assert_eq!(spend.handle().totals().reserved, Nanos::ZERO);
    /// ```
    pub struct ResponseFuture<S, B, F, P: Price> {
        #[pin]
        state: State<S, B, F>,
        // `None` once it hangs on the body.
        settle: Option<Settle<P>>,
        // Nothing is sent before.
        polled: bool,
    }

    impl<S, B, F, P: Price> PinnedDrop for ResponseFuture<S, B, F, P> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            // What was not sent yet gives its reservation back.
            if *this.polled
                && this.state.is_sent()
                && let Some(mut settle) = this.settle.take()
            {
                settle.dropped();
            }
        }
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, F> {
        Calling { #[pin] call: Called<S, Request<B>, F> },
        Refused { error: Option<BoxError> },
    }
}

impl<S, B, F> State<S, B, F> {
    const fn is_sent(&self) -> bool {
        match self {
            Self::Calling { call } => call.is_sent(),
            Self::Refused { .. } => false,
        }
    }
}

impl<S, B, P> ResponseFuture<S, B, S::Future, P>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
    P: Price,
{
    pub(super) fn calling(inner: S, request: Request<B>, settle: Settle<P>) -> Self {
        Self {
            state: State::Calling {
                call: Called::new(inner, request),
            },
            settle: Some(settle),
            polled: false,
        }
    }
}

impl<S, B, F, P: Price> ResponseFuture<S, B, F, P> {
    pub(super) const fn refused(error: BoxError) -> Self {
        Self {
            state: State::Refused { error: Some(error) },
            settle: None,
            polled: false,
        }
    }
}

impl<S, B, R, P> Future for ResponseFuture<S, B, S::Future, P>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body,
    P: Price,
{
    type Output = Result<Response<Guarded<R, Settle<P>>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        *this.polled = true;
        let result = match this.state.project() {
            StateProj::Calling { call } if this.settle.is_some() => ready!(call.poll(cx)),
            // Polled after its end, either is pending for ever.
            StateProj::Calling { .. } => return Poll::Pending,
            StateProj::Refused { error } => {
                return error
                    .take()
                    .map_or(Poll::Pending, |it| Poll::Ready(Err(it)));
            }
        };
        let Some(mut settle) = this.settle.take() else {
            return Poll::Pending;
        };
        match result {
            Ok(response) => {
                settle.head(&response);
                Poll::Ready(Ok(response.map(|body| Guarded::new(body, settle))))
            }
            Err(error) => {
                settle.failed(&*error);
                Poll::Ready(Err(error))
            }
        }
    }
}

impl<S, B, F, P: Price> fmt::Debug for ResponseFuture<S, B, F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("settle", &self.settle)
            .finish_non_exhaustive()
    }
}

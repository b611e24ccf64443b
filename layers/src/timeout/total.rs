use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use super::{Clock, Elapsed};
use crate::{BoxError, timer::Timer, types::Deadline};

/// Applies [`TotalTimeout`].
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::timeout::TotalTimeoutLayer;
///
/// let layer = TotalTimeoutLayer::new(Duration::from_secs(120));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TotalTimeoutLayer {
    after: Duration,
}

impl TotalTimeoutLayer {
    /// A layer that gives each call `after` in all: queues, retries and the body.
    ///
    /// It places a [`Deadline`] in the request. One that is there already and is earlier holds, so
    /// that the remaining time only shrinks; `Duration::MAX` adds none, and only holds such a one.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     test_util::ScriptedService,
    /// #     timeout::TotalTimeoutLayer,
    /// #     types::Deadline,
    /// # };
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let upstream = ScriptedService::default();
    /// let service = TotalTimeoutLayer::new(Duration::from_secs(60)).layer(upstream.clone());
    /// service.oneshot(Request::new(())).await?;
    /// assert!(Deadline::of(&upstream.seen()[0].extensions).is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn new(after: Duration) -> Self {
        Self { after }
    }
}

impl<S> Layer<S> for TotalTimeoutLayer {
    type Service = TotalTimeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TotalTimeout::new(inner, self.after)
    }
}

/// Gives up on a reply that has not ended in time.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::timeout::TotalTimeout;
///
/// let service = TotalTimeout::new("any service", Duration::from_secs(60));
/// ```
#[derive(Debug, Clone)]
pub struct TotalTimeout<S> {
    inner: S,
    after: Duration,
}

impl<S> TotalTimeout<S> {
    /// Wraps `inner`.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::ServiceExt as _;
    /// # use blossom_layers::{test_util::ScriptedService, timeout::TotalTimeout, types::Deadline};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// // It adds no deadline, and keeps one that is there.
    /// let upstream = ScriptedService::default();
    /// let service = TotalTimeout::new(upstream.clone(), Duration::MAX);
    /// service.oneshot(Request::new(())).await?;
    /// assert_eq!(Deadline::of(&upstream.seen()[0].extensions), None);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn new(inner: S, after: Duration) -> Self {
        Self { inner, after }
    }

    /// The limit of a call that is made now, and the deadline to write into the request.
    fn limit<B>(&self, request: &mut Request<B>) -> Option<Limit> {
        let given = Deadline::of(request.extensions());
        if given.is_none() && self.after == Duration::MAX {
            return None;
        }
        let now = Instant::now().into_std();
        let own = Deadline::after(now, self.after);
        let deadline = match (own, given) {
            (Some(own), Some(given)) => own.min(given),
            (own, given) => own.or(given)?,
        };
        request.extensions_mut().insert(deadline);
        Some(Limit {
            at: Instant::from_std(deadline.instant()),
            after: deadline.remaining(now),
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Limit {
    at: Instant,
    after: Duration,
}

impl Limit {
    fn elapsed(self) -> BoxError {
        Elapsed::new(Clock::Total, self.after).into()
    }
}

impl<S, B, R> Service<Request<B>> for TotalTimeout<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<TotalBody<R>>;
    type Error = BoxError;
    type Future = TotalFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let limit = self.limit(&mut request);
        TotalFuture {
            response: self.inner.call(request),
            timer: Timer::default(),
            limit,
        }
    }
}

pin_project! {
    /// Response future of [`TotalTimeout`].
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, Service as _, ServiceExt};
    /// use std::time::Duration;
    ///
    /// use blossom_layers::{
    ///     test_util::ScriptedService,
    ///     timeout::{TotalTimeoutLayer, future::TotalFuture},
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = TotalTimeoutLayer::new(Duration::from_secs(60));
    /// let mut service = layer.layer(ScriptedService::default());
    /// ServiceExt::<Request<()>>::ready(&mut service).await?;
    /// let call: TotalFuture<_> = service.call(Request::new(()));
    /// assert_eq!(call.await?.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct TotalFuture<F> {
        #[pin]
        response: F,
        timer: Timer,
        limit: Option<Limit>,
    }
}

impl<F, R, E> Future for TotalFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<TotalBody<R>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let limit = *this.limit;

        // Spelled out: each `map` on the way would move the whole response once more.
        match this.response.poll(cx) {
            Poll::Ready(Ok(response)) => {
                let (head, body) = response.into_parts();
                let body = TotalBody {
                    inner: Some(body),
                    timer: Timer::default(),
                    limit,
                };
                return Poll::Ready(Ok(Response::from_parts(head, body)));
            }
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
            Poll::Pending => {}
        }
        let Some(limit) = limit else {
            return Poll::Pending;
        };
        this.timer
            .poll_until(limit.at, cx)
            .map(|()| Err(limit.elapsed()))
    }
}

pin_project! {
    /// Response body of [`TotalTimeout`].
    ///
    /// ```
    /// # use http::Request;
    /// # use http_body_util::BodyExt as _;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// use std::time::Duration;
    ///
    /// use blossom_layers::{
    ///     test_util::{ScriptedBody, ScriptedService},
    ///     timeout::{TotalTimeoutLayer, future::TotalBody},
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let body = ScriptedBody::new().data("A ").wait(Duration::from_secs(100)).data("flower");
    /// let layer = TotalTimeoutLayer::new(Duration::from_secs(60));
    /// let response = layer.layer(ScriptedService::once(body)).oneshot(Request::new(())).await?;
    /// let body: TotalBody<ScriptedBody> = response.into_body();
    /// let error = body.collect().await.unwrap_err();
    /// assert_eq!(error.to_string(), "the response did not end within 60s");
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct TotalBody<B> {
        // `None` once the clock has fired: the upstream is closed at once.
        #[pin]
        inner: Option<B>,
        timer: Timer,
        limit: Option<Limit>,
    }
}

impl<B> Body for TotalBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let polled = inner.poll_frame(cx);
        let Some(limit) = *this.limit else {
            return polled.map(|frame| frame.map(|frame| frame.map_err(Into::into)));
        };
        match polled {
            // A body that always has a frame would never meet its clock below.
            Poll::Ready(Some(Ok(_))) if Instant::now() > limit.at => {}
            Poll::Ready(frame) => {
                return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
            }
            Poll::Pending => std::task::ready!(this.timer.poll_until(limit.at, cx)),
        }
        this.inner.set(None);
        Poll::Ready(Some(Err(limit.elapsed())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(SizeHint::default, Body::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::test_util::{ScriptedBody, ScriptedService, Step};

    const LIMIT: Duration = Duration::from_secs(1);

    fn clock(error: &BoxError) -> Clock {
        error.downcast_ref::<Elapsed>().unwrap().clock()
    }

    #[tokio::test(start_paused = true)]
    async fn g1_total_covers_the_head() {
        let service = TotalTimeout::new(ScriptedService::new([Step::Hang]), LIMIT);

        let error = service.oneshot(Request::new(())).await.unwrap_err();

        assert_eq!(clock(&error), Clock::Total);
    }

    #[tokio::test(start_paused = true)]
    async fn g2_total_ends_a_body_that_dribbles_for_ever() {
        let dribble = (0..100).fold(ScriptedBody::new(), |body, _| {
            body.wait(Duration::from_millis(300)).data("x")
        });
        let log = dribble.log();
        let service = TotalTimeout::new(ScriptedService::once(dribble), LIMIT);
        let start = Instant::now();

        let response = service.oneshot(Request::new(())).await.unwrap();
        let mut body = Box::pin(response.into_body());
        let mut frames = 0;
        let error = loop {
            match body.frame().await.unwrap() {
                Ok(_) => frames += 1,
                Err(error) => break error,
            }
        };

        assert_eq!((frames, clock(&error)), (3, Clock::Total));
        assert_eq!(start.elapsed(), LIMIT);
        assert!(
            log.dropped(),
            "the upstream is closed before the body is dropped"
        );
        assert!(body.frame().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_always_ready_is_ended_too() {
        let flood = (0..100).fold(ScriptedBody::new(), |body, _| body.data("x"));
        let service = TotalTimeout::new(ScriptedService::once(flood), LIMIT);

        let response = service.oneshot(Request::new(())).await.unwrap();
        let mut body = Box::pin(response.into_body());
        body.frame().await.unwrap().unwrap();
        tokio::time::advance(LIMIT * 2).await;

        assert!(body.frame().await.unwrap().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn places_the_deadline_and_keeps_an_earlier_one() {
        let inner = ScriptedService::default();
        let outer = TotalTimeout::new(TotalTimeout::new(inner.clone(), LIMIT * 2), LIMIT);
        let start = Instant::now();

        outer.oneshot(Request::new(())).await.unwrap();

        let seen = inner.seen();
        let deadline = seen.first().unwrap().extensions.get::<Deadline>().unwrap();
        assert_eq!(deadline.instant(), (start + LIMIT).into_std());
    }

    #[tokio::test(start_paused = true)]
    async fn g7_the_longest_duration_sets_no_deadline_and_zero_takes_what_is_ready() {
        let inner = ScriptedService::default();
        let unlimited = TotalTimeout::new(inner.clone(), Duration::MAX);
        unlimited.oneshot(Request::new(())).await.unwrap();
        let seen = inner.seen();
        assert!(seen.first().unwrap().extensions.get::<Deadline>().is_none());

        let zero = TotalTimeout::new(ScriptedService::default(), Duration::ZERO);
        assert!(zero.oneshot(Request::new(())).await.is_ok());
    }
}

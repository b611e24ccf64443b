use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
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
use crate::{BoxError, timer::Timer, types::Outcome};

/// Applies [`FirstEventTimeout`].
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::timeout::FirstEventTimeoutLayer;
///
/// let layer = FirstEventTimeoutLayer::new(Duration::from_secs(300));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct FirstEventTimeoutLayer {
    after: Duration,
    only_body: bool,
}

impl FirstEventTimeoutLayer {
    /// A layer that waits `after` for the answer to begin, head included.
    ///
    /// `Duration::MAX` waits for ever; zero takes only what is ready at once.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::Request;
    /// # use http_body_util::BodyExt as _;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     test_util::{ScriptedBody, ScriptedService},
    /// #     timeout::{Clock, Elapsed, FirstEventTimeoutLayer},
    /// # };
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// // A head that comes at once, and no more.
    /// let upstream = ScriptedService::once(ScriptedBody::new().stall());
    /// let service = FirstEventTimeoutLayer::new(Duration::from_secs(30)).layer(upstream);
    /// let response = service.oneshot(Request::new(())).await?;
    /// let error = response.into_body().collect().await.unwrap_err();
    /// assert_eq!(error.downcast_ref().map(Elapsed::clock), Some(Clock::FirstEvent));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn new(after: Duration) -> Self {
        Self {
            after,
            only_body: false,
        }
    }

    /// Leaves the wait for the head to a [head timeout](super::HeadTimeoutLayer) beside it, which saves
    /// a timer a call. The time still counts from the sending of the request. Off by default; right
    /// only where that head timeout is no longer than this one.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::{Request, Response};
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     test_util::{ScriptedBody, ScriptedService, Step},
    /// #     timeout::FirstEventTimeoutLayer,
    /// # };
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let late = Step::RespondAfter(Duration::from_secs(40), Response::new(ScriptedBody::new()));
    /// let layer = FirstEventTimeoutLayer::new(Duration::from_secs(30)).only_body(true);
    /// let service = layer.layer(ScriptedService::new([late]));
    /// // It is left to a head timeout to end this.
    /// assert!(service.oneshot(Request::new(())).await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn only_body(mut self, only_body: bool) -> Self {
        self.only_body = only_body;
        self
    }
}

impl<S> Layer<S> for FirstEventTimeoutLayer {
    type Service = FirstEventTimeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        FirstEventTimeout {
            inner,
            after: self.after,
            only_body: self.only_body,
        }
    }
}

/// Gives up on a reply that does not begin in time.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::timeout::FirstEventTimeout;
///
/// let service = FirstEventTimeout::new("any service", Duration::from_secs(60));
/// ```
#[derive(Debug, Clone)]
pub struct FirstEventTimeout<S> {
    inner: S,
    after: Duration,
    only_body: bool,
}

impl<S> FirstEventTimeout<S> {
    /// Wraps `inner`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::Request;
    /// # use tower::ServiceExt as _;
    /// # use blossom_layers::{
    /// #     test_util::{ScriptedService, Step},
    /// #     timeout::{Elapsed, FirstEventTimeout},
    /// # };
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let upstream = ScriptedService::new([Step::Hang]);
    /// let service = FirstEventTimeout::new(upstream, Duration::from_secs(30));
    /// let error = service.oneshot(Request::new(())).await.unwrap_err();
    /// assert!(error.is::<Elapsed>());
    /// # Ok(())
    /// # }
    /// ```
    pub const fn new(inner: S, after: Duration) -> Self {
        Self {
            inner,
            after,
            only_body: false,
        }
    }
}

impl<S, B, R> Service<Request<B>> for FirstEventTimeout<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<FirstEventBody<R>>;
    type Error = BoxError;
    type Future = FirstEventFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        FirstEventFuture {
            response: self.inner.call(request),
            timer: Timer::default(),
            limit: Limit {
                at: None,
                after: self.after,
            },
            only_body: self.only_body,
        }
    }
}

/// The deadline is set at the first `Pending`, in the head or in the body: until then nobody has
/// waited.
#[derive(Debug, Clone, Copy)]
struct Limit {
    at: Option<Instant>,
    after: Duration,
}

impl Limit {
    /// Starts to count, at the first wait.
    fn start(&mut self) -> Option<Instant> {
        if self.at.is_none() {
            self.at = Instant::now().checked_add(self.after);
        }
        self.at
    }

    fn poll(&mut self, timer: &mut Timer, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.start() else {
            // The end of time.
            return Poll::Pending;
        };
        timer.poll_until(at, cx)
    }

    fn passed(&self) -> bool {
        self.at.is_some_and(|at| Instant::now() > at)
    }

    fn elapsed(&self) -> BoxError {
        Elapsed::new(Clock::FirstEvent, self.after).into()
    }
}

pin_project! {
    /// Response future of [`FirstEventTimeout`].
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, Service as _, ServiceExt};
    /// use std::time::Duration;
    ///
    /// use blossom_layers::{
    ///     test_util::ScriptedService,
    ///     timeout::{FirstEventTimeoutLayer, future::FirstEventFuture},
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = FirstEventTimeoutLayer::new(Duration::from_secs(30));
    /// let mut service = layer.layer(ScriptedService::default());
    /// ServiceExt::<Request<()>>::ready(&mut service).await?;
    /// let call: FirstEventFuture<_> = service.call(Request::new(()));
    /// assert_eq!(call.await?.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct FirstEventFuture<F> {
        #[pin]
        response: F,
        timer: Timer,
        limit: Limit,
        only_body: bool,
    }
}

impl<F, R, E> Future for FirstEventFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<FirstEventBody<R>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.response.poll(cx) {
            Poll::Ready(Ok(response)) => {
                let outcome = response.extensions().get::<Outcome>().cloned();
                Poll::Ready(Ok(response.map(|inner| FirstEventBody {
                    inner: Some(inner),
                    timer: Timer::default(),
                    limit: Some(*this.limit),
                    outcome,
                })))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
            Poll::Pending => {
                if *this.only_body {
                    this.limit.start();
                    return Poll::Pending;
                }
                ready!(this.limit.poll(this.timer, cx));
                Poll::Ready(Err(this.limit.elapsed()))
            }
        }
    }
}

pin_project! {
    /// Response body of [`FirstEventTimeout`].
    ///
    /// ```
    /// # use http::Request;
    /// # use http_body_util::BodyExt as _;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// use std::time::Duration;
    ///
    /// use blossom_layers::{
    ///     test_util::{ScriptedBody, ScriptedService},
    ///     timeout::{FirstEventTimeoutLayer, future::FirstEventBody},
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// // Once the answer has begun, it may take its time.
    /// let body = ScriptedBody::new().data("A ").wait(Duration::from_secs(60)).data("flower");
    /// let layer = FirstEventTimeoutLayer::new(Duration::from_secs(30));
    /// let response = layer.layer(ScriptedService::once(body)).oneshot(Request::new(())).await?;
    /// let body: FirstEventBody<ScriptedBody> = response.into_body();
    /// assert_eq!(body.collect().await?.to_bytes(), "A flower");
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct FirstEventBody<B> {
        // `None` once the clock has fired: the upstream is closed at once.
        #[pin]
        inner: Option<B>,
        timer: Timer,
        // `None` once the answer has begun.
        limit: Option<Limit>,
        outcome: Option<Outcome>,
    }
}

impl<B> Body for FirstEventBody<B>
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
        let Some(limit) = this.limit else {
            return polled.map(|frame| frame.map(|frame| frame.map_err(Into::into)));
        };
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                if begins(&frame, this.outcome.as_ref()) {
                    *this.limit = None;
                    *this.outcome = None;
                    this.timer.stop();
                    return Poll::Ready(Some(Ok(frame)));
                }
                // Comments that come without a pause would never meet their clock below.
                if !limit.passed() {
                    return Poll::Ready(Some(Ok(frame)));
                }
            }
            Poll::Ready(end) => {
                return Poll::Ready(end.map(|frame| frame.map_err(Into::into)));
            }
            Poll::Pending => ready!(limit.poll(this.timer, cx)),
        }
        let error = limit.elapsed();
        this.inner.set(None);
        Poll::Ready(Some(Err(error)))
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

/// Whether the answer has begun: who observes it knows; else any data will do.
fn begins(frame: &Frame<Bytes>, outcome: Option<&Outcome>) -> bool {
    match outcome {
        Some(outcome) => outcome.timing().first_event.is_some(),
        None => frame.data_ref().is_some_and(|data| !data.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::test_util::{ScriptedBody, ScriptedService, Step};

    const LIMIT: Duration = Duration::from_secs(1);
    const HALF: Duration = Duration::from_millis(500);

    async fn read(steps: Step) -> Result<Bytes, BoxError> {
        let service = FirstEventTimeout::new(ScriptedService::new([steps]), LIMIT);
        let response = service.oneshot(Request::new(())).await?;
        Ok(response.into_body().collect().await?.to_bytes())
    }

    fn respond(head: Duration, body: ScriptedBody) -> Step {
        Step::RespondAfter(head, Response::new(body))
    }

    fn clock(error: &BoxError) -> Clock {
        error.downcast_ref::<Elapsed>().unwrap().clock()
    }

    #[tokio::test(start_paused = true)]
    async fn g1_first_event_counts_head_and_body_together() {
        let in_time = respond(HALF, ScriptedBody::new().wait(HALF).data("x"));
        assert_eq!(read(in_time).await.unwrap(), "x");

        let late = respond(HALF, ScriptedBody::new().wait(HALF + HALF / 100).data("x"));
        assert_eq!(clock(&read(late).await.unwrap_err()), Clock::FirstEvent);

        assert_eq!(
            clock(&read(Step::Hang).await.unwrap_err()),
            Clock::FirstEvent
        );
    }

    #[tokio::test(start_paused = true)]
    async fn only_in_the_body_the_time_still_counts_from_the_request() {
        let late = respond(LIMIT * 2, ScriptedBody::new().wait(HALF).data("x"));
        let layer = FirstEventTimeoutLayer::new(LIMIT).only_body(true);
        let service = layer.layer(ScriptedService::new([late]));

        let response = service.oneshot(Request::new(())).await.unwrap();
        let error = response.into_body().collect().await.unwrap_err();

        assert_eq!(clock(&error), Clock::FirstEvent);
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_first_event_the_clock_is_off() {
        let body = ScriptedBody::new().data("x").wait(LIMIT * 100).data("y");

        assert_eq!(read(respond(HALF, body)).await.unwrap(), "xy");
    }

    #[tokio::test(start_paused = true)]
    async fn g4_comments_do_not_count_when_the_reply_is_observed() {
        let comments = (0..50).fold(ScriptedBody::new(), |body, _| {
            body.wait(HALF / 10).data(":\n")
        });
        let log = comments.log();
        let mut response = Response::new(comments);
        response.extensions_mut().insert(Outcome::new());

        let error = read(Step::Respond(response)).await.unwrap_err();

        assert_eq!(clock(&error), Clock::FirstEvent);
        assert!(log.dropped());
    }

    #[tokio::test(start_paused = true)]
    async fn comments_without_a_pause_meet_the_clock_too() {
        let comments = (0..50).fold(ScriptedBody::new().wait(HALF), |body, _| body.data(":\n"));
        let mut response = Response::new(comments);
        response.extensions_mut().insert(Outcome::new());
        let service =
            FirstEventTimeout::new(ScriptedService::new([Step::Respond(response)]), LIMIT);

        let response = service.oneshot(Request::new(())).await.unwrap();
        let mut body = Box::pin(response.into_body());
        body.frame().await.unwrap().unwrap();
        tokio::time::advance(LIMIT).await;

        assert!(body.frame().await.unwrap().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn g7_the_longest_duration_waits_for_ever() {
        let service = FirstEventTimeout::new(ScriptedService::new([Step::Hang]), Duration::MAX);
        let answer = tokio::time::timeout(LIMIT, service.oneshot(Request::new(()))).await;

        assert!(answer.is_err(), "only the outer clock fires");
    }
}

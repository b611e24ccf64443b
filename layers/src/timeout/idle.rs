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

use super::{
    Clock, Elapsed,
    unread::{Held, Watchdog},
};
use crate::{BoxError, timer::Timer};

/// Applies [`IdleTimeout`].
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::timeout::IdleTimeoutLayer;
///
/// let layer = IdleTimeoutLayer::new(Duration::from_secs(300)).max_unread(Duration::from_secs(60));
/// ```
#[derive(Debug, Clone)]
pub struct IdleTimeoutLayer {
    after: Duration,
    watchdog: Option<Watchdog>,
}

impl IdleTimeoutLayer {
    /// A layer that lets a body be silent for `after` while somebody waits for its next frame.
    ///
    /// `Duration::MAX` waits for ever; zero takes only frames that are ready.
    ///
    /// ```
    /// # use http::Request;
    /// # use http_body_util::BodyExt as _;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     test_util::{ScriptedBody, ScriptedService},
    /// #     timeout::IdleTimeoutLayer,
    /// # };
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// // It is long, and never silent for long.
    /// let pause = Duration::from_secs(20);
    /// let body = ScriptedBody::new().data("A ").wait(pause).data("flow").wait(pause).data("er");
    /// let layer = IdleTimeoutLayer::new(Duration::from_secs(30));
    /// let response = layer.layer(ScriptedService::once(body)).oneshot(Request::new(())).await?;
    /// assert_eq!(response.into_body().collect().await?.to_bytes(), "A flower");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn new(after: Duration) -> Self {
        Self {
            after,
            watchdog: None,
        }
    }

    /// Closes a body that was not read for `after`, so that what hangs on it is freed: the
    /// connection, a permit, the only slot of an account. The next read gives [`Unread`].
    ///
    /// Off by default. A read that waits is not unread, however long it waits. A body whose length is
    /// known and at most 64 KiB is not watched: it fits into the buffers on the way, and the upstream
    /// is done with it. Where there is no
    /// tokio runtime when the head arrives, the body is not watched.
    ///
    /// [`Unread`]: super::Unread
    ///
    /// ```
    /// # use http::Request;
    /// # use tokio::time::sleep;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     test_util::{ScriptedBody, ScriptedService},
    /// #     timeout::IdleTimeoutLayer,
    /// # };
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let body = ScriptedBody::new().data("hello");
    /// let log = body.log();
    /// let layer = IdleTimeoutLayer::new(Duration::MAX).max_unread(Duration::from_secs(60));
    /// let held = layer.layer(ScriptedService::once(body)).oneshot(Request::new(())).await?;
    /// sleep(Duration::from_secs(100)).await;
    /// assert!(log.dropped()); // with all that hangs on it
    /// # drop(held);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn max_unread(mut self, after: Duration) -> Self {
        self.watchdog = (after < Duration::MAX).then(|| Watchdog::new(after));
        self
    }
}

impl<S> Layer<S> for IdleTimeoutLayer {
    type Service = IdleTimeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        IdleTimeout {
            inner,
            after: self.after,
            watchdog: self.watchdog.clone(),
        }
    }
}

/// Gives up on a body that goes silent.
///
/// ```
/// # use http::Request;
/// # use http_body_util::BodyExt as _;
/// # use tower::{Layer as _, ServiceExt as _};
/// use std::time::Duration;
///
/// use blossom_layers::{
///     test_util::{ScriptedBody, ScriptedService},
///     timeout::{IdleTimeout, IdleTimeoutLayer},
/// };
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let upstream = ScriptedService::once(ScriptedBody::new().data("A flower is").stall());
/// let layer = IdleTimeoutLayer::new(Duration::from_secs(30));
/// let service: IdleTimeout<ScriptedService> = layer.layer(upstream);
/// let response = service.oneshot(Request::new(())).await?;
/// let error = response.into_body().collect().await.unwrap_err();
/// assert_eq!(error.to_string(), "the response was silent for 30s");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct IdleTimeout<S> {
    inner: S,
    after: Duration,
    watchdog: Option<Watchdog>,
}

impl<S, B, R> Service<Request<B>> for IdleTimeout<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<IdleBody<R>>;
    type Error = S::Error;
    type Future = IdleFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        IdleFuture {
            response: self.inner.call(request),
            after: self.after,
            watchdog: self.watchdog.clone(),
        }
    }
}

pin_project! {
    /// Response future of [`IdleTimeout`].
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, Service as _, ServiceExt};
    /// use std::time::Duration;
    ///
    /// use blossom_layers::{
    ///     test_util::ScriptedService,
    ///     timeout::{IdleTimeoutLayer, future::IdleFuture},
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = IdleTimeoutLayer::new(Duration::from_secs(30));
    /// let mut service = layer.layer(ScriptedService::default());
    /// ServiceExt::<Request<()>>::ready(&mut service).await?;
    /// let call: IdleFuture<_> = service.call(Request::new(()));
    /// assert_eq!(call.await?.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct IdleFuture<F> {
        #[pin]
        response: F,
        after: Duration,
        watchdog: Option<Watchdog>,
    }
}

impl<F, R, E> Future for IdleFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body<Data = Bytes> + Send + 'static,
{
    type Output = Result<Response<IdleBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.response.poll(cx))?;
        let after = *this.after;
        Poll::Ready(Ok(response.map(|inner| IdleBody {
            inner: Some(match this.watchdog {
                Some(watchdog) if !is_small(&inner) => watchdog.hold(inner),
                _ => Held::plain(inner),
            }),
            timer: Timer::default(),
            waiting_until: None,
            after,
        })))
    }
}

/// Whether the upstream is done with a body, read or not: one that is at its end, and one whose length
/// is known and fits into the buffers on the way.
fn is_small(body: &impl Body) -> bool {
    body.size_hint()
        .exact()
        .is_some_and(|length| length <= BUFFERED_BYTES)
}

/// The window of an HTTP/2 stream as it comes; a socket takes as much.
const BUFFERED_BYTES: u64 = 64 * 1024;

pin_project! {
    /// Response body of [`IdleTimeout`].
    ///
    /// ```
    /// # use http::Request;
    /// # use http_body_util::BodyExt as _;
    /// # use tokio::time::sleep;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// use std::time::Duration;
    ///
    /// use blossom_layers::{
    ///     test_util::{ScriptedBody, ScriptedService},
    ///     timeout::{IdleTimeoutLayer, future::IdleBody},
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let upstream = ScriptedService::once(ScriptedBody::new().data("hello"));
    /// let service = IdleTimeoutLayer::new(Duration::from_secs(30)).layer(upstream);
    /// let body: IdleBody<ScriptedBody> = service.oneshot(Request::new(())).await?.into_body();
    /// sleep(Duration::from_secs(100)).await; // a reader who pauses
    /// assert_eq!(body.collect().await?.to_bytes(), "hello");
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct IdleBody<B> {
        // `None` once the clock has fired: the upstream is closed at once.
        #[pin]
        inner: Option<Held<B>>,
        timer: Timer,
        // Only while a reader waits.
        waiting_until: Option<Instant>,
        after: Duration,
    }
}

impl<B> Body for IdleBody<B>
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
        if let Poll::Ready(frame) = inner.poll_frame(cx) {
            *this.waiting_until = None;
            return Poll::Ready(frame);
        }
        if this.waiting_until.is_none() {
            *this.waiting_until = Instant::now().checked_add(*this.after);
        }
        let Some(until) = *this.waiting_until else {
            // The end of time.
            return Poll::Pending;
        };
        ready!(this.timer.poll_until(until, cx));
        this.inner.set(None);
        Poll::Ready(Some(Err(Elapsed::new(Clock::Idle, *this.after).into())))
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
    use tokio::time::{advance, sleep};
    use tower::ServiceExt;

    use super::*;
    use crate::{
        test_util::{BodyLog, ScriptedBody, ScriptedService},
        timeout::Unread,
    };

    const LIMIT: Duration = Duration::from_secs(1);

    async fn open(
        body: ScriptedBody,
        layer: IdleTimeoutLayer,
    ) -> (Pin<Box<IdleBody<ScriptedBody>>>, BodyLog) {
        let log = body.log();
        let service = layer.layer(ScriptedService::once(body));
        let response = service.oneshot(Request::new(())).await.unwrap();
        (Box::pin(response.into_body()), log)
    }

    #[tokio::test(start_paused = true)]
    async fn g1_idle_fires_alone_when_the_body_goes_silent() {
        let body = ScriptedBody::new()
            .wait(LIMIT)
            .data("a")
            .wait(LIMIT)
            .data("b")
            .stall();
        let (mut body, log) = open(body, IdleTimeoutLayer::new(LIMIT)).await;
        let start = Instant::now();

        body.frame().await.unwrap().unwrap();
        body.frame().await.unwrap().unwrap();
        let error = body.frame().await.unwrap().unwrap_err();

        let elapsed = error.downcast_ref::<Elapsed>().unwrap();
        assert_eq!((elapsed.clock(), elapsed.after()), (Clock::Idle, LIMIT));
        assert_eq!(start.elapsed(), LIMIT * 3);
        assert!(
            log.dropped(),
            "the upstream is closed before the body is dropped"
        );
        assert!(body.frame().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_who_pauses_is_not_punished() {
        let body = ScriptedBody::new()
            .data("a")
            .data("b")
            .wait(LIMIT / 2)
            .data("c");
        let (mut body, _) = open(body, IdleTimeoutLayer::new(LIMIT)).await;

        for _ in 0..3 {
            body.frame().await.unwrap().unwrap();
            advance(LIMIT * 10).await;
        }
        assert!(body.frame().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn g4_comments_count_as_progress() {
        let comments = (0..9).fold(ScriptedBody::new(), |body, _| {
            body.wait(LIMIT / 2).data(":\n")
        });
        let (body, _) = open(comments, IdleTimeoutLayer::new(LIMIT)).await;

        assert_eq!(body.collect().await.unwrap().to_bytes().len(), 18);
    }

    #[tokio::test(start_paused = true)]
    async fn g7_zero_and_the_longest_duration_are_legal() {
        let ready = ScriptedBody::new().data("a");
        let (body, _) = open(ready, IdleTimeoutLayer::new(Duration::ZERO)).await;
        assert_eq!(body.collect().await.unwrap().to_bytes(), "a");

        let slow = ScriptedBody::new()
            .wait(LIMIT)
            .data("a")
            .wait(LIMIT)
            .data("b");
        let layer = IdleTimeoutLayer::new(Duration::MAX).max_unread(Duration::MAX);
        let (body, _) = open(slow, layer).await;
        assert_eq!(body.collect().await.unwrap().to_bytes(), "ab");
    }

    fn watched() -> IdleTimeoutLayer {
        IdleTimeoutLayer::new(Duration::MAX).max_unread(LIMIT)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_nobody_reads_is_closed_and_says_so() {
        let (mut body, log) = open(ScriptedBody::new().data("a").data("b"), watched()).await;
        body.frame().await.unwrap().unwrap();

        sleep(LIMIT - Duration::from_millis(2)).await;
        assert!(!log.dropped());
        sleep(Duration::from_millis(4)).await;
        assert!(
            log.dropped(),
            "the upstream is closed while the body is held"
        );

        let error = body.frame().await.unwrap().unwrap_err();
        assert_eq!(error.downcast_ref::<Unread>().unwrap().after(), LIMIT);
        assert!(body.frame().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_who_waits_does_not_leave_it_unread() {
        let slow = ScriptedBody::new()
            .wait(LIMIT * 5)
            .data("a")
            .wait(LIMIT * 5)
            .data("b");
        let (body, _) = open(slow, watched()).await;

        assert_eq!(body.collect().await.unwrap().to_bytes(), "ab");
    }

    #[tokio::test(start_paused = true)]
    async fn many_bodies_are_watched_at_once_each_on_its_own() {
        let layer = watched();
        let mut held = Vec::new();
        for _ in 0..10 {
            held.push(open(ScriptedBody::new().data("a").data("b"), layer.clone()).await);
            sleep(LIMIT / 10).await;
        }
        let dropped = || held.iter().filter(|(_, log)| log.dropped()).count();

        assert!(dropped() <= 1);
        sleep(LIMIT / 2).await;
        assert!((5..=6).contains(&dropped()), "{}", dropped());
        sleep(LIMIT).await;
        assert_eq!(dropped(), 10);
    }
}

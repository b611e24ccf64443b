use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::Request;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_layer::Layer;
use tower_service::Service;

use super::{Clock, Elapsed};
use crate::BoxError;

/// Applies [`HeadTimeout`].
///
/// See the [module docs](super) for an example.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::timeout::HeadTimeoutLayer;
///
/// let layer = HeadTimeoutLayer::new(Duration::from_secs(60));
/// ```
#[derive(Clone, Copy)]
pub struct HeadTimeoutLayer<A = Duration> {
    after: A,
}

impl<A> HeadTimeoutLayer<A> {
    /// A layer that waits for each response head: a [`Duration`], or a closure that says how long
    /// for each request, because the head of a reply that is no stream comes only after the whole
    /// generation.
    ///
    /// `Duration::MAX` waits for ever; zero takes only what is ready at once.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// use std::time::Duration;
    ///
    /// use blossom_layers::{
    ///     test_util::{ScriptedService, Step},
    ///     timeout::{Elapsed, HeadTimeoutLayer},
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// // What is no stream has its head when all of it is there.
    /// let after = |request: &Request<()>| match request.uri().path() {
    ///     "/stream" => Duration::from_secs(10),
    ///     _ => Duration::from_secs(600),
    /// };
    /// let service = HeadTimeoutLayer::new(after).layer(ScriptedService::new([Step::Hang]));
    /// let error = service.oneshot(Request::get("/stream").body(())?).await.unwrap_err();
    /// assert_eq!(error.downcast_ref().map(Elapsed::after), Some(Duration::from_secs(10)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn new(after: A) -> Self {
        Self { after }
    }
}

impl<S, A: Clone> Layer<S> for HeadTimeoutLayer<A> {
    type Service = HeadTimeout<S, A>;

    fn layer(&self, inner: S) -> Self::Service {
        HeadTimeout::new(inner, self.after.clone())
    }
}

/// How long to wait for the head of the reply to a request.
///
/// Implemented for [`Duration`] and for closures that take the request.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::timeout::After;
/// use http::Request;
///
/// /// Ten seconds, and one for each kilobyte of the prompt.
/// struct BySize;
///
/// impl After<String> for BySize {
///     fn after(&self, request: &Request<String>) -> Duration {
///         Duration::from_secs(10 + request.body().len() as u64 / 1000)
///     }
/// }
/// let request = Request::new("flower. ".repeat(1000));
/// assert_eq!(BySize.after(&request), Duration::from_secs(18));
/// ```
pub trait After<B> {
    /// The time to wait.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::timeout::After;
    /// use http::Request;
    ///
    /// let minute = Duration::from_secs(60);
    /// assert_eq!(After::after(&minute, &Request::new(())), minute);
    /// ```
    fn after(&self, request: &Request<B>) -> Duration;
}

impl<B> After<B> for Duration {
    fn after(&self, _request: &Request<B>) -> Duration {
        *self
    }
}

impl<B, F: Fn(&Request<B>) -> Duration> After<B> for F {
    fn after(&self, request: &Request<B>) -> Duration {
        self(request)
    }
}

/// Gives up on a response whose head does not arrive in time.
///
/// See the [module docs](super) for an example.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::timeout::HeadTimeout;
///
/// let service = HeadTimeout::new("any service", Duration::from_secs(60));
/// ```
#[derive(Clone)]
pub struct HeadTimeout<S, A = Duration> {
    inner: S,
    after: A,
}

impl<S, A> HeadTimeout<S, A> {
    /// Wraps `inner`.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::ServiceExt as _;
    /// use std::time::Duration;
    ///
    /// use blossom_layers::{test_util::ScriptedService, timeout::HeadTimeout};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// // At zero only what is ready at once.
    /// let service = HeadTimeout::new(ScriptedService::default(), Duration::ZERO);
    /// assert!(service.oneshot(Request::new(())).await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub const fn new(inner: S, after: A) -> Self {
        Self { inner, after }
    }
}

impl<S, A, B> Service<Request<B>> for HeadTimeout<S, A>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
    A: After<B>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = HeadFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let after = self.after.after(&request);
        HeadFuture {
            response: self.inner.call(request),
            sleep: None,
            after,
        }
    }
}

// A closure has no form to show.
impl<A> fmt::Debug for HeadTimeoutLayer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeadTimeoutLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, A> fmt::Debug for HeadTimeout<S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeadTimeout")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// Response future of [`HeadTimeout`].
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, Service as _, ServiceExt};
    /// use std::time::Duration;
    ///
    /// use blossom_layers::{
    ///     test_util::ScriptedService,
    ///     timeout::{HeadTimeoutLayer, future::HeadFuture},
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = HeadTimeoutLayer::new(Duration::from_secs(10));
    /// let mut service = layer.layer(ScriptedService::default());
    /// ServiceExt::<Request<()>>::ready(&mut service).await?;
    /// let call: HeadFuture<_> = service.call(Request::new(()));
    /// assert_eq!(call.await?.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct HeadFuture<F> {
        #[pin]
        response: F,
        // Made at the first `Pending`: an answer that is ready costs no timer and needs no runtime.
        #[pin]
        sleep: Option<Sleep>,
        after: Duration,
    }
}

impl<F, T, E> Future for HeadFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();

        // The response first: one that is ready at the deadline is a response.
        if let Poll::Ready(result) = this.response.poll(cx) {
            return Poll::Ready(result.map_err(Into::into));
        }

        if this.sleep.is_none() {
            this.sleep.set(Some(sleep(*this.after)));
        }
        match this.sleep.as_pin_mut() {
            Some(sleep) => sleep
                .poll(cx)
                .map(|()| Err(Elapsed::new(Clock::Head, *this.after).into())),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Response;
    use tower::{ServiceBuilder, ServiceExt};

    use super::*;
    use crate::test_util::{ScriptedBody, ScriptedService, Step};

    const LIMIT: Duration = Duration::from_secs(1);

    async fn head_after(delay: Duration) -> Result<Response<ScriptedBody>, BoxError> {
        let response = Response::new(ScriptedBody::new());
        ServiceBuilder::new()
            .layer(HeadTimeoutLayer::new(LIMIT))
            .service(ScriptedService::new([Step::RespondAfter(delay, response)]))
            .oneshot(Request::new(()))
            .await
    }

    #[tokio::test(start_paused = true)]
    async fn passes_a_response_in_time() {
        assert!(head_after(LIMIT - Duration::from_millis(1)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn prefers_the_response_when_both_are_ready() {
        assert!(head_after(LIMIT).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn g1_head_fires_alone_when_the_head_is_late() {
        let error = head_after(LIMIT + Duration::from_millis(1))
            .await
            .unwrap_err();

        let elapsed = error.downcast_ref::<Elapsed>().unwrap();
        assert_eq!((elapsed.clock(), elapsed.after()), (Clock::Head, LIMIT));
    }

    #[test]
    fn a_ready_answer_needs_no_runtime() {
        let service = ServiceBuilder::new()
            .layer(HeadTimeoutLayer::new(LIMIT))
            .service(ScriptedService::once(ScriptedBody::new()));

        let mut future = tokio_test::task::spawn(service.oneshot(Request::new(())));
        assert!(future.poll().is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn g7_zero_and_the_longest_duration_are_legal() {
        for after in [Duration::ZERO, Duration::MAX] {
            let service = HeadTimeout::new(ScriptedService::new([Step::Hang]), after);
            let answer = tokio::time::timeout(LIMIT, service.oneshot(Request::new(()))).await;
            assert_eq!(answer.is_ok(), after.is_zero());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_where_towers_ends() {
        for millis in [0, 1, 999, 1000, 1001, 5000] {
            let inner = || {
                let response = Response::new(ScriptedBody::new());
                let delay = Duration::from_millis(millis);
                ScriptedService::new([Step::RespondAfter(delay, response)])
            };
            let start = tokio::time::Instant::now();
            let theirs = tower::timeout::Timeout::new(inner(), LIMIT);
            let theirs = theirs.oneshot(Request::new(())).await.is_ok();
            let (theirs, start) = ((theirs, start.elapsed()), tokio::time::Instant::now());
            let ours = HeadTimeout::new(inner(), LIMIT);
            let ours = ours.oneshot(Request::new(())).await.is_ok();

            assert_eq!((ours, start.elapsed()), theirs, "{millis} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_closure_says_how_long_for_each_request() {
        let after = |request: &Request<()>| match request.uri().path() {
            "/slow" => LIMIT * 3,
            _ => LIMIT,
        };
        let late = || Step::RespondAfter(LIMIT * 2, Response::new(ScriptedBody::new()));
        let service = HeadTimeout::new(ScriptedService::new([late(), late()]), after);

        let slow = Request::get("/slow").body(()).unwrap();
        assert!(service.clone().oneshot(slow).await.is_ok());
        assert!(service.oneshot(Request::new(())).await.is_err());
    }
}

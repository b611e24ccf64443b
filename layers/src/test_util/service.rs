use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response, request::Parts};
use tokio::time::sleep;
use tower_service::Service;

use super::ScriptedBody;
use crate::BoxError;

/// An inner service that answers as it was told, and records what it was asked.
///
/// Clones share script and record, and start not ready. Calls beyond the script get an empty 200.
///
/// ```
/// # use http::{Request, Response};
/// # use tower::ServiceExt as _;
/// use blossom_layers::test_util::{ScriptedBody, ScriptedService, Step};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let service = ScriptedService::new([
///     Step::Fail("connection reset"),
///     Step::Respond(Response::new(ScriptedBody::new().data("hello"))),
/// ]);
/// assert!(service.clone().oneshot(Request::new(())).await.is_err());
/// assert!(service.clone().oneshot(Request::new(())).await.is_ok());
/// assert_eq!(service.calls(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct ScriptedService {
    shared: Arc<Shared>,
    ready: bool,
}

#[derive(Default)]
struct Shared {
    steps: Mutex<VecDeque<Step>>,
    seen: Mutex<Vec<Parts>>,
    in_flight: AtomicUsize,
    max_in_flight: AtomicUsize,
}

/// One answer of a [`ScriptedService`].
///
/// ```
/// # use std::time::Duration;
/// # use http::{Request, Response};
/// # use tokio::time::Instant;
/// # use tower::ServiceExt as _;
/// use blossom_layers::test_util::{ScriptedBody, ScriptedService, Step};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let late = Response::new(ScriptedBody::new());
/// let service = ScriptedService::new([Step::RespondAfter(Duration::from_secs(7), late)]);
/// let start = Instant::now();
/// service.oneshot(Request::new(())).await?;
/// assert_eq!(start.elapsed().as_secs(), 7);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Step {
    /// A response.
    Respond(Response<ScriptedBody>),
    /// A response whose head comes late.
    RespondAfter(Duration, Response<ScriptedBody>),
    /// An error with this text.
    Fail(&'static str),
    /// No answer.
    Hang,
    /// `poll_ready` fails with this text; the call never happens.
    NotReady(&'static str),
}

impl ScriptedService {
    /// A service that answers with `steps` in turn.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::ServiceExt as _;
    /// # use blossom_layers::test_util::{ScriptedService, Step};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let service = ScriptedService::new([Step::NotReady("closed")]);
    /// let error = service.clone().oneshot(Request::new(())).await.unwrap_err();
    /// assert_eq!((error.to_string().as_str(), service.calls()), ("closed", 0));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let service = Self::default();
        service.push(steps);
        service
    }

    /// A service that answers once, with 200 and `body`.
    ///
    /// ```
    /// # use http::Request;
    /// # use http_body_util::BodyExt as _;
    /// # use tower::ServiceExt as _;
    /// # use blossom_layers::test_util::{ScriptedBody, ScriptedService};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let service = ScriptedService::once(ScriptedBody::new().data("hello"));
    /// let response = service.oneshot(Request::new(())).await?;
    /// assert_eq!(response.into_body().collect().await?.to_bytes(), "hello");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn once(body: ScriptedBody) -> Self {
        Self::new([Step::Respond(Response::new(body))])
    }

    /// Adds to the script.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::ServiceExt as _;
    /// # use blossom_layers::test_util::{ScriptedService, Step};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let service = ScriptedService::default();
    /// service.push([Step::Fail("connection reset")]);
    /// assert!(service.oneshot(Request::new(())).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn push(&self, steps: impl IntoIterator<Item = Step>) {
        locked(&self.shared.steps).extend(steps);
    }

    /// The heads of the requests so far.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::ServiceExt as _;
    /// # use blossom_layers::test_util::ScriptedService;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let service = ScriptedService::default();
    /// service.clone().oneshot(Request::get("/models").body(())?).await?;
    /// assert_eq!(service.seen()[0].uri.path(), "/models");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn seen(&self) -> Vec<Parts> {
        locked(&self.shared.seen).clone()
    }

    /// How many calls there were.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::ServiceExt as _;
    /// # use blossom_layers::test_util::ScriptedService;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let service = ScriptedService::default();
    /// assert_eq!(service.calls(), 0);
    /// service.clone().oneshot(Request::new(())).await?;
    /// assert_eq!(service.calls(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn calls(&self) -> usize {
        locked(&self.shared.seen).len()
    }

    /// How many response futures are alive.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Service as _, ServiceExt};
    /// # use blossom_layers::test_util::{ScriptedService, Step};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut service = ScriptedService::new([Step::Hang]);
    /// ServiceExt::<Request<()>>::ready(&mut service).await?;
    /// let call = service.call(Request::new(()));
    /// assert_eq!(service.in_flight(), 1);
    /// drop(call);
    /// assert_eq!(service.in_flight(), 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::SeqCst)
    }

    /// The most response futures that were alive at once.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Service as _, ServiceExt as _};
    /// # use blossom_layers::test_util::ScriptedService;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let service = ScriptedService::default();
    /// let call = || service.clone().oneshot(Request::new(()));
    /// call().await?;
    /// call().await?; // one after the other
    /// assert_eq!((service.calls(), service.max_in_flight()), (2, 1));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn max_in_flight(&self) -> usize {
        self.shared.max_in_flight.load(Ordering::SeqCst)
    }
}

impl Clone for ScriptedService {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            ready: false,
        }
    }
}

impl<B: Send + 'static> Service<Request<B>> for ScriptedService {
    type Response = Response<ScriptedBody>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let mut steps = locked(&self.shared.steps);
        if let Some(Step::NotReady(text)) = steps.front() {
            let text = *text;
            steps.pop_front();
            return Poll::Ready(Err(text.into()));
        }
        drop(steps);
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without poll_ready");
        locked(&self.shared.seen).push(request.into_parts().0);
        let step = locked(&self.shared.steps).pop_front();
        let flight = Flight::start(&self.shared);
        Box::pin(async move {
            let _flight = flight;
            match step {
                None => Ok(Response::new(ScriptedBody::new().sized())),
                Some(Step::Respond(response)) => Ok(response),
                Some(Step::RespondAfter(delay, response)) => {
                    sleep(delay).await;
                    Ok(response)
                }
                Some(Step::Fail(text) | Step::NotReady(text)) => Err(text.into()),
                Some(Step::Hang) => std::future::pending().await,
            }
        })
    }
}

struct Flight(Arc<Shared>);

impl Flight {
    fn start(shared: &Arc<Shared>) -> Self {
        let now = shared.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        shared.max_in_flight.fetch_max(now, Ordering::SeqCst);
        Self(shared.clone())
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("in_flight", &self.in_flight)
            .finish_non_exhaustive()
    }
}

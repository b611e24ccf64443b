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
    #[must_use]
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let service = Self::default();
        service.push(steps);
        service
    }

    /// A service that answers once, with 200 and `body`.
    #[must_use]
    pub fn once(body: ScriptedBody) -> Self {
        Self::new([Step::Respond(Response::new(body))])
    }

    /// Adds to the script.
    pub fn push(&self, steps: impl IntoIterator<Item = Step>) {
        locked(&self.shared.steps).extend(steps);
    }

    /// The heads of the requests so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Parts> {
        locked(&self.shared.seen).clone()
    }

    /// How many calls there were.
    #[must_use]
    pub fn calls(&self) -> usize {
        locked(&self.shared.seen).len()
    }

    /// How many response futures are alive.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::SeqCst)
    }

    /// The most response futures that were alive at once.
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

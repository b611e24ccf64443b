use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use super::{
    CachePolicy, Entry, Found,
    body::stored_response,
    fill::Shared,
    plan::{Answer, Ask, Facts, Keep, Plan, is_failure},
};
use crate::{
    BoxError,
    body::Replay,
    flight::Share,
    oneshot::Oneshot,
    types::{CacheStatus, KeyPolicy},
};

pin_project! {
    /// What a flight of a cache flies: the rest of the lookup if it takes time, then the call.
    pub(super) struct Fetch<S, B, F, K, P> {
        #[pin]
        step: Step<S, B, F>,
        plan: Arc<Plan<K, P>>,
        facts: Facts,
        // What serves should the call fail.
        rescue: Option<Arc<Entry>>,
    }
}

pin_project! {
    #[project = StepProj]
    enum Step<S, B, F> {
        Looking { looking: Option<Looking<S, B>> },
        Calling { #[pin] call: Oneshot<S, Request<B>, F> },
    }
}

/// A lookup that takes time.
pub(super) struct Looking<S, B> {
    pub(super) lookup: Pin<Box<dyn Future<Output = Found> + Send>>,
    pub(super) ask: Ask,
    pub(super) service: S,
    pub(super) request: Request<B>,
    pub(super) undecided: Undecided,
}

/// A request that is counted when its lookup has ended, in whatever way.
pub(super) struct Undecided(Option<Arc<Shared>>);

impl Undecided {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self(Some(shared))
    }

    fn decide(mut self, found: Option<(CacheStatus, &Entry)>) {
        let Some(shared) = self.0.take() else {
            return;
        };
        match found {
            Some((status, entry)) => shared.served(status, entry),
            None => shared.counters.miss(),
        }
    }
}

impl Drop for Undecided {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.counters.miss();
        }
    }
}

impl<S, B, F, K, P> Fetch<S, B, F, K, P> {
    pub(super) const fn calling(
        service: S,
        request: Request<B>,
        plan: Arc<Plan<K, P>>,
        facts: Facts,
        rescue: Option<Arc<Entry>>,
    ) -> Self {
        Self {
            step: Step::Calling {
                call: Oneshot::new(service, request),
            },
            plan,
            facts,
            rescue,
        }
    }

    pub(super) const fn looking(
        looking: Looking<S, B>,
        plan: Arc<Plan<K, P>>,
        facts: Facts,
    ) -> Self {
        Self {
            step: Step::Looking {
                looking: Some(looking),
            },
            plan,
            facts,
            rescue: None,
        }
    }
}

impl<S, B, R, K, P> Future for Fetch<S, B, S::Future, K, P>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    K: KeyPolicy<B>,
    P: CachePolicy<B>,
{
    type Output = Result<Fetched<R>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.step.as_mut().project() {
                StepProj::Looking { looking } => {
                    let Some(waiting) = looking else {
                        // Polled after its end.
                        return Poll::Pending;
                    };
                    let found = ready!(waiting.lookup.as_mut().poll(cx));
                    let Some(looking) = looking.take() else {
                        return Poll::Pending;
                    };
                    match looking.decide(this.plan, found) {
                        Decided::Reply(response) => return Poll::Ready(Ok(response)),
                        Decided::Call {
                            service,
                            request,
                            rescue,
                        } => {
                            *this.rescue = rescue;
                            let call = Oneshot::new(service, request);
                            this.step.set(Step::Calling { call });
                        }
                    }
                }
                StepProj::Calling { call } => {
                    let result = ready!(call.poll(cx)).map_err(Into::into);
                    let rescue = this.rescue.as_ref();
                    let reply = called::<B, R, K, P>(this.plan, this.facts, result, rescue);
                    return Poll::Ready(reply);
                }
            }
        }
    }
}

/// A reply, and what is to be done with it.
type Fetched<R> = (Response<FetchBody<R>>, Keep);

/// What a lookup led to.
enum Decided<S, B, R> {
    Reply(Fetched<R>),
    Call {
        service: S,
        request: Request<B>,
        rescue: Option<Arc<Entry>>,
    },
}

impl<S, B> Looking<S, B> {
    fn decide<K, P, R>(self, plan: &Plan<K, P>, found: Found) -> Decided<S, B, R> {
        let Self {
            ask,
            service,
            request,
            undecided,
            ..
        } = self;
        let now = Instant::now().into_std();
        let rescue = match plan.judge(&ask, found, now) {
            // One that is to be refreshed is refreshed first: it was slow to come by anyway.
            Answer::Serve {
                entry,
                status,
                refresh: false,
            } => {
                undecided.decide(Some((status, &entry)));
                return Decided::Reply(from_tier(&entry, status, now));
            }
            Answer::Serve { entry, .. } => Some(entry),
            Answer::Ask(rescue) => rescue,
            Answer::Mismatch => {
                if let Some(shared) = &undecided.0 {
                    shared.counters.mismatched();
                }
                None
            }
        };
        undecided.decide(None);
        if ask.only_if_cached() {
            return Decided::Reply(unsatisfied());
        }
        Decided::Call {
            service,
            request,
            rescue,
        }
    }
}

fn from_tier<R>(entry: &Arc<Entry>, status: CacheStatus, now: std::time::Instant) -> Fetched<R> {
    let body = |replay| FetchBody::Replay { replay };
    let response = stored_response(entry, status, entry.age(now), body);
    (response, Keep::FROM_TIER)
}

/// What is said where only what is stored is wanted and nothing is (RFC 9111 section 5.2.1.7).
fn unsatisfied<R>() -> Fetched<R> {
    let mut response = Response::new(FetchBody::Replay {
        replay: Replay::new(Arc::default()),
    });
    *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    let keep = Keep {
        share: Share::Creator,
        ..Keep::FROM_TIER
    };
    (response, keep)
}

/// The upstream's answer and what is to be done with it, or an old one in its place.
fn called<B, R, K, P>(
    plan: &Plan<K, P>,
    facts: &Facts,
    result: Result<Response<R>, BoxError>,
    rescue: Option<&Arc<Entry>>,
) -> Result<Fetched<R>, BoxError>
where
    K: KeyPolicy<B>,
    P: CachePolicy<B>,
{
    let failed = match &result {
        Ok(response) => is_failure(response.status()),
        Err(_) => true,
    };
    if failed && let Some(entry) = rescue {
        let (response, keep) = from_tier(entry, CacheStatus::Stale, Instant::now().into_std());
        return Ok((
            response,
            Keep {
                rescued: true,
                ..keep
            },
        ));
    }
    let (head, body) = result?.into_parts();
    let keep = plan.keep::<B>(facts, &head, rescue.is_some());
    let response = Response::from_parts(head, FetchBody::Upstream { body });
    Ok((response, keep))
}

pin_project! {
    /// The upstream's body, or a stored one.
    #[project = FetchBodyProj]
    pub(super) enum FetchBody<R> {
        Upstream { #[pin] body: R },
        Replay { replay: Replay },
    }
}

impl<R> Body for FetchBody<R>
where
    R: Body<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project() {
            FetchBodyProj::Upstream { body } => body
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            FetchBodyProj::Replay { replay } => Pin::new(replay)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(|never| match never {}))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Upstream { body } => body.is_end_stream(),
            Self::Replay { replay } => replay.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Upstream { body } => body.size_hint(),
            Self::Replay { replay } => replay.size_hint(),
        }
    }
}

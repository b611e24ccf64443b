use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower_service::Service;

use super::{
    ByDirectives, CachePolicy, Entry, Found, Lookup, ResponseBody, ResponseFuture,
    fetch::{Fetch, Looking, Undecided},
    fill::{Fill, Shared},
    plan::{Answer, Ask, Plan},
    stats::Bypass,
};
use crate::{
    BoxError,
    flight::{Boarded, Call, Driver, Panicked, Passenger},
    types::{CacheOptions, CacheStatus, Deadline, KeyPolicy, SharedDeadline},
};

/// Answers again what has been answered before.
///
/// See the [module docs](super) for an example.
///
/// ```
/// use blossom_layers::cache::{Cache, CacheLayer};
/// # use blossom_layers::cache::{key::CanonicalKey, tier::MemoryTier};
/// # use blossom_layers::{body::ReqBody, test_util::*, types::Scope};
/// # use http::Request;
/// # use tower::{Layer, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let layer = CacheLayer::new(MemoryTier::new(1 << 20), CanonicalKey::new(), Scope::shared());
/// let service: Cache<_, CanonicalKey> = layer.layer(ScriptedService::default());
/// let response = service.oneshot(Request::new(ReqBody::empty())).await?;
/// assert_eq!(response.headers()["cache-status"], "blossom; fwd=uri-miss");
/// # Ok(())
/// # }
/// ```
pub struct Cache<S, K, P = ByDirectives> {
    // In one piece: each call has a clone of the stack, of which a hit needs nothing below this.
    core: Arc<Core<S, K, P>>,
}

struct Core<S, K, P> {
    inner: S,
    plan: Arc<Plan<K, P>>,
    shared: Arc<Shared>,
}

impl<S, K, P> Cache<S, K, P> {
    pub(super) fn new(inner: S, plan: Arc<Plan<K, P>>, shared: Arc<Shared>) -> Self {
        Self {
            core: Arc::new(Core {
                inner,
                plan,
                shared,
            }),
        }
    }
}

impl<S, K, P> Clone for Cache<S, K, P> {
    // By hand: what is shared need not be `Clone`.
    fn clone(&self) -> Self {
        Self {
            core: self.core.clone(),
        }
    }
}

impl<S, K, P, B, R> Service<Request<B>> for Cache<S, K, P>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    K: KeyPolicy<B> + Send + Sync + 'static,
    P: CachePolicy<B> + Send + Sync + 'static,
    B: Send + 'static,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B, S::Future>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Policies, tier and the service's clone are foreign: a panic of theirs is this caller's.
        match catch_unwind(AssertUnwindSafe(|| self.core.answer(request))) {
            Ok(future) => future,
            Err(_) => {
                self.core.shared.counters.bypassed(Bypass::Panicked);
                ResponseFuture::bypassed(Call::failed(Panicked::new()))
            }
        }
    }
}

/// What stands under a cache: bounds, stated once.
trait Upstream<B>:
    Service<
        Request<B>,
        Response = Response<<Self as Upstream<B>>::Body>,
        Error: Into<BoxError>,
        Future: Send,
    > + Clone
    + Send
    + 'static
{
    type Body: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B, R> Upstream<B> for S
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Body = R;
}

type Pending = Pin<Box<dyn Future<Output = Found> + Send>>;

/// How a request came into a flight.
enum Flown<B, F> {
    Flies(F),
    /// One like it has landed meanwhile: what it brought may be there now.
    Landed(Box<Request<B>>),
}

impl<S, K, P> Core<S, K, P> {
    // Each way counts the request once, as the last thing that could go wrong.
    fn answer<B>(&self, mut request: Request<B>) -> ResponseFuture<S, B, S::Future>
    where
        S: Upstream<B>,
        K: KeyPolicy<B> + Send + Sync + 'static,
        P: CachePolicy<B> + Send + Sync + 'static,
        B: Send + 'static,
    {
        let counters = &self.shared.counters;
        let ask = match self.plan.ask(&request) {
            Ok(ask) => ask,
            Err(why) => {
                let call = Call::own(self.inner.clone(), request);
                counters.bypassed(why);
                return ResponseFuture::bypassed(call);
            }
        };
        loop {
            let now = Instant::now().into_std();
            let landings = self.shared.flights.landings(&ask.key);
            let lookup = if ask.fresh {
                Lookup::Ready(Found::Miss)
            } else {
                self.shared.tier.get_at(&ask.key, now)
            };
            let found = match lookup {
                Lookup::Ready(found) => found,
                Lookup::Pending(lookup) => return self.look(ask, request, lookup),
            };
            let rescue = match self.plan.judge(&ask, found, now) {
                Answer::Serve {
                    entry,
                    status,
                    refresh,
                } => {
                    if refresh {
                        self.refresh(&ask, request);
                    }
                    self.shared.served(status, &entry);
                    let age = entry.age(now);
                    return ResponseFuture::stored(entry, status, age, self.plan.config.pace);
                }
                Answer::Ask(rescue) => rescue,
                Answer::Mismatch => {
                    counters.mismatched();
                    None
                }
            };
            if ask.only_if_cached() {
                counters.miss();
                return ResponseFuture::unsatisfied();
            }
            match self.fly(&ask, request, rescue, landings) {
                Flown::Flies(future) => return future,
                Flown::Landed(again) => request = *again,
            }
        }
    }

    fn passenger<B>(&self, ask: &Ask, request: &Request<B>, landings: Option<u64>) -> Passenger {
        Passenger {
            key: ask.key,
            limits: self.plan.config.limits,
            deadline: Deadline::of(request.extensions()),
            fresh: ask.fresh,
            landings: landings.filter(|_| !ask.fresh),
        }
    }

    fn fill<B>(&self, ask: &Ask, request: &Request<B>) -> Fill
    where
        P: CachePolicy<B>,
    {
        let tags = request
            .extensions()
            .get::<CacheOptions>()
            .map(CacheOptions::tags)
            .filter(|tags| !tags.is_empty());
        Fill {
            shared: self.shared.clone(),
            key: ask.key,
            scope: ask.scope,
            tags: tags.map(Into::into),
            generation: self.shared.tier.generation(),
            facts: self.plan.facts(request),
            keep: None,
        }
    }

    /// Joins the call of an equal request, or begins one.
    fn fly<B>(
        &self,
        ask: &Ask,
        request: Request<B>,
        rescue: Option<Arc<Entry>>,
        landings: u64,
    ) -> Flown<B, ResponseFuture<S, B, S::Future>>
    where
        S: Upstream<B>,
        K: KeyPolicy<B> + Send + Sync + 'static,
        P: CachePolicy<B> + Send + Sync + 'static,
        B: Send + 'static,
    {
        let passenger = self.passenger(ask, &request, Some(landings));
        let fill = self.fill(ask, &request);
        let parts = (self.inner.clone(), request, fill, rescue, self.plan.clone());
        let boarded = self
            .shared
            .flights
            .board(passenger, parts, |parts, deadline| {
                let (service, mut request, fill, rescue, plan) = parts;
                place(deadline, &mut request);
                let fetch = Fetch::calling(service, request, plan, fill.facts, rescue);
                (Driver::new(fetch), fill)
            });
        let call = match boarded {
            Boarded::Began(reader) => {
                self.shared.counters.miss();
                Call::creator(reader)
            }
            Boarded::Joined(reader, (service, request, ..)) => {
                self.shared.counters.coalesced();
                Call::follower(reader, service, request)
            }
            Boarded::Landed((_, request, ..)) => return Flown::Landed(Box::new(request)),
        };
        Flown::Flies(ResponseFuture::calling(call, self.shared.clone()))
    }

    /// The same where the lookup takes time: it is part of the flight, so that many equal requests
    /// look once.
    fn look<B>(
        &self,
        ask: Ask,
        request: Request<B>,
        lookup: Pending,
    ) -> ResponseFuture<S, B, S::Future>
    where
        S: Upstream<B>,
        K: KeyPolicy<B> + Send + Sync + 'static,
        P: CachePolicy<B> + Send + Sync + 'static,
        B: Send + 'static,
    {
        let passenger = self.passenger(&ask, &request, None);
        let fill = self.fill(&ask, &request);
        let parts = (
            self.inner.clone(),
            request,
            fill,
            lookup,
            ask,
            self.plan.clone(),
        );
        let boarded = self
            .shared
            .flights
            .board(passenger, parts, |parts, deadline| {
                let (service, mut request, fill, lookup, ask, plan) = parts;
                place(deadline, &mut request);
                let looking = Looking {
                    lookup,
                    ask,
                    service,
                    request,
                    undecided: Undecided::new(fill.shared.clone()),
                };
                (Driver::new(Fetch::looking(looking, plan, fill.facts)), fill)
            });
        let call = match boarded {
            // Counted when the lookup has ended.
            Boarded::Began(reader) => Call::creator(reader),
            Boarded::Joined(reader, (service, request, ..)) => {
                self.shared.counters.coalesced();
                Call::follower(reader, service, request)
            }
            Boarded::Landed((service, request, ..)) => {
                self.shared.counters.miss();
                Call::own(service, request)
            }
        };
        ResponseFuture::calling(call, self.shared.clone())
    }

    /// Asks the upstream again in the background, unless somebody does already.
    fn refresh<B>(&self, ask: &Ask, mut request: Request<B>)
    where
        S: Upstream<B>,
        K: KeyPolicy<B> + Send + Sync + 'static,
        P: CachePolicy<B> + Send + Sync + 'static,
        B: Send + 'static,
    {
        // The caller waits for nothing: its deadline is no concern of the refresh.
        request.extensions_mut().remove::<Deadline>();
        request.extensions_mut().remove::<SharedDeadline>();
        let passenger = self.passenger(ask, &request, None);
        let fill = self.fill(ask, &request);
        let parts = (self.inner.clone(), request, fill, self.plan.clone());
        let boarded = self.shared.flights.board(passenger, parts, |parts, _| {
            let (service, request, fill, plan) = parts;
            let fetch = Fetch::calling(service, request, plan, fill.facts, None);
            (Driver::new(fetch), fill)
        });
        if let Boarded::Began(reader) = boarded {
            reader.finish_alone(self.plan.config.max_fill);
        }
    }
}

/// Inside a flight the deadline is that of all its readers.
fn place<B>(deadline: Option<SharedDeadline>, request: &mut Request<B>) {
    if let Some(deadline) = deadline {
        deadline.place(request.extensions_mut());
    }
}

impl Shared {
    /// Counts a request that a stored reply answers.
    pub(super) fn served(&self, status: CacheStatus, entry: &Entry) {
        match status {
            CacheStatus::Stale => self.counters.stale(),
            _ => self.counters.hit(),
        }
        let bytes = entry.body().len_bytes() as u64;
        self.counters.saved(bytes, entry.tokens());
    }
}

impl<S: fmt::Debug, K, P> fmt::Debug for Cache<S, K, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("inner", &self.core.inner)
            .field("scope", &self.core.plan.scope)
            .field("shared", &self.core.shared)
            .finish_non_exhaustive()
    }
}

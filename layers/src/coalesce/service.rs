use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{ResponseBody, ResponseFuture, landing::Courtesy};
use crate::{
    BoxError,
    flight::{Boarded, Call, Driver, Flights, Limits, Panicked, Passenger},
    oneshot::Oneshot,
    types::{CacheKey, Deadline, KeyPolicy, Owner, Scope, ScopeDigest},
};

/// Lets equal requests in flight share one call.
///
/// See the [module docs](super) for an example.
///
/// ```
/// use blossom_layers::coalesce::{Coalesce, CoalesceLayer};
/// # use blossom_layers::{body::ReqBody, cache::key::CanonicalKey, test_util::*, types::Scope};
/// # use http::Request;
/// # use tower::{Layer, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let layer = CoalesceLayer::new(CanonicalKey::new(), Scope::fixed("team-a"));
/// let service: Coalesce<ScriptedService, CanonicalKey> = layer.layer(ScriptedService::default());
/// assert_eq!(service.oneshot(Request::new(ReqBody::empty())).await?.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Coalesce<S, P> {
    inner: S,
    policy: P,
    scope: Scope,
    limits: Limits,
    flights: Flights<Courtesy>,
}

impl<S, P> Coalesce<S, P> {
    pub(super) const fn new(
        inner: S,
        policy: P,
        scope: Scope,
        limits: Limits,
        flights: Flights<Courtesy>,
    ) -> Self {
        Self {
            inner,
            policy,
            scope,
            limits,
            flights,
        }
    }

    /// Which call the request may share, and whether with strangers.
    fn identify<B>(&self, request: &Request<B>) -> Option<(CacheKey, Courtesy)>
    where
        P: KeyPolicy<B>,
    {
        let owner = self.scope.owner(request)?;
        let key = self.policy.key(request)?;
        let strangers = owner == Owner::Shared;
        Some((ScopeDigest::of(owner).scoped(&key), Courtesy { strangers }))
    }
}

impl<S, P, B, R> Service<Request<B>> for Coalesce<S, P>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    P: KeyPolicy<B>,
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
        // The policy and the service's clone are foreign: a panic of theirs is this caller's alone.
        let identified = catch_unwind(AssertUnwindSafe(|| {
            (self.identify(&request), self.inner.clone())
        }));
        let Ok((identity, service)) = identified else {
            return ResponseFuture::new(Call::failed(Panicked::new()));
        };
        let Some((key, courtesy)) = identity else {
            return ResponseFuture::new(Call::own(service, request));
        };
        let passenger = Passenger {
            key,
            limits: self.limits,
            deadline: Deadline::of(request.extensions()),
            fresh: false,
            landings: None,
        };
        let boarded = self.flights.board(
            passenger,
            (service, request),
            |(service, mut request), deadline| {
                if let Some(deadline) = deadline {
                    deadline.place(request.extensions_mut());
                }
                (Driver::new(Oneshot::new(service, request)), courtesy)
            },
        );
        ResponseFuture::new(match boarded {
            Boarded::Began(reader) => Call::creator(reader),
            Boarded::Joined(reader, (service, request)) => Call::follower(reader, service, request),
            Boarded::Landed((service, request)) => Call::own(service, request),
        })
    }
}

impl<S: fmt::Debug, P> fmt::Debug for Coalesce<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coalesce")
            .field("inner", &self.inner)
            .field("scope", &self.scope)
            .field("flights", &self.flights)
            .finish_non_exhaustive()
    }
}

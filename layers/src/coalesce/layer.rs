use std::{fmt, time::Duration};

use tower_layer::Layer;

use super::{Coalesce, landing::Courtesy};
use crate::{
    flight::{Flights, Limits},
    types::Scope,
};

/// Applies [`Coalesce`].
///
/// Clones share the calls in flight, and so do all services of one layer; two layers share nothing.
/// See the [module docs](super) for an example.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::{cache::key::CanonicalKey, coalesce::CoalesceLayer, types::Scope};
///
/// let layer = CoalesceLayer::new(CanonicalKey::new(), Scope::fixed("team-a"))
///     .lag_grace(Duration::from_millis(500));
/// assert_eq!(layer.in_flight(), 0);
/// ```
#[derive(Clone)]
pub struct CoalesceLayer<P> {
    policy: P,
    scope: Scope,
    limits: Limits,
    flights: Flights<Courtesy>,
}

impl<P> CoalesceLayer<P> {
    /// A layer whose requests are equal if `policy` gives them the same key and `scope` the same
    /// owner. A request without a key, or without an owner, passes by.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::{body::ReqBody, cache::key::CanonicalKey, types::Scope};
    /// # use blossom_layers::{coalesce::CoalesceLayer, test_util::*};
    /// # use http::{Request, Response};
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let slowly = Step::RespondAfter(Duration::from_secs(1), Response::default());
    /// let inner = ScriptedService::new([slowly]);
    /// let layer = CoalesceLayer::new(CanonicalKey::new(), Scope::fixed("team-a"));
    /// let service = layer.layer(inner.clone());
    /// let ask = || service.clone().oneshot(Request::new(ReqBody::empty()));
    /// let _ = tokio::try_join!(ask(), ask())?;
    /// assert_eq!(inner.calls(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(policy: P, scope: Scope) -> Self {
        Self {
            policy,
            scope,
            limits: Limits::DEFAULT,
            flights: Flights::new(),
        }
    }

    /// Up to how many bytes a reply is kept whole while it is read, for those who come late.
    /// Default: 8 MiB. With zero, only those share who are there before the first byte.
    ///
    /// ```
    /// # use blossom_layers::{body::ReqBody, cache::key::CanonicalKey, types::Scope};
    /// # use blossom_layers::{coalesce::CoalesceLayer, test_util::*};
    /// # use http::Request;
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = CoalesceLayer::new(CanonicalKey::new(), Scope::fixed("team-a")).max_bytes(0);
    /// let inner = ScriptedService::once(ScriptedBody::new().data("hello").stall());
    /// let service = layer.layer(inner.clone());
    /// let ask = || service.clone().oneshot(Request::new(ReqBody::empty()));
    /// let mut first = ask().await?.into_body();
    /// first.frame().await.ok_or("there is one")??;
    /// ask().await?;
    /// assert_eq!(inner.calls(), 2, "the second came too late");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn max_bytes(mut self, limit: usize) -> Self {
        self.limits.max_bytes = limit;
        self
    }

    /// How long the fastest reader of a reply over [`max_bytes`](Self::max_bytes) waits for the
    /// slowest. Default: 1 s. With zero nobody waits; `Duration::MAX` waits for ever.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::{body::ReqBody, cache::key::CanonicalKey, types::Scope};
    /// # use blossom_layers::{coalesce::CoalesceLayer, flight::Lagged, test_util::*};
    /// # use http::Request;
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = CoalesceLayer::new(CanonicalKey::new(), Scope::fixed("team-a"))
    ///     .max_bytes(0)
    ///     .lag_grace(Duration::from_millis(100));
    /// let body = ScriptedBody::new().data("one").data("two").data("three");
    /// let service = layer.layer(ScriptedService::once(body));
    /// # let ask = || service.clone().oneshot(Request::new(ReqBody::empty()));
    /// let (fast, mut slow) = tokio::try_join!(ask(), ask())?;
    /// slow.frame().await.ok_or("it begins")??;
    /// fast.collect().await?;
    /// assert!(slow.collect().await.unwrap_err().is::<Lagged>());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn lag_grace(mut self, grace: Duration) -> Self {
        self.limits.lag_grace = grace;
        self
    }

    /// How old a call may be to be joined. After that the next request begins another, and those who
    /// have joined stay with the old one. Default: 300 s. With zero only calls of the same instant are
    /// joined.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::{body::ReqBody, cache::key::CanonicalKey, types::Scope};
    /// # use blossom_layers::{coalesce::CoalesceLayer, test_util::*};
    /// # use http::{Request, Response};
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = CoalesceLayer::new(CanonicalKey::new(), Scope::fixed("team-a"))
    ///     .max_age(Duration::from_secs(1));
    /// # let slowly = || Step::RespondAfter(Duration::from_secs(10), Response::default());
    /// let inner = ScriptedService::new([slowly(), slowly()]);
    /// let service = layer.layer(inner.clone());
    /// let ask = || service.clone().oneshot(Request::new(ReqBody::empty()));
    /// let later = async {
    ///     tokio::time::sleep(Duration::from_secs(2)).await;
    ///     ask().await
    /// };
    /// let _ = tokio::try_join!(ask(), later)?;
    /// assert_eq!(inner.calls(), 2, "the first was too old to be joined");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.limits.max_age = age;
        self
    }

    /// How many calls may be joined at this moment.
    ///
    /// ```
    /// # use blossom_layers::{body::ReqBody, cache::key::CanonicalKey, types::Scope};
    /// # use blossom_layers::{coalesce::CoalesceLayer, test_util::*};
    /// # use http::Request;
    /// # use tower::{Layer, Service};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = CoalesceLayer::new(CanonicalKey::new(), Scope::fixed("team-a"));
    /// let call = layer.layer(ScriptedService::default()).call(Request::new(ReqBody::empty()));
    /// assert_eq!(layer.in_flight(), 1);
    /// drop(call);
    /// assert_eq!(layer.in_flight(), 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }
}

impl<S, P: Clone> Layer<S> for CoalesceLayer<P> {
    type Service = Coalesce<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self {
            policy,
            scope,
            limits,
            flights,
        } = self;
        Coalesce::new(
            inner,
            policy.clone(),
            scope.clone(),
            *limits,
            flights.clone(),
        )
    }
}

// A closure has no form to show.
impl<P> fmt::Debug for CoalesceLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoalesceLayer")
            .field("scope", &self.scope)
            .field("limits", &self.limits)
            .field("flights", &self.flights)
            .finish_non_exhaustive()
    }
}

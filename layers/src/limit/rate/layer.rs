use std::fmt;

use http::Request;
use tower_layer::Layer;

use super::{
    Handle, Quota, RateLimit,
    limiter::{Limiter, Whose},
    quota::Units,
};
use crate::{
    sync::Arc,
    types::{EstimateTokens, Partition, Price, Quote, Record, TokenEstimate, Unpartitioned, Usage},
};

/// Applies [`RateLimit`].
///
/// The layer holds the quotas: services of one layer, and of its clones, share them.
///
/// See the [module docs](super) for an example.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::limit::rate::{Quota, RateLimitLayer};
///
/// let minute = Duration::from_secs(60);
/// let layer = RateLimitLayer::new([Quota::requests(600, minute), Quota::tokens(100_000, minute)]);
/// assert_eq!(layer.handle().quotas().len(), 2);
/// ```
#[derive(Clone)]
pub struct RateLimitLayer<P = Unpartitioned, E = Stated> {
    limiter: Arc<Limiter>,
    partitioned: bool,
    partition: P,
    estimate: E,
}

/// The estimate that the request states in its extensions, and no other.
///
/// ```
/// use blossom_layers::{limit::rate::Stated, types::EstimateTokens as _};
/// use http::Request;
///
/// // What the extensions do not hold it does not guess.
/// assert_eq!(Stated.estimate(&Request::new(())), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stated;

impl<B> EstimateTokens<B> for Stated {
    fn estimate(&self, _request: &Request<B>) -> Option<TokenEstimate> {
        None
    }
}

impl RateLimitLayer {
    /// A layer that keeps all of `quotas`: a request goes when each of them lets it.
    ///
    /// Without quotas it limits nothing, unless it is told to [`learn`](Self::learn).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::limit::rate::{Quota, RateLimitLayer};
    ///
    /// let by_second = Quota::requests(20, Duration::from_secs(1));
    /// let by_minute = Quota::requests(600, Duration::from_secs(60));
    /// let layer = RateLimitLayer::new([by_second, by_minute]);
    /// assert_eq!(layer.handle().quotas(), [by_second, by_minute]);
    /// ```
    #[must_use]
    pub fn new(quotas: impl IntoIterator<Item = Quota>) -> Self {
        Self {
            limiter: Arc::new(Limiter::new(quotas.into_iter().collect())),
            partitioned: false,
            partition: Unpartitioned,
            estimate: Stated,
        }
    }
}

impl<P, E> RateLimitLayer<P, E> {
    /// Quotas for each part that `partition` names, instead of for all requests together. A request
    /// that it gives no part is not limited.
    ///
    /// To limit both the parts and all together, stack two layers, that of the parts outside.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     limit::rate::{Quota, RateLimitLayer},
    /// #     test_util::ScriptedService,
    /// #     types::PartitionKey,
    /// # };
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let by_host = |request: &Request<()>| request.uri().host().map(PartitionKey::new);
    /// let minute = Duration::from_secs(60);
    /// let layer = RateLimitLayer::new([Quota::requests(600, minute)]).per_partition(by_host);
    ///
    /// let request = Request::get("http://a.example/").body(())?;
    /// layer.layer(ScriptedService::default()).oneshot(request).await?;
    /// let (a, b) = (PartitionKey::new("a.example"), PartitionKey::new("b.example"));
    /// assert_eq!(layer.handle().available(Some(&a)), [29]);
    /// assert_eq!(layer.handle().available(Some(&b)), [30]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn per_partition<Q>(self, partition: Q) -> RateLimitLayer<Q, E> {
        RateLimitLayer {
            limiter: self.limiter,
            partitioned: true,
            partition,
            estimate: self.estimate,
        }
    }

    /// How many tokens a request will take, where its extensions hold no
    /// [`TokenEstimate`]. Without either it is taken to need none, until its reply says otherwise.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     limit::rate::{Quota, RateLimitLayer},
    /// #     test_util::ScriptedService,
    /// #     types::TokenEstimate,
    /// # };
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let four_bytes = |request: &Request<String>| {
    ///     Some(TokenEstimate::new(request.body().len() as u64 / 4))
    /// };
    /// let quota = Quota::tokens(10_000, Duration::from_secs(60)).exact();
    /// let layer = RateLimitLayer::new([quota]).estimate(four_bytes);
    /// let request = Request::new("flower. ".repeat(100));
    /// layer.layer(ScriptedService::default()).oneshot(request).await?;
    /// assert_eq!(layer.handle().available(None), [9_800]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn estimate<F>(self, estimate: F) -> RateLimitLayer<P, F> {
        RateLimitLayer {
            limiter: self.limiter,
            partitioned: self.partitioned,
            partition: self.partition,
            estimate,
        }
    }

    /// What a reply costs, for quotas of cost. It is asked twice: about the estimate when a request is
    /// admitted, with nothing in the record but the usage, and about what became of it at the end.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     limit::rate::{Quota, RateLimitLayer},
    /// #     test_util::ScriptedService,
    /// #     types::{Nanos, Quote, Record, TokenEstimate},
    /// # };
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// // Two nano-units for each token.
    /// let price = |_: &Quote, record: &Record| Some(Nanos(record.usage?.total_tokens * 2));
    /// let quota = Quota::cost(Nanos(1_000), Duration::from_secs(60)).exact();
    /// let layer = RateLimitLayer::new([quota]).price(price);
    /// let mut request = Request::new(());
    /// request.extensions_mut().insert(TokenEstimate::new(100).completion_tokens(50));
    /// layer.layer(ScriptedService::default()).oneshot(request).await?;
    /// assert_eq!(layer.handle().available(None), [700]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn price(self, price: impl Price + Send + Sync + 'static) -> Self {
        self.limiter.set_price(Arc::new(price));
        self
    }

    /// How many requests may wait, all parts together. Default: 16,384.
    ///
    /// At zero whoever cannot go at once is refused, with the time at which it could.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     limit::rate::{RateLimitLayer, RateLimited},
    /// #     test_util::ScriptedService,
    /// # };
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = RateLimitLayer::new([]).learn().max_waiting(0);
    /// layer.handle().pause(None, Duration::from_secs(7));
    /// let service = layer.layer(ScriptedService::default());
    /// let error = service.oneshot(Request::new(())).await.unwrap_err();
    /// assert!(error.is::<RateLimited>());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn max_waiting(self, max_waiting: usize) -> Self {
        self.limiter.set_max_waiting(max_waiting);
        self
    }

    /// For how many parts quotas are kept. Default: 65,536, which takes some 15 MB.
    ///
    /// Parts that are at rest are forgotten. While there are more that are not, all further ones share
    /// one set of quotas: memory is bounded, and no part gets more than its quota.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     limit::rate::{Quota, RateLimitLayer},
    /// #     test_util::ScriptedService,
    /// #     types::PartitionKey,
    /// # };
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let by_path = |request: &Request<()>| Some(PartitionKey::new(request.uri().path()));
    /// # let quotas = [Quota::requests(600, Duration::from_secs(60))];
    /// let layer = RateLimitLayer::new(quotas).per_partition(by_path).max_partitions(1);
    /// let service = layer.layer(ScriptedService::default());
    /// for path in ["/a", "/b", "/c"] {
    ///     service.clone().oneshot(Request::get(path).body(())?).await?;
    /// }
    /// assert_eq!(layer.handle().partitions(), 1); // the others share
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn max_partitions(self, max_partitions: usize) -> Self {
        self.limiter.set_max_partitions(max_partitions);
        self
    }

    /// Waits when the upstream says that it wants nothing more for now, for 120 s at most: by
    /// `Retry-After` with a status of 429 or 503, by `x-ratelimit-*`, or by the `RateLimit` fields.
    ///
    /// Only the part that was told waits. Off by default.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::{HeaderValue, Request, Response, StatusCode, header::RETRY_AFTER};
    /// # use tower::{Layer as _, ServiceExt as _};
    /// use blossom_layers::{
    ///     limit::rate::RateLimitLayer,
    ///     test_util::{ScriptedBody, ScriptedService, Step},
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut busy = Response::new(ScriptedBody::new());
    /// *busy.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    /// busy.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("7"));
    ///
    /// let layer = RateLimitLayer::new([]).learn();
    /// let service = layer.layer(ScriptedService::new([Step::Respond(busy)]));
    /// service.oneshot(Request::new(())).await?;
    /// assert_eq!(layer.handle().paused(None), Some(Duration::from_secs(7)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn learn(self) -> Self {
        self.limiter.set_learns();
        self
    }

    /// A live view of these quotas.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::limit::rate::{Quota, RateLimitLayer};
    ///
    /// let layer = RateLimitLayer::new([Quota::requests(600, Duration::from_secs(60))]);
    /// let handle = layer.handle();
    /// assert_eq!((handle.waiting(), handle.available(None)), (0, vec![30]));
    /// ```
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(self.limiter.clone())
    }

    pub(super) const fn limiter(&self) -> &Arc<Limiter> {
        &self.limiter
    }

    /// Whose quotas hold for `request`; `None` if none do.
    pub(super) fn whose<B>(&self, request: &Request<B>) -> Option<Whose>
    where
        P: Partition<B>,
    {
        if self.limiter.quotas().is_empty() && !self.limiter.learns() {
            return None;
        }
        if self.partitioned {
            self.partition.partition(request).map(Some)
        } else {
            Some(None)
        }
    }

    /// What `request` takes beside being one, as far as can be told before.
    pub(super) fn estimated<B>(&self, request: &Request<B>) -> Units
    where
        E: EstimateTokens<B>,
    {
        let mut units = Units::ONE;
        let stated = request.extensions().get().copied();
        let Some(estimate) = stated.or_else(|| self.estimate.estimate(request)) else {
            return units;
        };
        units.tokens = estimate.total_tokens();
        if let Some(price) = self.limiter.price() {
            let completion = estimate.completion_tokens.unwrap_or(0);
            let record = Record {
                usage: Some(Usage::new(estimate.prompt_tokens, completion)),
                ..Record::default()
            };
            let quote = Quote::new().estimate(estimate);
            units.cost = price.price(&quote, &record).map_or(0, |cost| cost.0);
        }
        units
    }
}

impl<S, P: Clone, E: Clone> Layer<S> for RateLimitLayer<P, E> {
    type Service = RateLimit<S, P, E>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimit::new(inner, self.clone())
    }
}

// Policies may be closures, which have no form to show.
impl<P, E> fmt::Debug for RateLimitLayer<P, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitLayer")
            .field("limiter", &self.limiter)
            .field("partitioned", &self.partitioned)
            .finish_non_exhaustive()
    }
}

use std::fmt;

use tower_layer::Layer;

use super::{Budget, Handle, SavingsLayer, Spend, Unknown, ledger::Ledger};
use crate::{
    sync::Arc,
    types::{Unpartitioned, Unquoted},
};

/// Applies [`Spend`].
///
/// The layer holds the books: services of one layer, and of its clones, share them.
///
/// See the [module docs](super) for an example.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::{spend::{Budget, SpendLayer}, types::{Nanos, Quote, Record}};
///
/// // A billionth for each token: a price is any function of what was learnt of a reply.
/// let price = |_: &Quote, record: &Record| Some(Nanos(record.usage?.total_tokens));
/// let day = Duration::from_secs(24 * 3600);
/// let layer = SpendLayer::new(price).budget(Budget::new(Nanos(5_000_000_000), day));
/// assert_eq!(layer.handle().totals().spent, Nanos::ZERO);
/// ```
#[derive(Clone)]
pub struct SpendLayer<P, Q = Unquoted, K = Unpartitioned> {
    pub(super) ledger: Arc<Ledger>,
    pub(super) price: P,
    pub(super) quote: Q,
    pub(super) partition: K,
}

impl<P> SpendLayer<P> {
    /// A layer that asks `price` what each reply has cost, and counts. It refuses nothing until it has
    /// a budget.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     spend::SpendLayer,
    /// #     test_util::ScriptedService,
    /// #     types::{Nanos, Quote, Record},
    /// # };
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)));
    /// spend.layer(ScriptedService::default()).oneshot(Request::new(())).await?;
    /// assert_eq!(spend.handle().totals().spent, Nanos(40));
    /// assert_eq!(spend.handle().left(), None); // it has no budget
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(price: P) -> Self {
        Self {
            ledger: Arc::new(Ledger::new()),
            price,
            quote: Unquoted,
            partition: Unpartitioned,
        }
    }
}

impl<P, Q, K> SpendLayer<P, Q, K> {
    /// Asks `quote` what a call may cost, before it is made: this much is reserved until it has ended.
    ///
    /// Without a quote nothing is reserved, and many calls at once may together pass a budget by what
    /// they cost.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, Service as _};
    /// use blossom_layers::{
    ///     spend::SpendLayer,
    ///     test_util::ScriptedService,
    ///     types::{Nanos, Quote, Record},
    /// };
    ///
    /// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)))
    ///     .quote(|_: &Request<()>| Some(Quote::new().most(Nanos(50))));
    /// let call = spend.layer(ScriptedService::default()).call(Request::new(()));
    /// assert_eq!(spend.handle().totals().reserved, Nanos(50));
    /// # drop(call);
    /// ```
    #[must_use]
    pub fn quote<T>(self, quote: T) -> SpendLayer<P, T, K> {
        SpendLayer {
            ledger: self.ledger,
            price: self.price,
            quote,
            partition: self.partition,
        }
    }

    /// Keeps an account for each part that `partition` names.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     spend::SpendLayer,
    /// #     test_util::ScriptedService,
    /// #     types::{Nanos, PartitionKey, Quote, Record, Tenant},
    /// # };
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let by_tenant = |request: &Request<()>| {
    ///     let tenant = request.extensions().get::<Tenant>()?;
    ///     Some(PartitionKey::new(tenant.as_str()))
    /// };
    /// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40))).partition(by_tenant);
    /// let mut request = Request::new(());
    /// request.extensions_mut().insert(Tenant::new("team-a"));
    /// spend.layer(ScriptedService::default()).oneshot(request).await?;
    /// assert_eq!(spend.handle().partitions()[0].1.spent, Nanos(40));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn partition<T>(self, partition: T) -> SpendLayer<P, Q, T> {
        SpendLayer {
            ledger: self.ledger,
            price: self.price,
            quote: self.quote,
            partition,
        }
    }

    /// Adds a budget of all calls together. Several hold at once: so much an hour, so much in all.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::{spend::{Budget, SpendLayer}, types::{Nanos, Quote, Record}};
    ///
    /// let hour = Duration::from_secs(3600);
    /// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)))
    ///     .budget(Budget::new(Nanos(100), hour))
    ///     .budget(Budget::in_all(Nanos(1_000)));
    /// assert_eq!(spend.handle().left(), Some(Nanos(100)));
    /// ```
    #[must_use]
    pub fn budget(self, budget: Budget) -> Self {
        self.ledger.books().add_budget(budget);
        self
    }

    /// Adds a budget that each part has for itself. Without a [`partition`](Self::partition) it has no
    /// effect.
    ///
    /// ```
    /// # use http::Request;
    /// use blossom_layers::{
    ///     spend::{Budget, SpendLayer},
    ///     types::{Nanos, PartitionKey, Quote, Record},
    /// };
    ///
    /// let by_host = |request: &Request<()>| request.uri().host().map(PartitionKey::new);
    /// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)))
    ///     .partition(by_host)
    ///     .budget_each(Budget::in_all(Nanos(100)));
    /// let books = spend.handle();
    /// assert_eq!(books.left_of(&PartitionKey::new("example.com")), Some(Nanos(100)));
    /// assert_eq!(books.left(), None); // all together have none
    /// ```
    #[must_use]
    pub fn budget_each(self, budget: Budget) -> Self {
        self.ledger.books().rules.each.push(budget);
        self
    }

    /// What becomes of a call without a quote. Default: [`Unknown::Allow`].
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     spend::{PriceUnknown, SpendLayer, Unknown},
    /// #     test_util::ScriptedService,
    /// #     types::{Nanos, Quote, Record},
    /// # };
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)));
    /// let service = spend.unknown(Unknown::Refuse).layer(ScriptedService::default());
    /// let error = service.oneshot(Request::new(())).await.unwrap_err();
    /// assert!(error.is::<PriceUnknown>());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn unknown(self, unknown: Unknown) -> Self {
        self.ledger.books().rules.unknown = unknown;
        self
    }

    /// How many parts have an account of their own. Default: 1,024, about 200 kB.
    ///
    /// When all are taken, those that owe nothing in any period make room. A newcomer that finds none
    /// shares one account, and one budget, with all others that found none.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     spend::{Budget, SpendLayer},
    /// #     test_util::ScriptedService,
    /// #     types::{Nanos, PartitionKey, Quote, Record},
    /// # };
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let by_path = |request: &Request<()>| Some(PartitionKey::new(request.uri().path()));
    /// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)))
    ///     .partition(by_path)
    ///     .budget_each(Budget::in_all(Nanos(100)))
    ///     .max_partitions(1);
    /// let service = spend.layer(ScriptedService::default());
    /// for path in ["/a", "/b", "/c"] {
    ///     service.clone().oneshot(Request::get(path).body(())?).await?;
    /// }
    /// let parts = spend.handle().partitions();
    /// let rest = parts.iter().find(|(part, _)| part.is_none());
    /// assert_eq!(rest.map(|(_, totals)| totals.spent), Some(Nanos(80)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn max_partitions(self, max_partitions: usize) -> Self {
        self.ledger.books().rules.max_partitions = max_partitions;
        self
    }

    /// How many models have totals of their own; those that come later are counted together. Default:
    /// 256.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     spend::SpendLayer,
    /// #     test_util::ScriptedService,
    /// #     types::{Nanos, Quote, Record},
    /// # };
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let by_path = |request: &Request<()>| Some(Quote::new().model(request.uri().path()));
    /// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)))
    ///     .quote(by_path)
    ///     .max_models(1);
    /// let service = spend.layer(ScriptedService::default());
    /// for path in ["/small", "/large", "/huge"] {
    ///     service.clone().oneshot(Request::get(path).body(())?).await?;
    /// }
    /// let models = spend.handle().models();
    /// let others = models.iter().find(|(model, _)| model.is_none());
    /// assert_eq!(others.map(|(_, totals)| totals.calls), Some(2));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn max_models(self, max_models: usize) -> Self {
        self.ledger.books().rules.max_models = max_models;
        self
    }

    /// A live view of the books.
    ///
    /// ```
    /// use blossom_layers::{spend::SpendLayer, types::{Nanos, Quote, Record}};
    ///
    /// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)));
    /// assert_eq!(spend.handle().totals().spent, Nanos::ZERO);
    /// ```
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(self.ledger.clone())
    }
}

impl<P: Clone, Q, K: Clone> SpendLayer<P, Q, K> {
    /// A layer for outside the cache, that counts in these books what hits have saved.
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     spend::SpendLayer,
    /// #     test_util::{ScriptedBody, ScriptedService, Step},
    /// #     types::{CacheStatus, Nanos, Outcome, Quote, Record},
    /// # };
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let mut hit = Response::new(ScriptedBody::new().sized());
    /// # hit.extensions_mut().insert(CacheStatus::Hit);
    /// # hit.extensions_mut().insert(Outcome::new());
    /// # let cache = ScriptedService::new([Step::Respond(hit)]);
    /// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)));
    /// let outside_the_cache = spend.savings().layer(cache); // which has it
    /// outside_the_cache.oneshot(Request::new(())).await?;
    /// let totals = spend.handle().totals();
    /// assert_eq!((totals.hits, totals.saved, totals.spent), (1, Nanos(40), Nanos::ZERO));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn savings(&self) -> SavingsLayer<P, K> {
        SavingsLayer {
            ledger: self.ledger.clone(),
            price: self.price.clone(),
            partition: self.partition.clone(),
        }
    }
}

impl<S, P: Clone, Q: Clone, K: Clone> Layer<S> for SpendLayer<P, Q, K> {
    type Service = Spend<S, P, Q, K>;

    fn layer(&self, inner: S) -> Self::Service {
        Spend::new(inner, self.clone())
    }
}

// Policies may be closures, which have no form to show.
impl<P, Q, K> fmt::Debug for SpendLayer<P, Q, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpendLayer")
            .field("totals", &self.ledger.totals())
            .finish_non_exhaustive()
    }
}

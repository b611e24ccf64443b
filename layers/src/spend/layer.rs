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
/// use blossom_layers::{spend::{Budget, SpendLayer}, types::{Nanos, Record}};
///
/// // A billionth for each token: a price is any function of what was learnt of a reply.
/// let price = |record: &Record| record.usage.map(|usage| Nanos(usage.total_tokens));
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
    #[must_use]
    pub fn budget(self, budget: Budget) -> Self {
        self.ledger.books().add_budget(budget);
        self
    }

    /// Adds a budget that each part has for itself. Without a [`partition`](Self::partition) it has no
    /// effect.
    #[must_use]
    pub fn budget_each(self, budget: Budget) -> Self {
        self.ledger.books().rules.each.push(budget);
        self
    }

    /// What becomes of a call without a quote. Default: [`Unknown::Allow`].
    #[must_use]
    pub fn unknown(self, unknown: Unknown) -> Self {
        self.ledger.books().rules.unknown = unknown;
        self
    }

    /// How many parts have an account of their own. Default: 1,024, about 200 kB.
    ///
    /// When all are taken, those that owe nothing in any period make room. A newcomer that finds none
    /// shares one account, and one budget, with all others that found none.
    #[must_use]
    pub fn max_partitions(self, max_partitions: usize) -> Self {
        self.ledger.books().rules.max_partitions = max_partitions;
        self
    }

    /// How many models have totals of their own; those that come later are counted together. Default:
    /// 256.
    #[must_use]
    pub fn max_models(self, max_models: usize) -> Self {
        self.ledger.books().rules.max_models = max_models;
        self
    }

    /// A live view of the books.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(self.ledger.clone())
    }
}

impl<P: Clone, Q, K: Clone> SpendLayer<P, Q, K> {
    /// A layer for outside the cache, that counts in these books what hits have saved.
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

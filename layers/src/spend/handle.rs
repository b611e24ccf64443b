use super::{Balance, Totals, ledger::Ledger};
use crate::{
    sync::Arc,
    types::{Nanos, PartitionKey},
};

/// A live view of the books of a [`SpendLayer`](super::SpendLayer).
///
/// Cheap to clone. Each getter is true of one moment; two of them may be of two.
///
/// ```
/// use blossom_layers::{spend::{Budget, SpendLayer}, types::{Nanos, Record}};
///
/// let price = |record: &Record| record.usage.map(|usage| Nanos(usage.total_tokens));
/// let handle = SpendLayer::new(price).budget(Budget::in_all(Nanos(1_000))).handle();
/// assert_eq!(handle.left(), Some(Nanos(1_000)));
/// ```
#[derive(Debug, Clone)]
pub struct Handle {
    ledger: Arc<Ledger>,
}

impl Handle {
    pub(super) const fn new(ledger: Arc<Ledger>) -> Self {
        Self { ledger }
    }

    /// All calls together.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.ledger.totals()
    }

    /// Each model by itself, in no order; `None` stands for those that found no room.
    ///
    /// The name is that of the model that answered, or of the one asked for where the reply does not
    /// tell. Calls that name none are only in [`totals`](Self::totals).
    #[must_use]
    pub fn models(&self) -> Vec<(Option<Arc<str>>, Totals)> {
        self.ledger.models()
    }

    /// Each part by itself, in no order; `None` stands for those that found no room, or were forgotten
    /// for others.
    #[must_use]
    pub fn partitions(&self) -> Vec<(Option<PartitionKey>, Totals)> {
        self.ledger.partitions()
    }

    /// What is left now of the budgets of all together, of the smallest; `None` without a budget.
    #[must_use]
    pub fn left(&self) -> Option<Nanos> {
        self.ledger.left()
    }

    /// What is left now of the budgets of one part.
    #[must_use]
    pub fn left_of(&self, part: &PartitionKey) -> Option<Nanos> {
        self.ledger.left_of(part)
    }

    /// The books of all together, to be checked.
    #[must_use]
    pub fn balance(&self) -> Balance {
        self.ledger.balance()
    }
}

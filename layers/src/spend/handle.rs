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
/// use blossom_layers::{spend::{Budget, SpendLayer}, types::{Nanos, Quote, Record}};
///
/// let price = |_: &Quote, record: &Record| Some(Nanos(record.usage?.total_tokens));
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
    /// let totals = spend.handle().totals();
    /// assert_eq!((totals.calls, totals.spent), (1, Nanos(40)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.ledger.totals()
    }

    /// Each model by itself, in no order; `None` stands for those that found no room.
    ///
    /// The name is that of the model that answered, or of the one asked for where the reply does not
    /// tell. Calls that name none are only in [`totals`](Self::totals).
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
    /// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)))
    ///     .quote(|_: &Request<()>| Some(Quote::new().model("small")));
    /// spend.layer(ScriptedService::default()).oneshot(Request::new(())).await?;
    /// let (model, totals) = &spend.handle().models()[0];
    /// assert_eq!((model.as_deref(), totals.spent), (Some("small"), Nanos(40)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn models(&self) -> Vec<(Option<Arc<str>>, Totals)> {
        self.ledger.models()
    }

    /// Each part by itself, in no order; `None` stands for those that found no room, or were forgotten
    /// for others.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     spend::SpendLayer,
    /// #     test_util::ScriptedService,
    /// #     types::{Nanos, PartitionKey, Quote, Record},
    /// # };
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)))
    ///     .partition(|_: &Request<()>| Some(PartitionKey::new("team-a")));
    /// spend.layer(ScriptedService::default()).oneshot(Request::new(())).await?;
    /// let (part, totals) = &spend.handle().partitions()[0];
    /// assert_eq!((part, totals.spent), (&Some(PartitionKey::new("team-a")), Nanos(40)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn partitions(&self) -> Vec<(Option<PartitionKey>, Totals)> {
        self.ledger.partitions()
    }

    /// What is left now of the budgets of all together, of the smallest; `None` without a budget.
    ///
    /// ```
    /// use blossom_layers::{spend::{Budget, SpendLayer}, types::{Nanos, Quote, Record}};
    ///
    /// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)));
    /// assert_eq!(spend.handle().left(), None);
    /// let spend = spend.budget(Budget::in_all(Nanos(1_000))).budget(Budget::in_all(Nanos(100)));
    /// assert_eq!(spend.handle().left(), Some(Nanos(100)));
    /// ```
    #[must_use]
    pub fn left(&self) -> Option<Nanos> {
        self.ledger.left()
    }

    /// What is left now of the budgets of one part.
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
    /// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)))
    ///     .partition(|_: &Request<()>| Some(PartitionKey::new("team-a")))
    ///     .budget_each(Budget::in_all(Nanos(100)));
    /// spend.layer(ScriptedService::default()).oneshot(Request::new(())).await?;
    /// let books = spend.handle();
    /// assert_eq!(books.left_of(&PartitionKey::new("team-a")), Some(Nanos(60)));
    /// assert_eq!(books.left_of(&PartitionKey::new("team-b")), Some(Nanos(100)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn left_of(&self, part: &PartitionKey) -> Option<Nanos> {
        self.ledger.left_of(part)
    }

    /// The books of all together, to be checked.
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
    /// // It may cost 50, and costs 40.
    /// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)))
    ///     .quote(|_: &Request<()>| Some(Quote::new().most(Nanos(50))));
    /// spend.layer(ScriptedService::default()).oneshot(Request::new(())).await?;
    /// let balance = spend.handle().balance();
    /// assert_eq!((balance.settled, balance.refunded, balance.open), (40, 10, 0));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn balance(&self) -> Balance {
        self.ledger.balance()
    }
}

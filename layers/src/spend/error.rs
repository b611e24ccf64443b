use std::{error, fmt, time::Duration};

use crate::types::{Nanos, PartitionKey, Refusal, RefusalKind};

/// A budget does not allow the call; it was not made. Its source is a [`Refusal`] of kind
/// [`RefusalKind::Spent`].
///
/// ```
/// # use http::Request;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     spend::{Budget, SpendExceeded, SpendLayer},
///     test_util::ScriptedService,
///     types::{Nanos, Quote, Record},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// // Each call may cost 60, and does.
/// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(60)))
///     .quote(|_: &Request<()>| Some(Quote::new().most(Nanos(60))))
///     .budget(Budget::in_all(Nanos(100)));
/// let service = spend.layer(ScriptedService::default());
/// service.clone().oneshot(Request::new(())).await?;
/// let error = service.oneshot(Request::new(())).await.unwrap_err();
/// let exceeded = error.downcast_ref::<SpendExceeded>();
/// assert_eq!(exceeded.map(|it| (it.spent(), it.left())), Some((Nanos(60), Nanos(40))));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendExceeded {
    pub(super) spent: Nanos,
    pub(super) reserved: Nanos,
    pub(super) limit: Nanos,
    pub(super) asked: Option<Nanos>,
    pub(super) resets: Option<Duration>,
    pub(super) partition: Option<PartitionKey>,
    pub(super) refusal: Refusal,
}

impl SpendExceeded {
    /// What has been spent in this period.
    ///
    /// ```
    /// # use blossom_layers::{spend::{Budget, SpendExceeded, SpendLayer}, test_util::*, types::*};
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(60)))
    /// #     .quote(|_: &Request<()>| Some(Quote::new().most(Nanos(60))));
    /// # let service = spend.budget(Budget::in_all(Nanos(100))).layer(ScriptedService::default());
    /// // Each call costs 60, of 100 in all.
    /// service.clone().oneshot(Request::new(())).await?;
    /// let error = service.oneshot(Request::new(())).await.unwrap_err();
    /// assert_eq!(error.downcast_ref().map(SpendExceeded::spent), Some(Nanos(60)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn spent(&self) -> Nanos {
        self.spent
    }

    /// What is reserved for calls that are under way.
    ///
    /// ```
    /// # use blossom_layers::{spend::{Budget, SpendExceeded, SpendLayer}, test_util::*, types::*};
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(60)))
    /// #     .quote(|_: &Request<()>| Some(Quote::new().most(Nanos(60))));
    /// # let upstream = ScriptedService::once(ScriptedBody::new());
    /// # let service = spend.budget(Budget::in_all(Nanos(100))).layer(upstream);
    /// // Each call costs 60, of 100 in all.
    /// let open = service.clone().oneshot(Request::new(())).await?;
    /// let error = service.oneshot(Request::new(())).await.unwrap_err();
    /// assert_eq!(error.downcast_ref().map(SpendExceeded::reserved), Some(Nanos(60)));
    /// # drop(open);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn reserved(&self) -> Nanos {
        self.reserved
    }

    /// What may be spent in a period.
    ///
    /// ```
    /// # use blossom_layers::{spend::{Budget, SpendExceeded, SpendLayer}, test_util::*, types::*};
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(60)))
    /// #     .quote(|_: &Request<()>| Some(Quote::new().most(Nanos(60))));
    /// # let service = spend.budget(Budget::in_all(Nanos(100))).layer(ScriptedService::default());
    /// // Each call costs 60, of 100 in all.
    /// service.clone().oneshot(Request::new(())).await?;
    /// let error = service.oneshot(Request::new(())).await.unwrap_err();
    /// assert_eq!(error.downcast_ref().map(SpendExceeded::limit), Some(Nanos(100)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn limit(&self) -> Nanos {
        self.limit
    }

    /// What is left of it: neither spent nor reserved.
    ///
    /// ```
    /// # use blossom_layers::{spend::{Budget, SpendExceeded, SpendLayer}, test_util::*, types::*};
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(60)))
    /// #     .quote(|_: &Request<()>| Some(Quote::new().most(Nanos(60))));
    /// # let service = spend.budget(Budget::in_all(Nanos(100))).layer(ScriptedService::default());
    /// // Each call costs 60, of 100 in all.
    /// service.clone().oneshot(Request::new(())).await?;
    /// let error = service.oneshot(Request::new(())).await.unwrap_err();
    /// assert_eq!(error.downcast_ref().map(SpendExceeded::left), Some(Nanos(40)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn left(&self) -> Nanos {
        self.limit
            .saturating_sub(self.spent)
            .saturating_sub(self.reserved)
    }

    /// The most that the call might have cost, where its price is known.
    ///
    /// ```
    /// # use blossom_layers::{spend::{Budget, SpendExceeded, SpendLayer}, test_util::*, types::*};
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(60)))
    /// #     .quote(|_: &Request<()>| Some(Quote::new().most(Nanos(60))));
    /// # let service = spend.budget(Budget::in_all(Nanos(100))).layer(ScriptedService::default());
    /// // Each call costs 60, of 100 in all.
    /// service.clone().oneshot(Request::new(())).await?;
    /// let error = service.oneshot(Request::new(())).await.unwrap_err();
    /// assert_eq!(error.downcast_ref().map(SpendExceeded::asked), Some(Some(Nanos(60))));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn asked(&self) -> Option<Nanos> {
        self.asked
    }

    /// How long it was until the next period began; `None` if the budget is one for all time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::{spend::{Budget, SpendExceeded, SpendLayer}, test_util::*, types::*};
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(60)))
    /// #     .quote(|_: &Request<()>| Some(Quote::new().most(Nanos(60))));
    /// let budget = Budget::new(Nanos(100), Duration::from_secs(3600));
    /// let service = spend.budget(budget).layer(ScriptedService::default());
    /// service.clone().oneshot(Request::new(())).await?;
    /// let error = service.oneshot(Request::new(())).await.unwrap_err();
    /// let resets = error.downcast_ref().and_then(SpendExceeded::resets);
    /// assert_eq!(resets, Some(Duration::from_secs(3600)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn resets(&self) -> Option<Duration> {
        self.resets
    }

    /// Whose budget it was; `None` for that of all together.
    ///
    /// ```
    /// # use blossom_layers::{spend::{Budget, SpendExceeded, SpendLayer}, test_util::*, types::*};
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(60)))
    /// #     .quote(|_: &Request<()>| Some(Quote::new().most(Nanos(60))));
    /// # let service = spend.budget(Budget::in_all(Nanos(100))).layer(ScriptedService::default());
    /// // Each call costs 60, of 100 in all.
    /// service.clone().oneshot(Request::new(())).await?;
    /// let error = service.oneshot(Request::new(())).await.unwrap_err();
    /// assert_eq!(error.downcast_ref().map(SpendExceeded::partition), Some(None));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn partition(&self) -> Option<&PartitionKey> {
        self.partition.as_ref()
    }
}

impl fmt::Display for SpendExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (left, limit) = (self.left(), self.limit);
        write!(f, "{left} is left of a budget of {limit}")?;
        if let Some(asked) = self.asked {
            write!(f, ", and the call may cost {asked}")?;
        }
        match self.resets {
            Some(resets) if resets.as_secs() == 0 => write!(f, "; it begins anew in {resets:?}"),
            Some(resets) => write!(f, "; it begins anew in {} s", resets.as_secs()),
            None => Ok(()),
        }
    }
}

impl error::Error for SpendExceeded {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.refusal)
    }
}

const NO_PRICE: Refusal = Refusal::new(RefusalKind::Spent);

/// What the call costs is not known, and only known prices are allowed; it was not made. Its source is
/// a [`Refusal`] of kind [`RefusalKind::Spent`].
///
/// ```
/// # use http::Request;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     cause_ref,
///     spend::{PriceUnknown, SpendLayer, Unknown},
///     test_util::ScriptedService,
///     types::{Nanos, Quote, Record, Refusal},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40))).unknown(Unknown::Refuse);
/// let service = spend.layer(ScriptedService::default());
/// let error = service.oneshot(Request::new(())).await.unwrap_err();
/// assert!(error.is::<PriceUnknown>());
/// assert!(cause_ref::<Refusal>(&*error).is_some_and(Refusal::is_unsent));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PriceUnknown(());

impl PriceUnknown {
    pub(super) const fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for PriceUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what the call costs is not known, and only known prices are allowed")
    }
}

impl error::Error for PriceUnknown {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&NO_PRICE)
    }
}

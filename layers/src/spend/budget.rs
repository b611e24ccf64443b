use std::time::Duration;

use crate::types::Nanos;

/// How much may be spent in a period.
///
/// Periods follow one another from the moment in which the layer is made, by a clock that only goes
/// forward: setting the machine's clock gives nobody a new budget.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::{spend::Budget, types::Nanos};
///
/// let budget = Budget::new(Nanos(5_000_000_000), Duration::from_secs(3600));
/// assert_eq!(budget.limit().to_string(), "5.000000000");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Budget {
    limit: Nanos,
    period: Duration,
}

impl Budget {
    /// At most `limit` in each period.
    ///
    /// A limit of zero lets only pass what certainly costs nothing. A period of zero is one of a
    /// nanosecond; `Duration::MAX` never ends.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::{spend::Budget, types::Nanos};
    ///
    /// let budget = Budget::new(Nanos(5_000_000_000), Duration::from_secs(3600));
    /// assert_ne!(budget, Budget::in_all(Nanos(5_000_000_000)));
    /// ```
    #[must_use]
    pub const fn new(limit: Nanos, period: Duration) -> Self {
        Self { limit, period }
    }

    /// At most `limit` in all, for as long as the layer lives.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::{spend::Budget, types::Nanos};
    ///
    /// assert_eq!(Budget::in_all(Nanos(1_000)).period(), Duration::MAX);
    /// ```
    #[must_use]
    pub const fn in_all(limit: Nanos) -> Self {
        Self::new(limit, Duration::MAX)
    }

    /// The most that may be spent in a period.
    ///
    /// ```
    /// use blossom_layers::{spend::Budget, types::Nanos};
    ///
    /// assert_eq!(Budget::in_all(Nanos(1_000)).limit(), Nanos(1_000));
    /// ```
    #[must_use]
    pub const fn limit(&self) -> Nanos {
        self.limit
    }

    /// How long a period is.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::{spend::Budget, types::Nanos};
    ///
    /// let hour = Duration::from_secs(3600);
    /// assert_eq!(Budget::new(Nanos(1_000), hour).period(), hour);
    /// ```
    #[must_use]
    pub const fn period(&self) -> Duration {
        self.period
    }

    /// Which period it is after `elapsed`.
    pub(super) fn number(&self, elapsed: Duration) -> u128 {
        elapsed.as_nanos() / self.period.as_nanos().max(1)
    }

    /// How long it is until the next period; `None` if there is none.
    pub(super) fn resets(&self, elapsed: Duration) -> Option<Duration> {
        let next = (self.number(elapsed) + 1).checked_mul(self.period.as_nanos().max(1))?;
        let left = u64::try_from(next - elapsed.as_nanos()).ok()?;
        Some(Duration::from_nanos(left))
    }
}

/// What becomes of a request whose price is not known before it is sent.
///
/// ```
/// # use http::Request;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     spend::{PriceUnknown, SpendLayer, Unknown},
///     test_util::ScriptedService,
///     types::{Nanos, Quote, Record},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// // Nobody says what a call may cost.
/// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)));
/// let allowing = spend.clone().layer(ScriptedService::default());
/// assert!(allowing.oneshot(Request::new(())).await.is_ok());
///
/// let refusing = spend.unknown(Unknown::Refuse).layer(ScriptedService::default());
/// let error = refusing.oneshot(Request::new(())).await.unwrap_err();
/// assert!(error.is::<PriceUnknown>());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Unknown {
    /// It goes on while something is left of the budgets. What it has cost is counted if it is known
    /// in the end.
    #[default]
    Allow,
    /// It is refused with [`PriceUnknown`](super::PriceUnknown).
    Refuse,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_ends_and_the_longest_does_not() {
        let minute = Budget::new(Nanos(1), Duration::from_secs(60));
        let late = Duration::from_secs(119);
        assert_eq!(minute.number(late), 1);
        assert_eq!(minute.resets(late), Some(Duration::from_secs(1)));

        let all = Budget::in_all(Nanos(1));
        assert_eq!(all.number(late), 0);
        assert_eq!(all.resets(late), None);
    }
}

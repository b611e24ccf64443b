use std::{fmt, time::Duration};

use crate::types::Nanos;

/// How much may be admitted in any window of a period.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::limit::rate::Quota;
///
/// let minute = Duration::from_secs(60);
/// assert_eq!(Quota::requests(60, minute).to_string(), "60 requests per 60s");
/// // A burst of 3 at rest, then one after the other.
/// let paced = Quota::requests(60, minute).burst(3);
/// // All of it at once, and then nothing until the first is a minute old.
/// let window = Quota::tokens(10_000, minute).exact();
/// # assert_ne!(paced, window);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quota {
    unit: Unit,
    limit: u64,
    period: Duration,
    pub(super) shape: Shape,
}

/// What a [`Quota`] counts.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::{limit::rate::{Quota, Unit}, types::Nanos};
///
/// let minute = Duration::from_secs(60);
/// assert_eq!(Quota::tokens(10_000, minute).unit(), Unit::Tokens);
/// assert_eq!(Quota::cost(Nanos(10_000), minute).unit(), Unit::Cost);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// Requests.
    Requests,
    /// Tokens of prompt and answer.
    Tokens,
    /// Billionths of the unit of account.
    Cost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    Paced { burst: Option<u64> },
    Exact,
}

impl Quota {
    /// At most `limit` requests in any `period`.
    ///
    /// A limit of zero lets nothing through, a period of zero everything.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::limit::rate::Quota;
    ///
    /// let quota = Quota::requests(600, Duration::from_secs(60));
    /// assert_eq!(quota.to_string(), "600 requests per 60s");
    /// ```
    #[must_use]
    pub const fn requests(limit: u64, period: Duration) -> Self {
        Self::new(Unit::Requests, limit, period)
    }

    /// At most `limit` tokens in any `period`, by estimate when a request is admitted, by what the
    /// upstream reports when its reply ends.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::limit::rate::Quota;
    ///
    /// let quota = Quota::tokens(10_000, Duration::from_secs(60));
    /// assert_eq!(quota.to_string(), "10000 tokens per 60s");
    /// ```
    #[must_use]
    pub const fn tokens(limit: u64, period: Duration) -> Self {
        Self::new(Unit::Tokens, limit, period)
    }

    /// At most `limit` of cost in any `period`; needs a
    /// [`price`](super::RateLimitLayer::price).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::{limit::rate::Quota, types::Nanos};
    ///
    /// let quota = Quota::cost(Nanos(2_500_000_000), Duration::from_secs(3600));
    /// assert_eq!(quota.to_string(), "a cost of 2.500000000 per 3600s");
    /// ```
    #[must_use]
    pub const fn cost(limit: Nanos, period: Duration) -> Self {
        Self::new(Unit::Cost, limit.0, period)
    }

    const fn new(unit: Unit, limit: u64, period: Duration) -> Self {
        Self {
            unit,
            limit,
            period,
            shape: Shape::Paced { burst: None },
        }
    }

    /// How much may go at once after a rest. Default: a twentieth of the limit, and at least 1.
    ///
    /// What follows a burst is paced so that burst and pace together stay within the limit: with a
    /// burst of the whole limit, one unit of it goes in each further period. A smaller burst uses more
    /// of the limit and spreads it more evenly. Taken to be from 1 to the limit.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::limit::rate::{Quota, RateLimitLayer};
    ///
    /// let quota = Quota::requests(600, Duration::from_secs(60)).burst(10);
    /// assert_eq!(RateLimitLayer::new([quota]).handle().available(None), [10]);
    /// ```
    #[must_use]
    pub const fn burst(mut self, burst: u64) -> Self {
        self.shape = Shape::Paced { burst: Some(burst) };
        self
    }

    /// Keeps a log of what was admitted in the last period, instead of a pace: all of the limit is
    /// usable, at once if nothing went before, and what a reply did not use comes back in full.
    ///
    /// Exact for a limit of up to 10,000; above that, to a ten-thousandth of the period, on the safe
    /// side. Costs 16 bytes of memory for each admission of the last period, at most 160 kB.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::limit::rate::{Quota, RateLimitLayer};
    ///
    /// let quota = Quota::requests(600, Duration::from_secs(60)).exact();
    /// assert_eq!(RateLimitLayer::new([quota]).handle().available(None), [600]);
    /// ```
    #[must_use]
    pub const fn exact(mut self) -> Self {
        self.shape = Shape::Exact;
        self
    }

    /// What it counts.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::limit::rate::{Quota, Unit};
    ///
    /// assert_eq!(Quota::requests(600, Duration::from_secs(60)).unit(), Unit::Requests);
    /// ```
    #[must_use]
    pub const fn unit(&self) -> Unit {
        self.unit
    }

    /// How much may be admitted in any window of the period.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::{limit::rate::Quota, types::Nanos};
    ///
    /// // In billionths, as it counts cost.
    /// assert_eq!(Quota::cost(Nanos(5_000), Duration::from_secs(60)).limit(), 5_000);
    /// ```
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// The period.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::limit::rate::Quota;
    ///
    /// let minute = Duration::from_secs(60);
    /// assert_eq!(Quota::requests(600, minute).period(), minute);
    /// ```
    #[must_use]
    pub const fn period(&self) -> Duration {
        self.period
    }

    /// An amount of what it counts, in words.
    pub(super) fn amount(&self, amount: u64) -> impl fmt::Display + use<> {
        Amount(self.unit, amount)
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {:?}", self.amount(self.limit), self.period)
    }
}

struct Amount(Unit, u64);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unit::Requests => write!(f, "{} requests", self.1),
            Unit::Tokens => write!(f, "{} tokens", self.1),
            Unit::Cost => write!(f, "a cost of {}", Nanos(self.1)),
        }
    }
}

/// What one request takes of each kind of quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Units {
    pub(super) requests: u64,
    pub(super) tokens: u64,
    pub(super) cost: u64,
}

impl Units {
    /// A request of which nothing else is known.
    pub(super) const ONE: Self = Self {
        requests: 1,
        tokens: 0,
        cost: 0,
    };

    pub(super) const fn of(&self, unit: Unit) -> u64 {
        match unit {
            Unit::Requests => self.requests,
            Unit::Tokens => self.tokens,
            Unit::Cost => self.cost,
        }
    }

    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            tokens: self.tokens.saturating_add(other.tokens),
            cost: self.cost.saturating_add(other.cost),
        }
    }

    pub(super) const fn minus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(other.requests),
            tokens: self.tokens.saturating_sub(other.tokens),
            cost: self.cost.saturating_sub(other.cost),
        }
    }
}

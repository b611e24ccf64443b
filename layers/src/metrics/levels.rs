use super::{Kind, Metric, names::name};
use crate::types::Nanos;

/// What the handles of limits, breakers and budgets say at one moment.
///
/// A stack fills in what it has, and a [`Publisher`](super::Publisher) tells it. They are totals,
/// without labels: partitions are often callers, and callers are many.
///
/// ```
/// use blossom_layers::{limit::concurrency::ConcurrencyLimitLayer, metrics::Levels};
///
/// let limit = ConcurrencyLimitLayer::new(64).handle();
/// let mut levels = Levels::default();
/// levels.permits_in_use = Some(limit.in_flight() as u64);
/// assert_eq!(levels.permits_in_use, Some(0));
/// assert_eq!(levels.rate_waiting, None); // the stack has no quotas
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Levels {
    /// Permits that are held.
    pub permits_in_use: Option<u64>,
    /// Calls that wait for a permit.
    pub permits_waiting: Option<u64>,
    /// Calls that wait for a quota.
    pub rate_waiting: Option<u64>,
    /// How many calls had to wait for a quota so far.
    pub rate_waits: Option<u64>,
    /// Breakers that let nothing through.
    pub breakers_open: Option<u64>,
    /// Breakers that let a few calls through, to see.
    pub breakers_half_open: Option<u64>,
    /// What was spent in all.
    pub spent: Option<Nanos>,
    /// What answers from a cache would have cost.
    pub saved: Option<Nanos>,
}

/// How many figures there are.
pub(super) const COUNT: usize = 8;

impl Levels {
    /// What is filled in, in the order of [`LEVELS`].
    pub(super) fn values(&self) -> [Option<u64>; COUNT] {
        let nanos = |amount: Option<Nanos>| amount.map(|Nanos(amount)| amount);
        [
            self.permits_in_use,
            self.permits_waiting,
            self.rate_waiting,
            self.rate_waits,
            self.breakers_open,
            self.breakers_half_open,
            nanos(self.spent),
            nanos(self.saved),
        ]
    }
}

/// Every figure of [`Levels`]. They have no labels.
///
/// ```
/// use blossom_layers::metrics::{LEVELS, name};
///
/// assert!(LEVELS.iter().any(|level| level.name == name::PERMITS_IN_USE));
/// assert!(LEVELS.iter().all(|level| level.labels.is_empty()));
/// ```
pub const LEVELS: &[Metric] = &LEVEL_LIST;

const LEVEL_LIST: [Metric; COUNT] = [
    gauge(
        name::PERMITS_IN_USE,
        "{permit}",
        "permits that are held, to the end of a body",
    ),
    gauge(
        name::PERMITS_WAITING,
        "{call}",
        "calls that wait for a permit",
    ),
    gauge(name::RATE_WAITING, "{call}", "calls that wait for a quota"),
    counter(
        name::RATE_WAITS,
        "{call}",
        "calls that had to wait for a quota",
    ),
    gauge(
        name::BREAKERS_OPEN,
        "{breaker}",
        "breakers that let nothing through",
    ),
    gauge(
        name::BREAKERS_HALF_OPEN,
        "{breaker}",
        "breakers that let a few calls through, to see",
    ),
    counter(
        name::SPENT,
        "{nano}",
        "what was spent, in billionths of the unit of account",
    ),
    counter(
        name::SAVED,
        "{nano}",
        "what answers from the cache would have cost, in billionths",
    ),
];

const fn gauge(name: &'static str, unit: &'static str, meaning: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Gauge,
        unit,
        labels: &[],
        buckets: &[],
        meaning,
    }
}

const fn counter(name: &'static str, unit: &'static str, meaning: &'static str) -> Metric {
    Metric {
        kind: Kind::Counter,
        ..gauge(name, unit, meaning)
    }
}

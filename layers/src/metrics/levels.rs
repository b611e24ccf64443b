use metrics::Key;

use super::{Kind, Metric, names::name, recorder};
use crate::types::Nanos;

/// What the handles of limits, breakers and budgets say at one moment.
///
/// These figures are of no call, so nothing publishes them by itself: fill in what your stack has,
/// and [`publish`](Self::publish) it before each scrape, or every few seconds. They are totals,
/// without labels: partitions are often callers, and callers are many.
///
/// ```
/// use blossom_layers::{
///     limit::concurrency::ConcurrencyLimitLayer,
///     metrics::{Levels, MetricsLayer},
/// };
///
/// let limit = ConcurrencyLimitLayer::new(64);
/// let handle = limit.handle();
/// // .. when the page is asked for:
/// let mut levels = Levels::default();
/// levels.permits_in_use = Some(handle.in_flight() as u64);
/// levels.permits_waiting = Some(handle.waiting() as u64);
/// levels.publish();
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
    /// Breakers that let nothing through.
    pub breakers_open: Option<u64>,
    /// What was spent in all.
    pub spent: Option<Nanos>,
    /// What answers from a cache would have cost.
    pub saved: Option<Nanos>,
}

impl Levels {
    /// Tells the recorder that is installed of what is filled in.
    pub fn publish(&self) {
        recorder::with(|recorder| {
            let gauges = [
                (name::PERMITS_IN_USE, self.permits_in_use),
                (name::PERMITS_WAITING, self.permits_waiting),
                (name::RATE_WAITING, self.rate_waiting),
                (name::BREAKERS_OPEN, self.breakers_open),
            ];
            for (name, level) in gauges {
                if let Some(level) = level {
                    let gauge = recorder::gauge(recorder, &Key::from_static_name(name));
                    gauge.set(as_float(level));
                }
            }
            for (name, amount) in [(name::SPENT, self.spent), (name::SAVED, self.saved)] {
                if let Some(Nanos(amount)) = amount {
                    let counter = recorder::counter(recorder, &Key::from_static_name(name));
                    counter.absolute(amount);
                }
            }
        });
    }
}

#[expect(clippy::cast_precision_loss, reason = "the facade knows no integers")]
const fn as_float(level: u64) -> f64 {
    level as f64
}

/// Every figure of [`Levels`]. They have no labels.
pub const LEVELS: &[Metric] = &[
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
    gauge(
        name::BREAKERS_OPEN,
        "{breaker}",
        "breakers that let nothing through",
    ),
    money(
        name::SPENT,
        "what was spent, in billionths of the unit of account",
    ),
    money(
        name::SAVED,
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

const fn money(name: &'static str, meaning: &'static str) -> Metric {
    Metric {
        kind: Kind::Counter,
        ..gauge(name, "{nano}", meaning)
    }
}

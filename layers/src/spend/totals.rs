use super::account::nanos;
use crate::types::Nanos;

/// What calls have cost so far.
///
/// ```
/// use blossom_layers::{spend::SpendLayer, types::{Nanos, Quote, Record}};
///
/// let layer = SpendLayer::new(|_: &Quote, record: &Record| Some(Nanos(record.usage?.total_tokens)));
/// let totals = layer.handle().totals();
/// assert_eq!((totals.calls, totals.spent, totals.saved), (0, Nanos::ZERO, Nanos::ZERO));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Totals {
    /// Calls that reached the upstream and have ended.
    pub calls: u64,
    /// What they cost.
    pub spent: Nanos,
    /// What is reserved for calls under way.
    pub reserved: Nanos,
    /// Those of the calls whose cost is not known; it is not in `spent`.
    pub unpriced: u64,
    /// Answers that cost nothing: from a cache, or shared with a call that was paid for.
    pub hits: u64,
    /// What they would have cost, as far as it is known.
    pub saved: Nanos,
}

/// The books, which always balance: what was reserved was settled, given back, or is open.
///
/// ```
/// # use http::Request;
/// # use tower::{Layer as _, Service as _};
/// use blossom_layers::{
///     spend::{Balance, SpendLayer},
///     test_util::ScriptedService,
///     types::{Nanos, Quote, Record},
/// };
///
/// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)))
///     .quote(|_: &Request<()>| Some(Quote::new().most(Nanos(50))));
/// let call = spend.layer(ScriptedService::default()).call(Request::new(()));
/// let Balance { reserved, settled, refunded, open, .. } = spend.handle().balance();
/// assert_eq!(reserved, settled + refunded + open);
/// assert_eq!(open, 50);
/// # drop(call);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Balance {
    /// Everything that was ever reserved. What a call cost beyond its reservation is reserved when it
    /// ends.
    pub reserved: u128,
    /// What calls have cost.
    pub settled: u128,
    /// What was given back: of calls that were not sent, or cost less than they might have.
    pub refunded: u128,
    /// What is reserved for calls under way.
    pub open: u128,
}

/// Sums so wide that they cannot overflow.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    reserved: u128,
    settled: u128,
    refunded: u128,
    pub(super) open: u128,
    calls: u64,
    unpriced: u64,
    hits: u64,
    saved: u128,
}

impl Sums {
    pub(super) const fn reserve(&mut self, amount: u128) {
        self.reserved += amount;
        self.open += amount;
    }

    pub(super) const fn refund(&mut self, amount: u128) {
        // Saturating, as it runs inside `drop`; it never has to.
        self.open = self.open.saturating_sub(amount);
        self.refunded += amount;
    }

    pub(super) fn settle(&mut self, reserved: u128, cost: Option<Nanos>) {
        let paid = cost.map_or(0, |cost| u128::from(cost.0));
        self.open = self.open.saturating_sub(reserved);
        // The part beyond the reservation is reserved and settled at once.
        self.reserved += paid.saturating_sub(reserved);
        self.refunded += reserved.saturating_sub(paid);
        self.settled += paid;
        self.calls = self.calls.saturating_add(1);
        self.unpriced = self.unpriced.saturating_add(u64::from(cost.is_none()));
    }

    pub(super) fn save(&mut self, cost: Option<Nanos>) {
        self.hits = self.hits.saturating_add(1);
        self.saved += cost.map_or(0, |cost| u128::from(cost.0));
    }

    /// Takes over the sums of another.
    pub(super) const fn merge(&mut self, other: Self) {
        self.reserved += other.reserved;
        self.settled += other.settled;
        self.refunded += other.refunded;
        self.open += other.open;
        self.calls = self.calls.saturating_add(other.calls);
        self.unpriced = self.unpriced.saturating_add(other.unpriced);
        self.hits = self.hits.saturating_add(other.hits);
        self.saved += other.saved;
    }

    pub(super) fn totals(&self) -> Totals {
        Totals {
            calls: self.calls,
            spent: nanos(self.settled),
            reserved: nanos(self.open),
            unpriced: self.unpriced,
            hits: self.hits,
            saved: nanos(self.saved),
        }
    }

    pub(super) const fn balance(&self) -> Balance {
        Balance {
            reserved: self.reserved,
            settled: self.settled,
            refunded: self.refunded,
            open: self.open,
        }
    }
}

//! The books of all together or of one part.

use std::time::Duration;

use super::{Budget, totals::Sums};
use crate::types::{Nanos, PartitionKey, Refusal, RefusalKind};

use super::SpendExceeded;

#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) sums: Sums,
    // One for each budget.
    periods: Vec<Period>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Period {
    number: u128,
    spent: u128,
}

impl Account {
    /// Makes room for so many budgets.
    pub(super) fn open(&mut self, budgets: usize) {
        self.periods.resize_with(budgets, Period::default);
    }

    /// Makes the periods those of this moment.
    fn turn(&mut self, budgets: &[Budget], elapsed: Duration) {
        self.open(budgets.len());
        for (period, budget) in self.periods.iter_mut().zip(budgets) {
            let number = budget.number(elapsed);
            if period.number != number {
                *period = Period { number, spent: 0 };
            }
        }
    }

    /// Whether each budget allows `asked`; without a price, whether something is left of it.
    pub(super) fn check(
        &mut self,
        budgets: &[Budget],
        elapsed: Duration,
        asked: Option<Nanos>,
        partition: Option<&PartitionKey>,
    ) -> Result<(), SpendExceeded> {
        self.turn(budgets, elapsed);
        for (period, budget) in self.periods.iter().zip(budgets) {
            let limit = u128::from(budget.limit().0);
            let taken = period.spent.saturating_add(self.sums.open);
            let fits = match asked {
                Some(asked) => taken.saturating_add(u128::from(asked.0)) <= limit,
                None => taken < limit,
            };
            // What certainly costs nothing passes also where more was spent than is allowed.
            if !fits && asked != Some(Nanos::ZERO) {
                let resets = budget.resets(elapsed);
                let refusal = Refusal::new(RefusalKind::Spent);
                return Err(SpendExceeded {
                    spent: nanos(period.spent),
                    reserved: nanos(self.sums.open),
                    limit: budget.limit(),
                    asked,
                    resets,
                    partition: partition.cloned(),
                    refusal: resets.map_or(refusal, |wait| refusal.retry_after(wait)),
                });
            }
        }
        Ok(())
    }

    pub(super) const fn reserve(&mut self, amount: u128) {
        self.sums.reserve(amount);
    }

    /// Ends a reservation with what the call has cost.
    pub(super) fn settle(
        &mut self,
        budgets: &[Budget],
        elapsed: Duration,
        reserved: u128,
        cost: Option<Nanos>,
    ) {
        self.turn(budgets, elapsed);
        let paid = cost.map_or(0, |cost| u128::from(cost.0));
        for period in &mut self.periods {
            period.spent = period.spent.saturating_add(paid);
        }
        self.sums.settle(reserved, cost);
    }

    /// Whether nothing would be forgotten but sums if it were.
    pub(super) fn is_idle(&mut self, budgets: &[Budget], elapsed: Duration) -> bool {
        self.turn(budgets, elapsed);
        self.sums.open == 0 && self.periods.iter().all(|period| period.spent == 0)
    }

    /// What is left of the budget of which least is left.
    pub(super) fn left(&mut self, budgets: &[Budget], elapsed: Duration) -> Option<Nanos> {
        self.turn(budgets, elapsed);
        let open = self.sums.open;
        let left = self.periods.iter().zip(budgets).map(|(period, budget)| {
            let taken = nanos(period.spent.saturating_add(open));
            budget.limit().saturating_sub(taken)
        });
        left.min()
    }
}

pub(super) fn nanos(amount: u128) -> Nanos {
    Nanos(u64::try_from(amount).unwrap_or(u64::MAX))
}

use std::fmt;

use super::{claim::Claim, layer::Pricing};
use crate::{
    body::{End, Guard},
    types::{Outcome, Quote},
};

/// What is still to be settled of one request. It hangs on the response body, and is settled with its
/// end.
pub struct Settlement(Option<Box<Open>>);

struct Open {
    claim: Claim,
    outcome: Outcome,
    price: Option<Pricing>,
}

impl Settlement {
    /// Nothing is left to settle.
    pub(super) const fn none() -> Self {
        Self(None)
    }

    pub(super) fn new(claim: Claim, outcome: Outcome, price: Option<Pricing>) -> Self {
        Self(Some(Box::new(Open {
            claim,
            outcome,
            price,
        })))
    }
}

impl Guard for Settlement {
    fn end(self, _end: End) {
        let Some(open) = self.0 else {
            return;
        };
        let Open {
            mut claim,
            outcome,
            price,
        } = *open;
        let mut used = claim.units();
        // What is not known stays as it was estimated.
        outcome.read(|record| {
            if let Some(usage) = record.usage {
                used.tokens = usage.total_tokens;
            }
            if let Some(cost) = price.and_then(|price| price.price(&Quote::new(), record)) {
                used.cost = cost.0;
            }
        });
        claim.settle(used);
    }
}

impl fmt::Debug for Settlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let claim = self.0.as_deref().map(|open| &open.claim);
        f.debug_tuple("Settlement").field(&claim).finish()
    }
}

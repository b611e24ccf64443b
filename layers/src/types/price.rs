use std::fmt;

use super::Record;

/// An amount of money in billionths of the unit of account.
///
/// Integers, because sums of floats drift and a budget must add up. All arithmetic saturates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Nanos(pub u64);

impl Nanos {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The sum; stays at the largest amount.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference; stays at zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNIT: u64 = 1_000_000_000;
        write!(f, "{}.{:09}", self.0 / UNIT, self.0 % UNIT)
    }
}

/// What a reply costs. Implemented for closures.
pub trait Price {
    /// The price of the reply that `record` describes, or `None` if it is not known.
    fn price(&self, record: &Record) -> Option<Nanos>;
}

impl<F: Fn(&Record) -> Option<Nanos>> Price for F {
    fn price(&self, record: &Record) -> Option<Nanos> {
        self(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_nine_places_and_saturates() {
        assert_eq!(Nanos(1_000_000_042).to_string(), "1.000000042");
        assert_eq!(Nanos(u64::MAX).saturating_add(Nanos(1)), Nanos(u64::MAX));
        assert_eq!(Nanos(1).saturating_sub(Nanos(2)), Nanos::ZERO);
    }
}

use std::{error, fmt, time::Duration};

use crate::types::{Nanos, PartitionKey, Refusal, RefusalKind};

/// A budget does not allow the call; it was not made. Its source is a [`Refusal`] of kind
/// [`RefusalKind::Spent`].
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
    #[must_use]
    pub const fn spent(&self) -> Nanos {
        self.spent
    }

    /// What is reserved for calls that are under way.
    #[must_use]
    pub const fn reserved(&self) -> Nanos {
        self.reserved
    }

    /// What may be spent in a period.
    #[must_use]
    pub const fn limit(&self) -> Nanos {
        self.limit
    }

    /// What is left of it: neither spent nor reserved.
    #[must_use]
    pub const fn left(&self) -> Nanos {
        self.limit
            .saturating_sub(self.spent)
            .saturating_sub(self.reserved)
    }

    /// The most that the call might have cost, where its price is known.
    #[must_use]
    pub const fn asked(&self) -> Option<Nanos> {
        self.asked
    }

    /// How long it was until the next period began; `None` if the budget is one for all time.
    #[must_use]
    pub const fn resets(&self) -> Option<Duration> {
        self.resets
    }

    /// Whose budget it was; `None` for that of all together.
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

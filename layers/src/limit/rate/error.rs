use std::{error, fmt, time::Duration};

use super::Quota;
use crate::types::{Refusal, RefusalKind};

const TOO_LARGE: Refusal = Refusal::new(RefusalKind::TooLarge);

/// A quota allows no more for now, and the request may not wait: the queue is full, or the wait would
/// not end before the caller's deadline. Its source is a [`Refusal`] of kind
/// [`RefusalKind::RateLimited`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimited {
    retry_after: Duration,
    quota: Option<Quota>,
    refusal: Refusal,
}

impl RateLimited {
    pub(super) const fn new(retry_after: Duration, quota: Option<Quota>) -> Self {
        Self {
            retry_after,
            quota,
            refusal: Refusal::new(RefusalKind::RateLimited).retry_after(retry_after),
        }
    }

    /// When such a request could go, if those that wait go first and no others come.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        self.retry_after
    }

    /// The quota that makes it wait longest; `None` if the upstream has asked to wait.
    #[must_use]
    pub const fn quota(&self) -> Option<Quota> {
        self.quota
    }
}

impl fmt::Display for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.quota {
            Some(quota) => write!(f, "the quota of {quota} is used up")?,
            None => f.write_str("the upstream has asked to wait")?,
        }
        write!(f, "; try again in {:?}", self.retry_after)
    }
}

impl error::Error for RateLimited {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.refusal)
    }
}

/// A request that alone is more than a quota ever lets through. Its source is a [`Refusal`] of kind
/// [`RefusalKind::TooLarge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LargerThanQuota {
    amount: u64,
    quota: Quota,
}

impl LargerThanQuota {
    pub(super) const fn new(amount: u64, quota: Quota) -> Self {
        Self { amount, quota }
    }

    /// What the request was expected to take.
    #[must_use]
    pub const fn amount(&self) -> u64 {
        self.amount
    }

    /// The quota that is smaller.
    #[must_use]
    pub const fn quota(&self) -> Quota {
        self.quota
    }
}

impl fmt::Display for LargerThanQuota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quota = self.quota;
        write!(
            f,
            "{} is more than the quota of {quota} ever lets through",
            quota.amount(self.amount)
        )
    }
}

impl error::Error for LargerThanQuota {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&TOO_LARGE)
    }
}

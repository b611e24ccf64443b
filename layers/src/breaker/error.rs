use std::{error::Error, fmt, time::Duration};

use crate::types::{PartitionKey, Refusal, RefusalKind};

/// The circuit is open. Its source is a [`Refusal`] of kind [`RefusalKind::Unavailable`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    partition: PartitionKey,
    retry_after: Duration,
    refusal: Refusal,
}

impl Broken {
    pub(super) fn new(partition: PartitionKey, retry_after: Duration) -> Self {
        Self {
            partition,
            retry_after,
            refusal: Refusal::new(RefusalKind::Unavailable).retry_after(retry_after),
        }
    }

    /// The part whose circuit it is.
    #[must_use]
    pub const fn partition(&self) -> &PartitionKey {
        &self.partition
    }

    /// When it will be tried again.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        self.retry_after
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = self.retry_after;
        match self.partition.as_str() {
            "" => write!(f, "the upstream has failed too often: again in {after:?}"),
            part => write!(f, "{part} has failed too often: again in {after:?}"),
        }
    }
}

impl Error for Broken {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.refusal)
    }
}

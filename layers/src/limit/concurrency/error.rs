use std::{error, fmt, time::Duration};

use crate::types::{Refusal, RefusalKind};

const REFUSAL: Refusal = Refusal::new(RefusalKind::Timeout).queued();

/// The caller's deadline passed while the request waited for a permit; the upstream never saw it.
/// Its source is a [`Refusal`] of kind [`RefusalKind::Timeout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadlinePassed {
    waited: Duration,
}

impl DeadlinePassed {
    pub(super) const fn new(waited: Duration) -> Self {
        Self { waited }
    }

    /// How long the request had waited.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.waited
    }
}

impl fmt::Display for DeadlinePassed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the deadline passed after {:?} of waiting for a permit",
            self.waited
        )
    }
}

impl error::Error for DeadlinePassed {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&REFUSAL)
    }
}

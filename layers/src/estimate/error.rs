use std::{error, fmt};

use crate::types::{Refusal, RefusalKind};

const REFUSAL: Refusal = Refusal::new(RefusalKind::TooLarge);

/// The prompt is estimated at more tokens than are allowed; the request was not sent. Its source is a
/// [`Refusal`] of kind [`RefusalKind::TooLarge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromptTooLarge {
    estimated: u64,
    limit: u64,
}

impl PromptTooLarge {
    pub(super) const fn new(estimated: u64, limit: u64) -> Self {
        Self { estimated, limit }
    }

    /// How many tokens the prompt is estimated at.
    #[must_use]
    pub const fn estimated(&self) -> u64 {
        self.estimated
    }

    /// How many are allowed.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }
}

impl fmt::Display for PromptTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { estimated, limit } = self;
        write!(
            f,
            "the prompt is estimated at {estimated} tokens, and at most {limit} are allowed"
        )
    }
}

impl error::Error for PromptTooLarge {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&REFUSAL)
    }
}

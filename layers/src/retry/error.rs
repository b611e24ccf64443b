use std::{error::Error, fmt};

use crate::{BoxError, types::Attempt};

/// The last of several attempts ended in an error, which is its source.
///
/// The error of a single attempt is passed on as it is, unless there would be another one if the
/// [`Budget`](super::Budget) had allowed it: a retry layer further out must know that, or retries of
/// stacked layers would add up.
#[derive(Debug)]
pub struct GaveUp {
    attempt: Attempt,
    source: BoxError,
}

impl GaveUp {
    pub(super) const fn new(attempt: Attempt, source: BoxError) -> Self {
        Self { attempt, source }
    }

    /// The attempt that was the last.
    #[must_use]
    pub const fn attempt(&self) -> Attempt {
        self.attempt
    }

    /// The error of that attempt.
    #[must_use]
    pub fn into_source(self) -> BoxError {
        self.source
    }
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.attempt.number() {
            1 => write!(f, "gave up after one attempt: too many retries lately"),
            more => write!(f, "gave up after {more} attempts"),
        }
    }
}

impl Error for GaveUp {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

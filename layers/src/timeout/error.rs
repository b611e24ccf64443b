use std::{error, fmt, time::Duration};

use crate::types::{Refusal, RefusalKind};

const REFUSAL: Refusal = Refusal::new(RefusalKind::Timeout);

/// Which clock fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Clock {
    /// The wait for the response head.
    Head,
    /// The wait for the first event that holds part of the answer.
    FirstEvent,
    /// The wait for the next frame.
    Idle,
    /// The whole call, to the end of the body.
    Total,
}

/// A clock fired. Its source is a [`Refusal`] of kind [`RefusalKind::Timeout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed {
    clock: Clock,
    after: Duration,
}

impl Elapsed {
    pub(super) const fn new(clock: Clock, after: Duration) -> Self {
        Self { clock, after }
    }

    /// Which clock it was.
    #[must_use]
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// How long it ran.
    #[must_use]
    pub const fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = self.after;
        match self.clock {
            Clock::Head => write!(f, "no response head within {after:?}"),
            Clock::FirstEvent => write!(f, "no event within {after:?}"),
            Clock::Idle => write!(f, "the response was silent for {after:?}"),
            Clock::Total => write!(f, "the response did not end within {after:?}"),
        }
    }
}

impl error::Error for Elapsed {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&REFUSAL)
    }
}

/// The body was held for too long without being read, and was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread {
    after: Duration,
}

impl Unread {
    pub(super) const fn new(after: Duration) -> Self {
        Self { after }
    }

    /// How long nobody read.
    #[must_use]
    pub const fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the response was closed because it was not read for {:?}",
            self.after
        )
    }
}

impl error::Error for Unread {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&REFUSAL)
    }
}

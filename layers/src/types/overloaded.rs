use std::{error, fmt, time::Duration};

use super::{Refusal, RefusalKind};

/// Refused at once, because too much is under way. Its source is a [`Refusal`] of kind
/// [`RefusalKind::Overloaded`].
///
/// One cause, whoever finds it: a limit whose queue is full, or a service that is not ready.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::types::Overloaded;
///
/// let error = Overloaded::new(Duration::from_secs(2));
/// assert_eq!(error.retry_after(), Duration::from_secs(2));
/// assert_eq!(error.to_string(), "too much is under way; try again in 2s");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overloaded {
    retry_after: Duration,
    refusal: Refusal,
}

impl Overloaded {
    /// A refusal that says when there may be room again.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::{cause_ref, types::{Overloaded, Refusal, RefusalKind}};
    ///
    /// let error = Overloaded::new(Duration::from_secs(2));
    /// let kind = cause_ref::<Refusal>(&error).map(Refusal::kind);
    /// assert_eq!(kind, Some(RefusalKind::Overloaded));
    /// ```
    #[must_use]
    pub const fn new(retry_after: Duration) -> Self {
        Self {
            retry_after,
            refusal: Refusal::new(RefusalKind::Overloaded).retry_after(retry_after),
        }
    }

    /// When there may be room again: an estimate, never a promise.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::types::Overloaded;
    ///
    /// let error = Overloaded::new(Duration::from_secs(2));
    /// assert_eq!(error.retry_after(), Duration::from_secs(2));
    /// ```
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        self.retry_after
    }
}

impl fmt::Display for Overloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "too much is under way; try again in {:?}",
            self.retry_after
        )
    }
}

impl error::Error for Overloaded {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.refusal)
    }
}

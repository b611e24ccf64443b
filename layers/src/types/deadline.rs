use std::time::{Duration, Instant};

/// The instant at which the caller stops waiting for the end of the reply.
///
/// `timeout::total` places it in the extensions of the request. Layers further in read it: who waits
/// for a permit leaves the queue, who would back off past it gives up. The time that remains only
/// shrinks on the way in.
///
/// It holds a [`std::time::Instant`], which tokio's clock converts to and from, so that a paused
/// clock pauses deadlines as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline at `instant`.
    #[must_use]
    pub const fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// A deadline `timeout` after `now`, or `None` if that is past the end of time, as
    /// [`Duration::MAX`] is.
    #[must_use]
    pub fn after(now: Instant, timeout: Duration) -> Option<Self> {
        now.checked_add(timeout).map(Self)
    }

    /// The instant.
    #[must_use]
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// What remains at `now`; zero once it has passed.
    #[must_use]
    pub fn remaining(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn remaining_time_only_shrinks_to_zero() {
        let start = tokio::time::Instant::now().into_std();
        let deadline = Deadline::after(start, Duration::from_secs(2)).unwrap();

        assert_eq!(deadline.remaining(start), Duration::from_secs(2));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(
            deadline.remaining(tokio::time::Instant::now().into_std()),
            Duration::ZERO
        );
        assert_eq!(Deadline::after(start, Duration::MAX), None);
    }
}

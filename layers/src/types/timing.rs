use std::time::{Duration, Instant};

/// When the parts of a reply arrived, counted from the moment the request was sent.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::types::Timing;
///
/// let mut timing = Timing::default();
/// timing.head = Some(Duration::from_millis(80));
/// timing.end = Some(Duration::from_millis(500));
/// let reading = timing.end.zip(timing.head).map(|(end, head)| end - head);
/// assert_eq!(reading, Some(Duration::from_millis(420)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Timing {
    /// When the request was sent: the last one of a call that was repeated. `None` of a reply that
    /// was kept elsewhere since.
    pub sent: Option<Instant>,
    /// How long the call had waited until then, for permits, quotas and other attempts. Known where
    /// it is known when the call began: see [`since`](Self::since).
    pub queue: Option<Duration>,
    /// The response head.
    pub head: Option<Duration>,
    /// The first event that holds part of the answer; for a body that is no stream, its first frame.
    pub first_event: Option<Duration>,
    /// The end of the body, however it ended.
    pub end: Option<Duration>,
}

impl Timing {
    /// The same for a call that began at `start`: [`queue`](Self::queue) is what lies between that
    /// and the sending. A call that began later than that has waited in no queue; its answer was
    /// already under way, or stored.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use blossom_layers::types::Timing;
    ///
    /// let (start, second) = (Instant::now(), Duration::from_secs(1));
    /// let mut timing = Timing::default();
    /// timing.sent = Some(start + second);
    /// assert_eq!(timing.since(start).queue, Some(second));
    /// // Who came later has joined what was under way.
    /// assert_eq!(timing.since(start + 2 * second).queue, None);
    /// ```
    #[must_use]
    pub fn since(mut self, start: Instant) -> Self {
        self.queue = self
            .sent
            .and_then(|sent| sent.checked_duration_since(start));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_queue_is_what_lies_before_the_sending() {
        let start = tokio::time::Instant::now().into_std();
        let mut timing = Timing::default();
        assert_eq!(timing.since(start).queue, None);

        let second = Duration::from_secs(1);
        timing.sent = Some(start + second);
        assert_eq!(timing.since(start).queue, Some(second));
        assert_eq!(timing.since(start + second * 2).queue, None);
    }
}

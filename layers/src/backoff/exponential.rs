use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Waits that double with each retry, up to a limit, of which each is a random part.
///
/// Before retry *n* the wait is drawn evenly from zero to [`window(n)`](Self::window). That is the
/// *full jitter* of [Exponential Backoff And Jitter]: callers that failed together come back evenly
/// spread over the window, and no other way of drawing makes fewer calls in all.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::backoff::Backoff;
///
/// let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1)).seed(7);
/// let windows: Vec<_> = (1..=5).map(|retry| backoff.window(retry).as_millis()).collect();
/// assert_eq!(windows, [100, 200, 400, 800, 1000]);
/// ```
///
/// [Exponential Backoff And Jitter]: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    seed: Option<Arc<AtomicU64>>,
}

impl Backoff {
    /// A first window of `first`, which doubles up to `max`.
    ///
    /// Zero retries at once. Where `max` is the smaller one, every window is `max`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::backoff::Backoff;
    /// let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
    /// assert_eq!(backoff.window(1), Duration::from_millis(50));
    /// assert_eq!(backoff.window(100), Duration::from_secs(2));
    /// ```
    #[must_use]
    pub const fn new(first: Duration, max: Duration) -> Self {
        Self {
            first,
            max,
            seed: None,
        }
    }

    /// Draws from a sequence that is the same for each `seed`, which clones share. For tests: callers
    /// with one seed are not spread.
    ///
    /// ```
    /// # use blossom_layers::backoff::Backoff;
    /// let draws = |backoff: Backoff| [1, 2, 3].map(|retry| backoff.wait(retry));
    /// assert_eq!(draws(Backoff::default().seed(7)), draws(Backoff::default().seed(7)));
    /// ```
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(Arc::new(AtomicU64::new(seed)));
        self
    }

    /// The first window.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::backoff::Backoff;
    /// assert_eq!(Backoff::default().first(), Duration::from_millis(500));
    /// ```
    #[must_use]
    pub const fn first(&self) -> Duration {
        self.first
    }

    /// The largest window.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::backoff::Backoff;
    /// assert_eq!(Backoff::default().max(), Duration::from_secs(8));
    /// ```
    #[must_use]
    pub const fn max(&self) -> Duration {
        self.max
    }

    /// The longest wait before a retry; the first retry is 1.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::backoff::Backoff;
    /// let backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(8));
    /// assert_eq!(backoff.window(3), Duration::from_secs(2), "doubled twice");
    /// ```
    #[must_use]
    pub fn window(&self, retry: u32) -> Duration {
        let doubled = 2_u32
            .checked_pow(retry.saturating_sub(1))
            .and_then(|factor| self.first.checked_mul(factor));
        // Zero doubled is zero, however often.
        let grown = if self.first.is_zero() {
            Some(Duration::ZERO)
        } else {
            doubled
        };
        grown.map_or(self.max, |window| window.min(self.max))
    }

    /// A wait before a retry, drawn from its window; the first retry is 1.
    ///
    /// ```
    /// # use blossom_layers::backoff::Backoff;
    /// let backoff = Backoff::default();
    /// assert!(backoff.wait(1) <= backoff.window(1));
    /// ```
    #[must_use]
    pub fn wait(&self, retry: u32) -> Duration {
        let nanos = u64::try_from(self.window(retry).as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(match &self.seed {
            // A generator that starts at each number in turn is a sequence as good as its own.
            Some(next) => {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                fastrand::Rng::with_seed(seed).u64(0..=nanos)
            }
            None => fastrand::u64(0..=nanos),
        })
    }
}

impl Default for Backoff {
    /// 500 ms, doubling to 8 s: most trouble of an upstream is over in seconds, and callers who wait
    /// longer are better told.
    fn default() -> Self {
        Self::new(Duration::from_millis(500), Duration::from_secs(8))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn windows_double_up_to_the_largest() {
        let backoff = Backoff::default();
        let windows: Vec<_> = (0..=7)
            .map(|retry| backoff.window(retry).as_millis())
            .collect();

        assert_eq!(windows, [500, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
        assert_eq!(backoff.window(u32::MAX), backoff.max());
    }

    #[test]
    fn the_shortest_and_the_longest_are_legal() {
        let longest = Backoff::new(Duration::MAX, Duration::MAX);
        assert_eq!(longest.window(9), Duration::MAX);
        assert!(longest.wait(9) <= Duration::MAX);

        let none = Backoff::new(Duration::ZERO, Duration::MAX);
        assert_eq!(none.wait(u32::MAX), Duration::ZERO);
        let inverted = Backoff::new(Duration::from_secs(2), Duration::from_secs(1));
        assert_eq!(inverted.window(1), Duration::from_secs(1));
    }

    #[test]
    fn a_seed_repeats_and_its_clones_share_the_sequence() {
        let draw = |backoff: &Backoff| (0..4).map(|_| backoff.wait(3)).collect::<Vec<_>>();
        let seeded = Backoff::default().seed(7);
        let clone = seeded.clone();
        let first = draw(&seeded);

        assert_eq!(draw(&Backoff::default().seed(7)), first);
        assert_ne!(draw(&clone), first);
    }

    /// 10,000 clients fail at once, come back, and fail again: the most that any 100 ms hold, of all
    /// clients, for the first and for the second retry.
    fn fullest_buckets(backoff: &Backoff) -> [f64; 2] {
        const CLIENTS: usize = 10_000;
        const BUCKET: u128 = 100;
        let mut at = vec![Duration::ZERO; CLIENTS];
        [1, 2].map(|retry| {
            let mut buckets = std::collections::BTreeMap::<u128, usize>::new();
            for at in &mut at {
                *at += backoff.wait(retry);
                *buckets.entry(at.as_millis() / BUCKET).or_default() += 1;
            }
            let fullest = *buckets.values().max().unwrap();
            f64::from(u32::try_from(fullest).unwrap()) / 10_000.0
        })
    }

    #[test]
    fn h7_clients_that_fail_together_come_back_evenly_spread() {
        for (seed, first) in [(1, 500), (2, 500), (3, 1000)] {
            let first = Duration::from_millis(first);
            let backoff = Backoff::new(first, Duration::from_secs(8)).seed(seed);
            let fullest = fullest_buckets(&backoff);

            for (retry, fullest) in (1..).zip(fullest) {
                let even = 0.1 / backoff.window(retry).as_secs_f64();
                assert!(fullest <= 1.2 * even, "{first:?}, {retry}: {fullest}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_wait_never_exceeds_its_window(
            first in any::<u64>(), max in any::<u64>(), retry in any::<u32>(), seed in any::<u64>(),
        ) {
            let (first, max) = (Duration::from_nanos(first), Duration::from_nanos(max));
            let backoff = Backoff::new(first, max).seed(seed);
            prop_assert!(backoff.wait(retry) <= backoff.window(retry));
            prop_assert!(backoff.window(retry) <= max);
            prop_assert!(backoff.window(retry) <= backoff.window(retry.saturating_add(1)));
        }
    }
}

use std::{
    collections::VecDeque,
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use crate::sync::{Arc, Mutex, lock};

/// How many retries there may be, over all calls that share it.
///
/// A retry is allowed while those of the last 10 s are fewer than the larger of two numbers: a share of
/// the calls that were answered in these 10 s, and a floor, so that few calls can be retried as well.
/// While an upstream is down its load thus grows by that share, however many attempts a call may have.
///
/// Clones share it. A call counts when its first attempt has ended, so that slow calls count when they
/// fail. Calls are counted from the first failure on that was less than 10 s ago: of quiet times nothing
/// is saved up for a storm.
///
/// A success costs one atomic addition. Memory is bounded by the retries of 10 s.
///
/// ```
/// use blossom_layers::retry::Budget;
///
/// // A tenth of the calls, and no fewer than five, in any ten seconds; clones share it.
/// let budget = Budget::new(10, 5);
/// assert!(!budget.is_empty());
/// ```
#[derive(Clone)]
pub struct Budget {
    shared: Arc<Shared>,
}

struct Shared {
    percent: u32,
    floor: usize,
    calls: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When the retries of the window were allowed.
    retries: VecDeque<Instant>,
    /// How many calls there had been at moments of the window, one a second at most.
    marks: VecDeque<(Instant, u64)>,
    allowed: u64,
    refused: u64,
}

/// What a [`Budget`] has counted.
///
/// ```
/// use blossom_layers::retry::Budget;
///
/// let budget = Budget::new(10, 10);
/// budget.count();
/// assert_eq!((budget.stats().calls, budget.stats().refused), (1, 0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BudgetStats {
    /// Calls whose first attempt has ended.
    pub calls: u64,
    /// Retries that were allowed.
    pub allowed: u64,
    /// Retries that were refused.
    pub refused: u64,
}

impl Budget {
    /// Allows retries for `percent` of the calls, and no fewer than `floor`, in any 10 s.
    ///
    /// Both may be zero: then nothing is retried. Default: 10 % and 10. More percent help little against
    /// errors that strike at random, and hurt when the upstream is down.
    ///
    /// ```
    /// use blossom_layers::retry::Budget;
    ///
    /// assert!(!Budget::new(10, 0).is_empty());
    /// assert!(Budget::new(0, 0).is_empty()); // nothing is retried
    /// ```
    #[must_use]
    pub fn new(percent: u32, floor: u32) -> Self {
        Self {
            shared: Arc::new(Shared {
                percent,
                floor: usize::try_from(floor).unwrap_or(usize::MAX),
                calls: AtomicU64::new(0),
                state: Mutex::default(),
            }),
        }
    }

    /// Counts a call. [`Standard`](super::Standard) does so by itself.
    ///
    /// ```
    /// use blossom_layers::retry::Budget;
    ///
    /// // Two policies share a budget.
    /// let budget = Budget::default();
    /// budget.clone().count();
    /// budget.count();
    /// assert_eq!(budget.stats().calls, 2);
    /// ```
    pub fn count(&self) {
        self.shared.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one retry, if there is one.
    pub(super) fn withdraw(&self, now: Instant) -> bool {
        let Shared { percent, floor, .. } = *self.shared;
        let calls = self.shared.calls.load(Ordering::Relaxed);
        let mut state = lock(&self.shared.state);
        let share = state
            .calls_of_window(now, calls)
            .saturating_mul(percent.into())
            / 100;
        let most = usize::try_from(share).unwrap_or(usize::MAX).max(floor);
        let allow = state.retries.len() < most;
        if allow {
            state.retries.push_back(now);
            state.allowed += 1;
        } else {
            state.refused += 1;
        }
        allow
    }

    /// What was counted so far.
    ///
    /// ```
    /// use blossom_layers::retry::Budget;
    ///
    /// let stats = Budget::new(10, 10).stats();
    /// assert_eq!((stats.calls, stats.allowed, stats.refused), (0, 0, 0));
    /// ```
    #[must_use]
    pub fn stats(&self) -> BudgetStats {
        let state = lock(&self.shared.state);
        BudgetStats {
            calls: self.shared.calls.load(Ordering::Relaxed),
            allowed: state.allowed,
            refused: state.refused,
        }
    }

    /// Whether it allows any retry at all.
    ///
    /// ```
    /// use blossom_layers::retry::Budget;
    ///
    /// // A floor alone is enough for a retry.
    /// assert!(!Budget::new(0, 1).is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared.percent == 0 && self.shared.floor == 0
    }
}

impl State {
    /// Forgets what has left the window, and says how many calls there were in it: at least so many,
    /// since those before its first mark are not known to be in it.
    fn calls_of_window(&mut self, now: Instant, calls: u64) -> u64 {
        let left = |at: Instant| now.saturating_duration_since(at) >= WINDOW;
        while self.retries.front().is_some_and(|at| left(*at)) {
            self.retries.pop_front();
        }
        while self.marks.front().is_some_and(|(at, _)| left(*at)) {
            self.marks.pop_front();
        }
        let due = |at: Instant| now.saturating_duration_since(at) >= MARK;
        if self.marks.back().is_none_or(|(at, _)| due(*at)) {
            self.marks.push_back((now, calls));
        }
        self.marks
            .front()
            .map_or(0, |(_, before)| calls.saturating_sub(*before))
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(10, 10)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("percent", &self.shared.percent)
            .field("floor", &self.shared.floor)
            .field("stats", &self.stats())
            .finish()
    }
}

const WINDOW: Duration = Duration::from_secs(10);
const MARK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn few_calls_have_the_floor() {
        let budget = Budget::default();
        let start = Instant::now();
        let taken = |at: Duration| (0..30).filter(|_| budget.withdraw(start + at)).count();

        budget.count();
        assert_eq!(taken(Duration::ZERO), 10);
        assert_eq!(taken(WINDOW - Duration::from_nanos(1)), 0);
        assert_eq!(taken(WINDOW), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn many_calls_have_their_share_and_not_the_floor_beside_it() {
        let budget = Budget::default();
        let start = Instant::now();
        let mut taken = 0;
        // 1,000 calls a second for a minute, all of which fail.
        for call in 0..60_000 {
            budget.count();
            taken += u32::from(budget.withdraw(start + Duration::from_millis(call)));
        }

        assert!(taken <= 6000 + 10, "{taken}");
        assert!(taken >= 5900, "{taken}");
        assert_eq!(budget.stats().calls, 60_000);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_saved_up_in_quiet_times() {
        let budget = Budget::default();
        (0..1_000_000).for_each(|_| budget.count());

        let now = Instant::now();
        assert_eq!((0..1000).filter(|_| budget.withdraw(now)).count(), 10);
    }

    #[test]
    fn an_empty_budget_allows_nothing() {
        let budget = Budget::new(0, 0);
        budget.count();

        assert!(budget.is_empty());
        assert!(!budget.withdraw(Instant::now()));
        assert_eq!(budget.stats().refused, 1);
    }

    proptest! {
        /// Each step: a pause, calls, and tries to take.
        #[test]
        fn p7_in_no_window_are_there_more_retries_than_allowed(
            steps in proptest::collection::vec((0_u64..4000, 0_u32..60, 0_usize..40), 1..80),
            percent in 0_u32..60,
            floor in 0_u32..12,
        ) {
            let budget = Budget::new(percent, floor);
            let mut now = Instant::now();
            let (mut calls, mut retries) = (Vec::new(), Vec::new());
            for (pause, count, tries) in steps {
                now += Duration::from_millis(pause);
                for _ in 0..count {
                    budget.count();
                    calls.push(now);
                }
                let within = |all: &[Instant]| {
                    all.iter().filter(|at| now.duration_since(**at) < WINDOW).count()
                };
                for _ in 0..tries {
                    if budget.withdraw(now) {
                        retries.push(now);
                        let share = within(&calls) * percent as usize / 100;
                        prop_assert!(within(&retries) <= share.max(floor as usize));
                    }
                }
            }
            prop_assert_eq!(budget.stats().allowed, retries.len() as u64);
            if floor == 0 {
                prop_assert!(retries.len() <= calls.len() * percent as usize / 100);
            }
        }
    }
}

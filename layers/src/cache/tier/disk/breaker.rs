use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Stops asking a disk that fails or hangs, and asks again now and then.
#[derive(Debug)]
pub(super) struct Breaker {
    state: Mutex<State>,
    first_wait: Duration,
}

#[derive(Debug, Default)]
struct State {
    /// In a row.
    failures: u32,
    /// Nobody may ask before then, but for one who tries.
    open_until: Option<Instant>,
    wait: Duration,
}

impl Breaker {
    pub(super) fn new(first_wait: Duration) -> Self {
        Self {
            state: Mutex::default(),
            first_wait,
        }
    }

    /// Whether the disk may be asked at `now`. Where it has failed, one may try at a time.
    pub(super) fn allows(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.open_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                state.open_until = now.checked_add(state.wait);
                true
            }
        }
    }

    pub(super) fn succeeded(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State::default();
    }

    pub(super) fn failed(&self, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.wait = longer(state.wait, self.first_wait);
            state.open_until = now.checked_add(state.wait);
        }
    }
}

/// The next wait after one that did not help.
pub(super) fn longer(wait: Duration, first: Duration) -> Duration {
    let most = first.saturating_mul(LONGEST);
    wait.saturating_mul(2).clamp(first, most)
}

const FAILURES: u32 = 5;
// In first waits.
const LONGEST: u32 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST_WAIT: Duration = Duration::from_secs(1);

    #[test]
    fn opens_after_failures_in_a_row_and_lets_one_try() {
        let (breaker, start) = (
            Breaker::new(FIRST_WAIT),
            tokio::time::Instant::now().into_std(),
        );
        for _ in 1..FAILURES {
            breaker.failed(start);
        }
        breaker.succeeded();
        for _ in 1..FAILURES {
            breaker.failed(start);
            assert!(breaker.allows(start));
        }
        breaker.failed(start);
        assert!(!breaker.allows(start));

        let later = start + FIRST_WAIT;
        assert!(breaker.allows(later));
        assert!(!breaker.allows(later));
        breaker.failed(later);
        assert!(!breaker.allows(later + FIRST_WAIT));
        assert!(breaker.allows(later + FIRST_WAIT * 2));
        breaker.succeeded();
        assert!(breaker.allows(later));
    }

    #[test]
    fn waits_are_bounded() {
        let waits: Vec<_> =
            std::iter::successors(Some(Duration::ZERO), |wait| Some(longer(*wait, FIRST_WAIT)))
                .take(9)
                .map(|wait| wait.as_secs())
                .collect();

        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 30, 30, 30]);
    }
}

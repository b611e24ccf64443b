//! What an account may do at once, and what a publishable key may spend in an hour.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

/// The running generations of unpaid accounts, and the buckets of publishable keys.
#[derive(Debug)]
pub(super) struct Limits {
    per_hour: f64,
    burst: f64,
    start: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: HashSet<String>,
    /// When each key may go on, in seconds since the start.
    next: HashMap<String, f64>,
}

/// The only generation of an account. It ends when the body of its answer does.
#[derive(Debug)]
pub(super) struct Slot {
    limits: Arc<Limits>,
    account: String,
}

impl Limits {
    pub(super) fn new(per_hour: f64, burst: f64) -> Self {
        Self {
            per_hour,
            burst,
            start: Instant::now(),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the slot of an account, if it is free.
    pub(super) fn slot(self: &Arc<Self>, account: &str) -> Option<Slot> {
        let free = self.state().running.insert(account.to_owned());
        free.then(|| Slot {
            limits: self.clone(),
            account: account.to_owned(),
        })
    }

    /// The seconds that a key has to wait, if it has to.
    pub(super) fn wait(&self, key: &str) -> Option<f64> {
        let wait = self.state().next.get(key)? - self.now();
        (wait > 0.0).then_some(wait)
    }

    /// Books a generation after the fact: it is the next one that has to wait.
    pub(super) fn charge(&self, key: &str, pollen: f64) {
        // At least so that the burst is there again when the longest wait is over.
        let slowest = self.burst * 3600.0 / LONGEST;
        let per_hour = self.per_hour.max(slowest).max(f64::MIN_POSITIVE);
        let hours = |pollen: f64| (pollen / per_hour * 3600.0).min(LONGEST);
        // What is not used is saved up to the burst.
        let earliest = self.now() - hours(self.burst);
        let mut state = self.state();
        let next = state.next.entry(key.to_owned()).or_insert(earliest);
        *next = next.max(earliest) + hours(pollen);
    }

    fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.limits.state().running.remove(&self.account);
    }
}

/// A year, in seconds: for a bucket that never fills.
const LONGEST: f64 = 31_536_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_spends_its_burst_and_then_waits_for_what_it_has_spent() {
        let limits = Limits::new(1.0, 10.0);

        assert_eq!(limits.wait("pk_a"), None);
        limits.charge("pk_a", 9.5);
        assert_eq!(limits.wait("pk_a"), None, "half a pollen is left");
        limits.charge("pk_a", 1.0);
        let wait = limits.wait("pk_a").unwrap();
        assert!((1795.0..=1800.0).contains(&wait), "{wait}");
        assert_eq!(limits.wait("pk_b"), None);
    }

    #[test]
    fn a_bucket_that_never_fills_is_spent_by_what_is_booked() {
        let limits = Limits::new(0.0, 10.0);

        limits.charge("pk_a", 9.5);
        assert_eq!(limits.wait("pk_a"), None, "half a pollen is left");
        limits.charge("pk_a", 1.0);
        assert!(limits.wait("pk_a").is_some());
    }

    #[test]
    fn a_slot_is_free_again_when_it_is_dropped() {
        let limits = Arc::new(Limits::new(1.0, 10.0));

        let slot = limits.slot("a");
        assert!(slot.is_some() && limits.slot("a").is_none());
        assert!(limits.slot("b").is_some());
        drop(slot);
        assert!(limits.slot("a").is_some());
    }
}

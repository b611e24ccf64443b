//! Whose turn it is, and how fast turns pass.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::types::PartitionKey;

type Key = Option<PartitionKey>;

/// The order of the parts in which somebody waits and could go: each in its turn.
///
/// A part that had nothing under way goes before the others, so that it waits for one call to end and
/// not for one of each part. At most every second turn, so that an endless row of such parts starves
/// nobody.
#[derive(Default)]
pub(super) struct Turns {
    fresh: BTreeMap<u64, Key>,
    known: BTreeMap<u64, Key>,
    next: u64,
    last_was_fresh: bool,
}

/// Where a part stands in the order.
#[derive(Clone, Copy)]
pub(super) struct Turn {
    at: u64,
    fresh: bool,
}

impl Turns {
    pub(super) fn add(&mut self, key: Key, fresh: bool) -> Turn {
        let at = self.next;
        self.next += 1;
        self.list(fresh).insert(at, key);
        Turn { at, fresh }
    }

    pub(super) fn remove(&mut self, turn: Turn) {
        self.list(turn.fresh).remove(&turn.at);
    }

    /// The next part; it has no turn any more.
    pub(super) fn next(&mut self) -> Option<Key> {
        let fresh = !self.fresh.is_empty() && (!self.last_was_fresh || self.known.is_empty());
        self.last_was_fresh = fresh;
        self.list(fresh).pop_first().map(|(_, key)| key)
    }

    fn list(&mut self, fresh: bool) -> &mut BTreeMap<u64, Key> {
        if fresh {
            &mut self.fresh
        } else {
            &mut self.known
        }
    }
}

/// How fast permits come back while somebody waits for them.
///
/// Reads the clock only then.
#[derive(Default)]
pub(super) struct Pace {
    last: Option<Instant>,
    gap: Option<Duration>,
}

/// What is said while nothing is known.
const UNKNOWN: Duration = Duration::from_secs(1);
/// Longer than this nobody is told to stay away: things change.
const LONGEST: Duration = Duration::from_secs(120);

impl Pace {
    /// One of those who waited goes; `more` wait still.
    pub(super) fn granted(&mut self, more: bool) {
        let now = Instant::now();
        if let Some(last) = self.last {
            let gap = now.saturating_duration_since(last);
            // The mean of about the last eight.
            self.gap = Some(self.gap.map_or(gap, |mean| (mean * 7 + gap) / 8));
        }
        self.last = more.then_some(now);
    }

    /// How long it takes until `calls` have gone.
    pub(super) fn wait_for(&self, calls: usize) -> Duration {
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        self.gap
            .map_or(UNKNOWN, |gap| gap.saturating_mul(calls).min(LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Some(PartitionKey::new(name))
    }

    #[test]
    fn fresh_parts_go_first_and_at_most_every_second_time() {
        let mut turns = Turns::default();
        for name in ["old-1", "old-2"] {
            turns.add(key(name), false);
        }
        for name in ["new-1", "new-2", "new-3"] {
            turns.add(key(name), true);
        }

        let order: Vec<_> = std::iter::from_fn(|| turns.next())
            .map(|key| key.unwrap().to_string())
            .collect();

        assert_eq!(order, ["new-1", "old-1", "new-2", "old-2", "new-3"]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_is_that_of_those_who_waited() {
        let mut pace = Pace::default();
        assert_eq!(pace.wait_for(100), UNKNOWN);

        for _ in 0..20 {
            pace.granted(true);
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        assert_eq!(pace.wait_for(10), Duration::from_secs(1));
        assert_eq!(pace.wait_for(usize::MAX), LONGEST);

        // A time in which nobody waited says nothing.
        pace.granted(false);
        tokio::time::advance(Duration::from_secs(3600)).await;
        pace.granted(true);
        assert_eq!(pace.wait_for(10), Duration::from_secs(1));
    }
}

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::{CircuitState, Rules, Snapshot};
use crate::{
    sync::{Arc, Mutex, lock},
    types::Class,
};

/// One circuit: the rules as a machine, to which the time is told.
#[derive(Debug)]
pub(super) struct Circuit {
    rules: Rules,
    origin: Instant,
    slot_nanos: u64,
    /// The epoch of a circuit that is closed, or [`NOT_CLOSED`]: nearly all calls need to know no more,
    /// and no lock.
    closed: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Counts the changes of phase, so that what was admitted in an earlier one is known by it.
    epoch: u64,
    // Of the closed circuit.
    failed_in_a_row: u32,
    window: Window,
    /// The slot of the call that counted last, and when it ends.
    slot: u64,
    slot_end: Instant,
}

#[derive(Debug)]
enum Phase {
    Closed,
    Open {
        until: Instant,
    },
    HalfOpen {
        since: Instant,
        under_way: u32,
        succeeded: u32,
    },
}

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Success,
    Failure,
    /// It says nothing.
    Nothing,
}

impl Verdict {
    pub(super) const fn of(class: Class) -> Self {
        match class {
            // An upstream that refuses a request is well.
            Class::Success | Class::Permanent => Self::Success,
            Class::Transient => Self::Failure,
            Class::Ignored => Self::Nothing,
        }
    }
}

impl Circuit {
    pub(super) fn new(rules: Rules, now: Instant) -> Self {
        Self {
            rules,
            origin: now,
            slot_nanos: nanos(rules.window / SLOTS_U32).max(1),
            closed: AtomicU64::new(0),
            state: Mutex::new(State {
                phase: Phase::Closed,
                epoch: 0,
                failed_in_a_row: 0,
                window: Window::default(),
                slot: 0,
                slot_end: now,
            }),
        }
    }

    /// Lets a call through, or says when to come back.
    #[inline]
    pub(super) fn admit(self: Arc<Self>) -> Result<Ticket, Duration> {
        let epoch = self.closed.load(Ordering::Relaxed);
        if epoch == NOT_CLOSED {
            let (epoch, probe) = self.admit_to_probe()?;
            return Ok(Ticket::new(self, epoch, probe));
        }
        Ok(Ticket::new(self, epoch, false))
    }

    #[cold]
    fn admit_to_probe(&self) -> Result<(u64, bool), Duration> {
        let mut state = lock(&self.state);
        let now = Instant::now();
        self.try_again(&mut state, now);
        let probe = match &mut state.phase {
            Phase::Closed => false,
            Phase::Open { until } => return Err(until.saturating_duration_since(now)),
            Phase::HalfOpen {
                under_way,
                succeeded,
                ..
            } => {
                if *under_way + *succeeded >= self.rules.probes.get() {
                    return Err(PROBING.min(self.rules.open));
                }
                *under_way += 1;
                true
            }
        };
        Ok((state.epoch, probe))
    }

    #[inline]
    fn report(&self, epoch: u64, probe: bool, verdict: Verdict) {
        // It changes nothing, and need not be said under a lock.
        if verdict == Verdict::Nothing && !probe {
            return;
        }
        let now = Instant::now();
        let mut state = lock(&self.state);
        if state.epoch != epoch {
            return;
        }
        // What nearly every call comes to.
        if verdict == Verdict::Success
            && matches!(state.phase, Phase::Closed)
            && now < state.slot_end
        {
            state.failed_in_a_row = 0;
            state.window.success();
            return;
        }
        self.judge(&mut state, probe, verdict, now);
    }

    #[inline(never)]
    fn judge(&self, state: &mut State, probe: bool, verdict: Verdict, now: Instant) {
        let opens = match &mut state.phase {
            Phase::Closed => {
                if now >= state.slot_end {
                    self.next_slot(&mut state.slot, &mut state.slot_end, now);
                }
                let slot = state.slot;
                let failed = verdict == Verdict::Failure;
                state.window.count(slot, failed);
                state.failed_in_a_row = match verdict {
                    Verdict::Failure => state.failed_in_a_row + 1,
                    Verdict::Success | Verdict::Nothing => 0,
                };
                failed
                    && (state.failed_in_a_row >= self.rules.in_a_row.get()
                        || state.window.total(slot).exceeds(&self.rules))
            }
            Phase::HalfOpen {
                under_way,
                succeeded,
                ..
            } => {
                *under_way -= u32::from(probe);
                if probe && verdict == Verdict::Success {
                    *succeeded += 1;
                    if *succeeded >= self.rules.probes.get() {
                        self.enter(state, Phase::Closed);
                        return;
                    }
                }
                verdict == Verdict::Failure
            }
            Phase::Open { .. } => false,
        };
        if opens {
            self.open(state, now);
        }
    }

    /// Finds the slot of `now`, and when it ends: most calls need only compare with that.
    #[cold]
    fn next_slot(&self, slot: &mut u64, slot_end: &mut Instant, now: Instant) {
        *slot = self.slot(now);
        let end = (*slot + 1).saturating_mul(self.slot_nanos);
        let end = self.origin.checked_add(Duration::from_nanos(end));
        *slot_end = end.unwrap_or(now + YEAR);
    }

    /// The tenth of the window in which `now` is, counted from the beginning.
    fn slot(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.origin)) / self.slot_nanos
    }

    pub(super) fn trip(&self, now: Instant) {
        self.open(&mut lock(&self.state), now);
    }

    pub(super) fn reset(&self) {
        self.enter(&mut lock(&self.state), Phase::Closed);
    }

    /// Whether a new circuit would do as well.
    pub(super) fn is_quiet(&self, now: Instant) -> bool {
        let state = lock(&self.state);
        matches!(state.phase, Phase::Closed)
            && state.failed_in_a_row == 0
            && state.window.total(self.slot(now)).failed == 0
    }

    pub(super) fn state(&self) -> CircuitState {
        match lock(&self.state).phase {
            Phase::Closed => CircuitState::Closed,
            Phase::Open { .. } => CircuitState::Open,
            Phase::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }

    pub(super) fn snapshot(&self, now: Instant) -> Snapshot {
        let state = lock(&self.state);
        match &state.phase {
            Phase::Closed => {
                let Total { failed, all } = state.window.total(self.slot(now));
                Snapshot {
                    state: CircuitState::Closed,
                    calls: all,
                    failures: failed,
                    failures_in_a_row: state.failed_in_a_row,
                    retry_after: None,
                }
            }
            Phase::Open { until } => Snapshot {
                state: CircuitState::Open,
                retry_after: Some(until.saturating_duration_since(now)),
                ..Snapshot::default()
            },
            Phase::HalfOpen { succeeded, .. } => Snapshot {
                state: CircuitState::HalfOpen,
                calls: (*succeeded).into(),
                ..Snapshot::default()
            },
        }
    }

    fn enter(&self, state: &mut State, phase: Phase) {
        state.epoch += 1;
        let closed = matches!(phase, Phase::Closed);
        let epoch = if closed { state.epoch } else { NOT_CLOSED };
        self.closed.store(epoch, Ordering::Relaxed);
        state.phase = phase;
        state.failed_in_a_row = 0;
        state.window = Window::default();
        // The next call finds its slot.
        state.slot_end = self.origin;
    }

    fn open(&self, state: &mut State, now: Instant) {
        // The end of time is far enough.
        let until = now.checked_add(self.rules.open).unwrap_or(now + YEAR);
        self.enter(state, Phase::Open { until });
    }

    /// Begins to probe when the time is over: that of an open circuit, or that of probes of which nobody
    /// has heard again, since whoever held them has forgotten them.
    fn try_again(&self, state: &mut State, now: Instant) {
        let open = self.rules.open;
        let due = match &state.phase {
            Phase::Closed => false,
            Phase::Open { until } => now >= *until,
            Phase::HalfOpen {
                since, under_way, ..
            } => *under_way > 0 && now.saturating_duration_since(*since) >= open.max(PROBING),
        };
        if due {
            let probing = Phase::HalfOpen {
                since: now,
                under_way: 0,
                succeeded: 0,
            };
            self.enter(state, probing);
        }
    }
}

/// 500 years are enough.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The calls of the last while, in slots.
#[derive(Debug, Default)]
struct Window {
    slots: [Slot; SLOTS],
    last: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    at: u64,
    total: Total,
}

#[derive(Debug, Clone, Copy, Default)]
struct Total {
    all: u64,
    failed: u64,
}

impl Window {
    /// Counts a success in the slot in which the last call has counted.
    fn success(&mut self) {
        if let Some(slot) = self.slots.get_mut(self.last) {
            slot.total.all += 1;
        }
    }

    fn count(&mut self, at: u64, failed: bool) {
        let index = usize::try_from(at % SLOTS as u64).unwrap_or(0);
        self.last = index;
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        if slot.at != at {
            *slot = Slot {
                at,
                total: Total::default(),
            };
        }
        slot.total.all += 1;
        slot.total.failed += u64::from(failed);
    }

    fn total(&self, at: u64) -> Total {
        let recent = self.slots.iter().filter(|slot| slot.at + SLOTS as u64 > at);
        recent.fold(Total::default(), |sum, slot| Total {
            all: sum.all + slot.total.all,
            failed: sum.failed + slot.total.failed,
        })
    }
}

impl Total {
    fn exceeds(self, rules: &Rules) -> bool {
        let share = self.failed.saturating_mul(100);
        self.all >= rules.min_calls.get().into()
            && share >= self.all.saturating_mul(rules.percent.get().into())
    }
}

/// A call that was let through. Dropped, it says nothing, and a probe gives its place back.
#[derive(Debug)]
pub(super) struct Ticket {
    circuit: Arc<Circuit>,
    epoch: u64,
    probe: bool,
    settled: bool,
}

impl Ticket {
    const fn new(circuit: Arc<Circuit>, epoch: u64, probe: bool) -> Self {
        Self {
            circuit,
            epoch,
            probe,
            settled: false,
        }
    }

    /// Ends it.
    #[inline(always)]
    pub(super) fn settle(mut self, verdict: Verdict) {
        self.settled = true;
        self.circuit.report(self.epoch, self.probe, verdict);
    }

    pub(super) const fn is_probe(&self) -> bool {
        self.probe
    }

    /// The answer to a probe has begun: from now on it is a call as any other.
    pub(super) fn begun(&mut self) {
        if std::mem::take(&mut self.probe) {
            self.circuit.report(self.epoch, true, Verdict::Success);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // What is no probe has no place to give back.
        if self.probe && !self.settled {
            self.circuit.report(self.epoch, true, Verdict::Nothing);
        }
    }
}

/// No circuit changes so often.
const NOT_CLOSED: u64 = u64::MAX;
const SLOTS: usize = 10;
const SLOTS_U32: u32 = 10;
/// When to come back while probes are under way, and how long they are waited for at least.
const PROBING: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests;

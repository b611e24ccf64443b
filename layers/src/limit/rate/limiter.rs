//! Who may go, and when.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    task::Waker,
    time::Duration,
};

use tokio::time::Instant;

use super::{LargerThanQuota, Quota, RateLimited, Unit, meter::Meter, quota::Units};
use crate::{
    sync::{Arc, Mutex, lock},
    types::{PartitionKey, Price},
};

pub(super) type Pricing = Arc<dyn Price + Send + Sync>;

/// The quotas of a layer, what is left of them, and who waits.
///
/// One lock over all, so that a request takes of all quotas or of none; never held while a waker
/// runs. Times are nanoseconds since the limiter was made, by the monotonic clock.
pub(super) struct Limiter {
    quotas: Box<[Quota]>,
    // Whether a quota counts what only the end of a reply tells.
    settles: bool,
    learns: AtomicBool,
    started: Instant,
    state: Mutex<State>,
}

struct State {
    // Of all requests where there are no parts, and else of all parts for which there was no room.
    common: Part,
    parts: HashMap<PartitionKey, Part>,
    max_parts: usize,
    // When there are so many, those at rest are forgotten.
    sweep_at: usize,
    price: Option<Pricing>,
    max_waiting: usize,
    waiting: usize,
    next_ticket: u64,
}

struct Part {
    meters: Box<[Meter]>,
    paused_until: u64,
    // By ticket: first come, first served.
    waiting: BTreeMap<u64, Waiter>,
    // What those that wait will take.
    queued: Units,
}

struct Waiter {
    units: Units,
    waker: Waker,
}

/// Whose quotas they are: those of a part, or the common ones.
pub(super) type Whose = Option<PartitionKey>;

/// What became of one who asks.
pub(super) enum Verdict {
    /// It goes, at this time.
    Granted(u64),
    /// It waits, until this time if it is the first.
    Waiting {
        ticket: u64,
        until: Option<u64>,
    },
    Limited(RateLimited),
    TooLarge(LargerThanQuota),
}

/// When a request may go, by what holds it back.
enum When {
    Now,
    Later { at: u64, quota: Option<usize> },
    Never(usize),
}

/// Thousands of parts, in some megabytes.
const MAX_PARTS: usize = 65_536;
/// As the limit on calls at once has it.
const MAX_WAITING: usize = 16_384;
/// Fewer parts than this are not worth a look.
const FIRST_SWEEP: usize = 1_024;

impl Limiter {
    pub(super) fn new(quotas: Box<[Quota]>) -> Self {
        let state = State {
            common: Part::new(&quotas),
            parts: HashMap::new(),
            max_parts: MAX_PARTS,
            sweep_at: FIRST_SWEEP,
            price: None,
            max_waiting: MAX_WAITING,
            waiting: 0,
            next_ticket: 0,
        };
        let settled = |quota: &Quota| quota.unit() != Unit::Requests;
        Self {
            settles: quotas.iter().any(settled),
            learns: AtomicBool::new(false),
            quotas,
            started: Instant::now(),
            state: Mutex::new(state),
        }
    }

    pub(super) const fn quotas(&self) -> &[Quota] {
        &self.quotas
    }

    /// Whether a quota counts what only the end of a reply tells.
    pub(super) const fn settles(&self) -> bool {
        self.settles
    }

    /// Whether the head of a reply, or what comes after it, is of any interest.
    #[inline]
    pub(super) fn wants_heads(&self) -> bool {
        self.settles || self.learns()
    }

    #[inline]
    pub(super) fn learns(&self) -> bool {
        self.learns.load(Ordering::Relaxed)
    }

    pub(super) fn set_learns(&self) {
        self.learns.store(true, Ordering::Relaxed);
    }

    pub(super) fn set_price(&self, price: Pricing) {
        lock(&self.state).price = Some(price);
    }

    pub(super) fn price(&self) -> Option<Pricing> {
        lock(&self.state).price.clone()
    }

    pub(super) fn now(&self) -> u64 {
        self.time_of(Instant::now())
    }

    pub(super) fn time_of(&self, instant: Instant) -> u64 {
        nanos(instant.saturating_duration_since(self.started))
    }

    pub(super) fn instant_of(&self, time: u64) -> Instant {
        // A time past the end of all is as good as none.
        let far = Duration::from_nanos(time.min(1 << 61));
        self.started.checked_add(far).unwrap_or(self.started)
    }

    /// Takes `units` of the common quotas, if that can be at once; says at which time.
    pub(super) fn try_take(&self, units: Units) -> Option<u64> {
        let mut state = lock(&self.state);
        let now = self.now();
        state.common.try_take(units, now).then_some(now)
    }

    /// As [`try_take`](Self::try_take), of a part. Says also whose quotas they are in the end.
    pub(super) fn try_take_of(&self, mut whose: Whose, units: Units) -> (Option<u64>, Whose) {
        let mut state = lock(&self.state);
        let now = self.now();
        state.settle_on(&mut whose, &self.quotas, now);
        let part = state.known(&whose);
        let granted = part.is_some_and(|part| part.try_take(units, now));
        (granted.then_some(now), whose)
    }

    /// Takes `units` of all quotas, or a place in the queue, or neither.
    pub(super) fn ask(
        &self,
        whose: &mut Whose,
        units: Units,
        deadline: Option<Instant>,
        waker: &Waker,
    ) -> Verdict {
        let mut state = lock(&self.state);
        let now = self.now();
        state.settle_on(whose, &self.quotas, now);
        let full = state.waiting >= state.max_waiting;
        let ticket = state.next_ticket;
        let part = state.part(whose, &self.quotas);
        // Who comes later goes later: as if it were one request with those that wait.
        let when = match part.when(units, now) {
            When::Now if part.waiting.is_empty() => {
                part.take(units, now);
                return Verdict::Granted(now);
            }
            When::Never(quota) => return self.too_large(units, quota),
            When::Now | When::Later { .. } => part.after_queue(units, now),
        };
        let at = deadline.map(|deadline| self.time_of(deadline));
        if full || at.is_some_and(|deadline| when.0 >= deadline) {
            return self.limited(when, now);
        }
        let until = part.waiting.is_empty().then_some(when.0);
        part.queued = part.queued.plus(units);
        let waker = waker.clone();
        part.waiting.insert(ticket, Waiter { units, waker });
        state.waiting += 1;
        state.next_ticket += 1;
        Verdict::Waiting { ticket, until }
    }

    /// How it stands with one who waits; whether its deadline can still be met.
    pub(super) fn check(
        &self,
        whose: &Whose,
        ticket: u64,
        deadline: Option<Instant>,
        waker: &Waker,
    ) -> Verdict {
        let mut state = lock(&self.state);
        let now = self.now();
        let part = state.part(whose, &self.quotas);
        let first = part.first() == Some(ticket);
        let Some(waiter) = part.waiting.get_mut(&ticket) else {
            // It has gone; nobody asks twice.
            return Verdict::Granted(now);
        };
        waiter.waker.clone_from(waker);
        let units = waiter.units;
        let deadline = deadline.map(|deadline| self.time_of(deadline));
        let late = |at: u64| deadline.is_some_and(|deadline| at >= deadline);
        if !first {
            if late(now) {
                return self.limited(part.after_queue(Units::default(), now), now);
            }
            return Verdict::Waiting {
                ticket,
                until: None,
            };
        }
        match part.when(units, now) {
            When::Never(quota) => self.too_large(units, quota),
            When::Later { at, quota } if late(at) => self.limited((at, quota), now),
            When::Later { at, .. } => Verdict::Waiting {
                ticket,
                until: Some(at),
            },
            When::Now => {
                part.take(units, now);
                let next = state.forget(whose, ticket);
                drop(state);
                wake(next);
                Verdict::Granted(now)
            }
        }
    }

    fn limited(&self, (at, quota): (u64, Option<usize>), now: u64) -> Verdict {
        let after = Duration::from_nanos(at.saturating_sub(now));
        let quota = quota.and_then(|index| self.quotas.get(index).copied());
        Verdict::Limited(RateLimited::new(after, quota))
    }

    fn too_large(&self, units: Units, quota: usize) -> Verdict {
        let Some(quota) = self.quotas.get(quota).copied() else {
            return Verdict::Limited(RateLimited::new(Duration::ZERO, None));
        };
        Verdict::TooLarge(LargerThanQuota::new(units.of(quota.unit()), quota))
    }

    /// Gives up a place in the queue.
    pub(super) fn leave(&self, whose: &Whose, ticket: u64) {
        let next = lock(&self.state).forget(whose, ticket);
        wake(next);
    }

    /// Corrects what was `taken` at `at` to what was `used`.
    pub(super) fn settle(&self, whose: &Whose, taken: Units, used: Units, at: u64) {
        let mut state = lock(&self.state);
        let now = self.now();
        let mut whose = whose.clone();
        if used.tokens > taken.tokens || used.cost > taken.cost {
            state.settle_on(&mut whose, &self.quotas, now);
        }
        let Some(part) = state.known(&whose) else {
            // It is at rest: there is nothing left to give back.
            return;
        };
        for meter in &mut part.meters {
            let (taken, used) = (taken.of(meter.unit()), used.of(meter.unit()));
            if used < taken {
                meter.give_back(taken - used, taken, at, now);
            } else if used > taken {
                meter.owe(used - taken, now);
            }
        }
        let next = part.waker();
        drop(state);
        wake(next);
    }

    /// Lets nothing go for so long.
    pub(super) fn pause(&self, whose: &Whose, wait: Duration) {
        let mut state = lock(&self.state);
        let now = self.now();
        let mut whose = whose.clone();
        state.settle_on(&mut whose, &self.quotas, now);
        let part = state.part(&whose, &self.quotas);
        let until = now.saturating_add(nanos(wait));
        part.paused_until = part.paused_until.max(until);
    }

    pub(super) fn set_max_waiting(&self, max_waiting: usize) {
        lock(&self.state).max_waiting = max_waiting;
    }

    pub(super) fn set_max_partitions(&self, max_partitions: usize) {
        lock(&self.state).max_parts = max_partitions;
    }

    pub(super) fn waiting(&self) -> usize {
        lock(&self.state).waiting
    }

    /// Each that waits takes a ticket.
    pub(super) fn waits(&self) -> u64 {
        lock(&self.state).next_ticket
    }

    pub(super) fn partitions(&self) -> usize {
        lock(&self.state).parts.len()
    }

    /// How much of each quota could go now. A part that is not known is as good as new.
    pub(super) fn available(&self, key: Option<&PartitionKey>) -> Vec<u64> {
        let mut state = lock(&self.state);
        let now = self.now();
        let of = |part: &mut Part| part.meters.iter_mut().map(|m| m.available(now)).collect();
        match key {
            None => of(&mut state.common),
            Some(key) => match state.parts.get_mut(key) {
                Some(part) => of(part),
                None => of(&mut Part::new(&self.quotas)),
            },
        }
    }

    pub(super) fn paused(&self, key: Option<&PartitionKey>) -> Option<Duration> {
        let state = lock(&self.state);
        let part = match key {
            None => Some(&state.common),
            Some(key) => state.parts.get(key),
        };
        let left = part?.paused_until.saturating_sub(self.now());
        (left > 0).then(|| Duration::from_nanos(left))
    }
}

impl State {
    /// Makes sure that there is a part for `whose`, or that it shares the common quotas.
    fn settle_on(&mut self, whose: &mut Whose, quotas: &[Quota], now: u64) {
        let Some(key) = whose else {
            return;
        };
        if self.parts.contains_key(key) {
            return;
        }
        if self.parts.len() >= self.sweep_at.min(self.max_parts) {
            self.parts.retain(|_, part| !part.is_at_rest(now));
            // So that the work of looking is spread over those that came since.
            self.sweep_at = (self.parts.len() * 2).max(FIRST_SWEEP);
        }
        if self.parts.len() < self.max_parts {
            self.parts.insert(key.clone(), Part::new(quotas));
        } else {
            *whose = None;
        }
    }

    fn part(&mut self, whose: &Whose, quotas: &[Quota]) -> &mut Part {
        match whose {
            None => &mut self.common,
            Some(key) => self
                .parts
                .entry(key.clone())
                .or_insert_with(|| Part::new(quotas)),
        }
    }

    fn known(&mut self, whose: &Whose) -> Option<&mut Part> {
        match whose {
            None => Some(&mut self.common),
            Some(key) => self.parts.get_mut(key),
        }
    }

    /// Removes one who waits; who is to be woken if it was the first.
    fn forget(&mut self, whose: &Whose, ticket: u64) -> Option<Waker> {
        let part = self.known(whose)?;
        let first = part.first() == Some(ticket);
        let waiter = part.waiting.remove(&ticket)?;
        part.queued = part.queued.minus(waiter.units);
        let next = if first { part.waker() } else { None };
        self.waiting -= 1;
        next
    }
}

impl Part {
    fn new(quotas: &[Quota]) -> Self {
        Self {
            meters: quotas.iter().map(Meter::new).collect(),
            paused_until: 0,
            waiting: BTreeMap::new(),
            queued: Units::default(),
        }
    }

    fn when(&mut self, units: Units, now: u64) -> When {
        let (mut at, mut held_by) = (self.paused_until, None);
        for (index, meter) in self.meters.iter_mut().enumerate() {
            match meter.earliest(units.of(meter.unit()), now) {
                None => return When::Never(index),
                Some(earliest) if earliest > at && earliest > now => {
                    (at, held_by) = (earliest, Some(index));
                }
                Some(_) => {}
            }
        }
        if at <= now {
            When::Now
        } else {
            When::Later { at, quota: held_by }
        }
    }

    /// The soonest that `units` can go after all that wait, and which quota says so.
    fn after_queue(&mut self, units: Units, now: u64) -> (u64, Option<usize>) {
        let queued = self.queued;
        let meters = self.meters.iter_mut().enumerate();
        let times = meters.map(|(index, meter)| {
            let unit = meter.unit();
            let at = meter.earliest_after(queued.of(unit), units.of(unit), now);
            (at, Some(index))
        });
        times.fold((self.paused_until.max(now), None), |latest, time| {
            if time.0 > latest.0 { time } else { latest }
        })
    }

    #[inline]
    fn try_take(&mut self, units: Units, now: u64) -> bool {
        if !self.waiting.is_empty() || self.paused_until > now {
            return false;
        }
        // Of one alone it need not be asked first what all of them say.
        if let [meter] = &mut *self.meters {
            return meter.try_take(units.of(meter.unit()), now);
        }
        let mut meters = self.meters.iter_mut();
        let granted = meters.all(|meter| meter.allows(units.of(meter.unit()), now));
        if granted {
            self.take(units, now);
        }
        granted
    }

    fn take(&mut self, units: Units, now: u64) {
        for meter in &mut self.meters {
            meter.take(units.of(meter.unit()), now);
        }
    }

    fn first(&self) -> Option<u64> {
        self.waiting.first_key_value().map(|(ticket, _)| *ticket)
    }

    fn waker(&self) -> Option<Waker> {
        let (_, first) = self.waiting.first_key_value()?;
        Some(first.waker.clone())
    }

    fn is_at_rest(&mut self, now: u64) -> bool {
        self.waiting.is_empty()
            && self.paused_until <= now
            && self.meters.iter_mut().all(|meter| meter.is_at_rest(now))
    }
}

/// In 64 bits, which is much cheaper than in the 128 that `Duration` has for it.
fn nanos(duration: Duration) -> u64 {
    let whole = duration.as_secs().saturating_mul(1_000_000_000);
    whole.saturating_add(duration.subsec_nanos().into())
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.state);
        f.debug_struct("Limiter")
            .field("quotas", &self.quotas)
            .field("parts", &state.parts.len())
            .field("waiting", &state.waiting)
            .finish_non_exhaustive()
    }
}

//! Who goes next.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    task::Waker,
};

use super::{
    PartitionLoad,
    turns::{Pace, Turn, Turns},
};
use crate::{
    sync::{Mutex, lock},
    types::{Overloaded, PartitionKey},
};

/// The permits of a layer, and who waits for them.
///
/// One lock over all, held for a few steps, and never while a waker runs.
///
/// Invariant: between two calls no one waits who could go. So a newcomer that finds room overtakes
/// nobody.
pub(super) struct Queue(Mutex<State>);

type Key = Option<PartitionKey>;

struct State {
    limit: usize,
    partition_limit: usize,
    max_waiting: usize,
    in_flight: usize,
    waiting: usize,
    // In how many parts.
    waiting_parts: usize,
    // Parts with something under way or waiting. That of `None` is there only while it waits.
    parts: HashMap<Key, Part>,
    turns: Turns,
    next_ticket: u64,
    // Those that lost their place and do not know yet.
    evicted: BTreeSet<u64>,
    pace: Pace,
}

#[derive(Default)]
struct Part {
    in_flight: usize,
    // By ticket, so that the oldest is first and any can leave.
    waiting: BTreeMap<u64, Waker>,
    turn: Option<Turn>,
}

/// Enough for thousands of calls that are made at once, and an end to memory.
const MAX_WAITING: usize = 16_384;

/// What became of one who asks.
pub(super) enum Verdict {
    Granted,
    Waiting(u64),
    Refused(Overloaded),
}

impl Queue {
    pub(super) fn new(limit: usize) -> Self {
        Self(Mutex::new(State {
            limit,
            partition_limit: usize::MAX,
            max_waiting: MAX_WAITING,
            in_flight: 0,
            waiting: 0,
            waiting_parts: 0,
            parts: HashMap::new(),
            turns: Turns::default(),
            next_ticket: 0,
            evicted: BTreeSet::new(),
            pace: Pace::default(),
        }))
    }

    /// Takes a permit if there is room.
    #[inline]
    pub(super) fn try_take(&self, key: &Key) -> bool {
        match key {
            None => lock(&self.0).take_common(),
            // By value: a reference would be a way into the request's future.
            Some(key) => self.try_take_keyed(key.clone()),
        }
    }

    fn try_take_keyed(&self, key: PartitionKey) -> bool {
        lock(&self.0).take(&Some(key))
    }

    /// Takes a permit, or a place in the queue, or neither.
    pub(super) fn ask(&self, key: &Key, waker: &Waker) -> Verdict {
        let mut state = lock(&self.0);
        if state.take(key) {
            return Verdict::Granted;
        }
        let evicted = if state.waiting < state.max_waiting {
            None
        } else {
            match state.evict_for(key) {
                Some(waker) => Some(waker),
                None => return Verdict::Refused(state.overloaded()),
            }
        };
        let ticket = state.join(key.clone(), waker.clone());
        drop(state);
        wake(evicted);
        Verdict::Waiting(ticket)
    }

    /// How it stands with `ticket`. The waker takes the place of the former one.
    pub(super) fn check(&self, key: &Key, ticket: u64, waker: &Waker) -> Verdict {
        let mut state = lock(&self.0);
        if let Some(waiting) = state.waker_of(key, ticket) {
            waiting.clone_from(waker);
            return Verdict::Waiting(ticket);
        }
        if state.evicted.remove(&ticket) {
            return Verdict::Refused(state.overloaded());
        }
        Verdict::Granted
    }

    /// Gives up `ticket`, and what it may have been given.
    pub(super) fn leave(&self, key: &Key, ticket: u64) {
        let mut state = lock(&self.0);
        let next = if state.remove(key, ticket) || state.evicted.remove(&ticket) {
            None
        } else {
            state.release(key)
        };
        drop(state);
        wake(next);
    }

    #[inline]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a reference would be a way into the body"
    )]
    pub(super) fn give_back(&self, key: Key) {
        let mut state = lock(&self.0);
        if key.is_none() && state.waiting == 0 {
            // The common case: no part to look up, and nobody waits.
            state.in_flight = state.in_flight.saturating_sub(1);
        } else {
            drop(state);
            self.give_to_next(&key);
        }
    }

    fn give_to_next(&self, key: &Key) {
        let next = lock(&self.0).release(key);
        wake(next);
    }

    pub(super) fn set_limit(&self, limit: usize) {
        lock(&self.0).limit = limit;
        self.grant_all();
    }

    pub(super) fn set_partition_limit(&self, limit: usize) {
        let mut state = lock(&self.0);
        state.partition_limit = limit;
        state.give_turns();
        drop(state);
        self.grant_all();
    }

    pub(super) fn set_max_waiting(&self, max_waiting: usize) {
        lock(&self.0).max_waiting = max_waiting;
    }

    fn grant_all(&self) {
        loop {
            let next = lock(&self.0).grant_next();
            match next {
                Some(waker) => waker.wake(),
                None => return,
            }
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        lock(&self.0).in_flight
    }

    pub(super) fn waiting(&self) -> usize {
        lock(&self.0).waiting
    }

    pub(super) fn limit(&self) -> usize {
        lock(&self.0).limit
    }

    pub(super) fn partition_limit(&self) -> usize {
        lock(&self.0).partition_limit
    }

    pub(super) fn partitions(&self) -> Vec<PartitionLoad> {
        let state = lock(&self.0);
        let loads = state.parts.iter().map(|(key, part)| PartitionLoad {
            key: key.clone(),
            in_flight: part.in_flight,
            waiting: part.waiting.len(),
        });
        loads.collect()
    }
}

impl State {
    /// Takes a permit if there is room, for a call that belongs to no part.
    #[inline]
    const fn take_common(&mut self) -> bool {
        let room = self.in_flight < self.limit;
        if room {
            self.in_flight += 1;
        }
        room
    }

    /// Takes a permit if there is room.
    fn take(&mut self, key: &Key) -> bool {
        if self.in_flight >= self.limit {
            return false;
        }
        if key.is_some() {
            match self.parts.get_mut(key) {
                Some(part) if part.in_flight >= self.partition_limit => return false,
                Some(part) => part.in_flight += 1,
                None if self.partition_limit == 0 => return false,
                None => self.parts.entry(key.clone()).or_default().in_flight = 1,
            }
        }
        self.take_common()
    }

    fn join(&mut self, key: Key, waker: Waker) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiting += 1;
        let newcomer = !self.parts.contains_key(&key);
        let part = self.parts.entry(key.clone()).or_default();
        self.waiting_parts += usize::from(part.waiting.is_empty());
        part.waiting.insert(ticket, waker);
        if part.turn.is_none() && part.has_room(&key, self.partition_limit) {
            part.turn = Some(self.turns.add(key, newcomer));
        }
        ticket
    }

    fn waker_of(&mut self, key: &Key, ticket: u64) -> Option<&mut Waker> {
        self.parts.get_mut(key)?.waiting.get_mut(&ticket)
    }

    /// Removes one who waits. Whoever had been granted or evicted does not.
    fn remove(&mut self, key: &Key, ticket: u64) -> bool {
        let Some(part) = self.parts.get_mut(key) else {
            return false;
        };
        if part.waiting.remove(&ticket).is_none() {
            return false;
        }
        self.one_left(key);
        true
    }

    /// Takes a place from the part with the most waiting, for one of a part with fewer.
    fn evict_for(&mut self, key: &Key) -> Option<Waker> {
        let own = self.parts.get(key).map_or(0, |part| part.waiting.len());
        // Who has its share takes from nobody, which also spares the search in a flood.
        if own * self.waiting_parts >= self.waiting {
            return None;
        }
        let longest = self
            .parts
            .iter()
            .max_by_key(|(_, part)| part.waiting.len())
            .filter(|(_, part)| part.waiting.len() > own + 1)
            .map(|(key, _)| key.clone())?;
        let (ticket, waker) = self.parts.get_mut(&longest)?.waiting.pop_last()?;
        self.waiting -= 1;
        self.evicted.insert(ticket);
        Some(waker)
    }

    /// Takes a permit back, and gives it to the next.
    fn release(&mut self, key: &Key) -> Option<Waker> {
        self.in_flight = self.in_flight.saturating_sub(1);
        if key.is_some()
            && let Some(part) = self.parts.get_mut(key)
        {
            part.in_flight = part.in_flight.saturating_sub(1);
            if part.wants_turn(key, self.partition_limit) {
                part.turn = Some(self.turns.add(key.clone(), false));
            }
            self.tidy(key);
        }
        self.grant_next()
    }

    /// Gives a permit to whoever is next, if there is room.
    fn grant_next(&mut self) -> Option<Waker> {
        while self.in_flight < self.limit {
            let key = self.turns.next()?;
            let limit = self.partition_limit;
            let Some(part) = self.parts.get_mut(&key) else {
                continue;
            };
            part.turn = None;
            // A limit that was lowered meanwhile: it gets a turn again when one of its calls ends.
            if !part.has_room(&key, limit) {
                continue;
            }
            let Some((_, waker)) = part.waiting.pop_first() else {
                continue;
            };
            if key.is_some() {
                part.in_flight += 1;
            }
            if part.wants_turn(&key, limit) {
                part.turn = Some(self.turns.add(key.clone(), false));
            }
            self.in_flight += 1;
            self.one_left(&key);
            self.pace.granted(self.waiting > 0);
            return Some(waker);
        }
        None
    }

    fn give_turns(&mut self) {
        for (key, part) in &mut self.parts {
            if part.wants_turn(key, self.partition_limit) {
                part.turn = Some(self.turns.add(key.clone(), false));
            }
        }
    }

    /// One of this part waits no more.
    fn one_left(&mut self, key: &Key) {
        self.waiting -= 1;
        let empty = self
            .parts
            .get(key)
            .is_none_or(|part| part.waiting.is_empty());
        self.waiting_parts -= usize::from(empty);
        self.tidy(key);
    }

    /// Takes the turn of a part in which nobody waits, and forgets a part that has nothing at all.
    fn tidy(&mut self, key: &Key) {
        let Some(part) = self.parts.get_mut(key) else {
            return;
        };
        if part.waiting.is_empty() {
            if let Some(turn) = part.turn.take() {
                self.turns.remove(turn);
            }
            if part.in_flight == 0 {
                self.parts.remove(key);
            }
        }
    }

    fn overloaded(&self) -> Overloaded {
        Overloaded::new(self.pace.wait_for(self.waiting + 1))
    }
}

impl Part {
    /// Whether one more call of this part may go, as far as the part is concerned.
    fn has_room(&self, key: &Key, limit: usize) -> bool {
        key.is_none() || self.in_flight < limit
    }

    fn wants_turn(&self, key: &Key, limit: usize) -> bool {
        self.turn.is_none() && !self.waiting.is_empty() && self.has_room(key, limit)
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.0);
        f.debug_struct("Queue")
            .field("limit", &state.limit)
            .field("partition_limit", &state.partition_limit)
            .field("max_waiting", &state.max_waiting)
            .field("in_flight", &state.in_flight)
            .field("waiting", &state.waiting)
            .field("parts", &state.parts.len())
            .finish_non_exhaustive()
    }
}

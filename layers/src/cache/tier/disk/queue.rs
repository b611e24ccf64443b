use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::store::Op;
use crate::{
    BoxError,
    cache::{Entry, tier::Cause},
    types::CacheKey,
};

/// What waits to be written, and what is being written.
///
/// A lookup asks here first: what was put is there at once. Bounded in entries and bytes.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) waiting: HashMap<CacheKey, Op>,
    pub(super) writing: HashMap<CacheKey, Op>,
    waiting_bytes: usize,
    /// Why the disk has to be emptied, if it has to be.
    pub(super) empty: Option<Cause>,
    /// What was invalidated has to be written.
    pub(super) purges_changed: bool,
    pub(super) flushes: Vec<oneshot::Sender<Result<(), BoxError>>>,
    /// Nobody will put anything any more.
    pub(super) closed: bool,
    /// Readers and writer that run.
    pub(super) threads: usize,
}

/// What the queue knows of a key.
#[derive(Debug)]
pub(super) enum Known {
    Put(Arc<Entry>),
    Removed,
    Nothing,
}

impl Queue {
    pub(super) fn knows(&self, key: &CacheKey) -> Known {
        match self.waiting.get(key).or_else(|| self.writing.get(key)) {
            Some(Op::Put(entry, _)) => Known::Put(entry.clone()),
            Some(Op::Remove(_)) => Known::Removed,
            None if self.empty.is_some() => Known::Removed,
            None => Known::Nothing,
        }
    }

    /// Takes an entry, or leaves a note that what was there under its key is gone, if there is no room.
    pub(super) fn put(&mut self, entry: Arc<Entry>, age: Duration, takes: bool) -> bool {
        let bytes = entry.weight();
        let room = self.waiting_bytes == 0
            || self.waiting_bytes.saturating_add(bytes) <= MAX_WAITING_BYTES;
        let key = *entry.key();
        if takes && room && self.waiting.len() < MAX_WAITING {
            self.set(key, Op::Put(entry, age));
            return true;
        }
        self.remove(key, Cause::Replaced);
        false
    }

    /// Notes that what is under `key` is gone.
    pub(super) fn remove(&mut self, key: CacheKey, cause: Cause) {
        if self.waiting.len() >= 2 * MAX_WAITING && !self.waiting.contains_key(&key) {
            // Notes are bounded as well: more is forgotten than was asked for, never less.
            self.forget_all();
        } else {
            self.set(key, Op::Remove(cause));
        }
    }

    /// Forgets everything, also what is being written: it will be gone when that is done.
    pub(super) fn forget_all(&mut self) {
        self.waiting.clear();
        self.writing.clear();
        self.waiting_bytes = 0;
        self.empty = Some(Cause::Removed);
    }

    fn set(&mut self, key: CacheKey, op: Op) {
        self.waiting_bytes += bytes(&op);
        if let Some(before) = self.waiting.insert(key, op) {
            self.waiting_bytes -= bytes(&before);
        }
    }

    /// Whether there is anything to write.
    pub(super) fn has_work(&self) -> bool {
        !self.waiting.is_empty() || self.empty.is_some() || self.purges_changed
    }

    /// Whether it has to be written at once.
    pub(super) fn is_urgent(&self) -> bool {
        self.closed
            || self.empty.is_some()
            || !self.flushes.is_empty()
            || self.waiting.len() >= BATCH
    }

    /// Takes what waits, to be written.
    pub(super) fn take(&mut self) -> Vec<(CacheKey, Op)> {
        self.waiting_bytes = 0;
        self.writing = std::mem::take(&mut self.waiting);
        let ops = self.writing.iter();
        ops.map(|(key, op)| (*key, op.clone())).collect()
    }

    /// Gives back what could not be written, but for what has been put or removed since.
    pub(super) fn give_back(&mut self) {
        for (key, op) in std::mem::take(&mut self.writing) {
            if self.waiting.contains_key(&key) {
                continue;
            }
            match op {
                Op::Put(entry, age) => {
                    self.put(entry, age, true);
                }
                Op::Remove(cause) => self.remove(key, cause),
            }
        }
    }
}

fn bytes(op: &Op) -> usize {
    match op {
        Op::Put(entry, _) => entry.weight(),
        Op::Remove(_) => 0,
    }
}

/// So many are written at once.
const BATCH: usize = 64;
const MAX_WAITING: usize = 1024;
const MAX_WAITING_BYTES: usize = 2 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Owner, ScopeDigest};

    fn entry(number: usize) -> Arc<Entry> {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        let now = tokio::time::Instant::now().into_std();
        Arc::new(Entry::new(
            CacheKey::new(key),
            ScopeDigest::of(Owner::Shared),
            now,
        ))
    }

    #[test]
    fn an_entry_that_finds_no_room_also_hides_the_one_before_it() {
        let mut queue = Queue::default();
        for number in 0..MAX_WAITING {
            assert!(queue.put(entry(number), Duration::ZERO, true));
        }

        assert!(!queue.put(entry(MAX_WAITING), Duration::ZERO, true));
        assert!(!queue.put(entry(0), Duration::ZERO, true));
        for number in [0, MAX_WAITING] {
            assert!(matches!(queue.knows(entry(number).key()), Known::Removed));
        }
    }

    #[test]
    fn notes_are_bounded_and_then_everything_is_forgotten() {
        let mut queue = Queue::default();
        for number in 0..=2 * MAX_WAITING {
            queue.remove(*entry(number).key(), Cause::Removed);
            assert!(queue.waiting.len() <= 2 * MAX_WAITING);
        }

        assert!(queue.empty.is_some());
        assert!(matches!(queue.knows(entry(7).key()), Known::Removed));
    }

    #[test]
    fn what_could_not_be_written_does_not_come_over_what_was_put_since() {
        let mut queue = Queue::default();
        let (first, second) = (entry(1), entry(1));
        queue.put(first, Duration::ZERO, true);
        queue.put(entry(2), Duration::ZERO, true);
        assert_eq!(queue.take().len(), 2);
        queue.put(second.clone(), Duration::ZERO, true);

        queue.give_back();

        assert_eq!(queue.waiting.len(), 2);
        match queue.knows(second.key()) {
            Known::Put(found) => assert!(Arc::ptr_eq(&found, &second)),
            other => panic!("{other:?}"),
        }
    }
}

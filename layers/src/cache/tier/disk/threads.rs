//! The three threads of a tier: one writes, two read.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    DiskError, Shared,
    breaker::longer,
    directory::Directory,
    queue::Queue,
    store::{Done, Failure, Looked, Opened, Store, Totals},
};
use crate::{cache::tier::Cause, types::CacheKey};

/// A lookup for a reader.
pub(super) struct Job {
    pub(super) key: CacheKey,
    /// By the clock of whoever asks.
    pub(super) now: Instant,
    pub(super) answer: oneshot::Sender<Result<Looked, ()>>,
}

/// Reads until nobody can ask any more.
pub(super) fn read(shared: &Shared, jobs: &Mutex<mpsc::Receiver<Job>>) {
    read_all(shared, jobs);
    shared.queue().threads -= 1;
    shared.wake.notify_all();
}

fn read_all(shared: &Shared, jobs: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        // One waits for a job, the other for its turn to wait.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // Whoever asked has given up: the time is better spent on the next.
        if job.answer.is_closed() {
            continue;
        }
        let found = match shared.store() {
            Some(store) => store.read(&job.key, job.now),
            None => Err(Failure::Io(io::Error::other("closed for now"))),
        };
        let answer = match found {
            Ok(found) => {
                if let Looked::Gone(cause) = &found {
                    shared.forget(&job.key, *cause);
                }
                Ok(found)
            }
            Err(failure) => {
                shared.read_failed(&failure);
                Err(())
            }
        };
        // If whoever asked has given up meanwhile, nobody needs it.
        drop(job.answer.send(answer));
    }
}

/// Writes what is put, until the tier is dropped and all is written.
pub(super) struct Writer {
    shared: Arc<Shared>,
    directory: Arc<Directory>,
    totals: Totals,
    /// The next shard to look for files that nobody knows.
    sweep: Option<u8>,
    wait: Duration,
    /// The store that was open last.
    last: Weak<Store>,
}

impl Writer {
    pub(super) const fn new(
        shared: Arc<Shared>,
        directory: Arc<Directory>,
        totals: Totals,
    ) -> Self {
        Self {
            shared,
            directory,
            totals,
            sweep: Some(0),
            wait: Duration::ZERO,
            last: Weak::new(),
        }
    }

    pub(super) fn run(mut self) {
        let shared = self.shared.clone();
        loop {
            let mut queue = self.work();
            if queue.closed && !queue.has_work() {
                break;
            }
            let store = shared.store();
            let (Some(store), None) = (store, queue.empty) else {
                drop(queue);
                if !self.reopen() {
                    break;
                }
                continue;
            };
            let purges = queue.purges_changed.then(|| shared.purges.save());
            queue.purges_changed = false;
            let ops = queue.take();
            let flushes = std::mem::take(&mut queue.flushes);
            drop(queue);
            let result = store.write(&ops, self.totals, purges.as_deref());
            drop((ops, store));
            let failed = result.as_ref().err().map(Failure::to_string);
            self.written(result, purges.is_some());
            for flush in flushes {
                let done = failed.clone().map_or(Ok(()), |says| Err(says.into()));
                drop(flush.send(done));
            }
        }
        self.end();
    }

    /// Closes the index when no reader is at it any more, and gives the directory back: closing writes,
    /// and nobody else may have the directory by then.
    fn end(self) {
        let shared = self.shared.clone();
        let mut queue = shared.queue();
        // Nobody waits for what could not be written.
        queue.flushes.clear();
        let others = |queue: &mut Queue| queue.threads > 1;
        let waited = shared.wake.wait_while(queue, others);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        shared.set_store(None);
        drop(self);
        shared.queue().threads -= 1;
        shared.wake.notify_all();
    }

    /// Waits until there is something to write, and for more of it to come along.
    fn work(&mut self) -> MutexGuard<'_, Queue> {
        let mut queue = self.shared.queue();
        while !queue.has_work() && !queue.closed && queue.flushes.is_empty() {
            let Some(shard) = self.sweep else {
                let waited = self.shared.wake.wait(queue);
                queue = waited.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(queue);
            if let Some(store) = self.shared.store() {
                // What cannot be swept now is swept when the tier is next opened.
                store.sweep(shard).ok();
            }
            self.sweep = shard.checked_add(1);
            queue = self.shared.queue();
        }
        if !queue.is_urgent() {
            let urgent = |queue: &mut Queue| !queue.is_urgent();
            let waited = self.shared.wake.wait_timeout_while(queue, GATHER, urgent);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        queue
    }

    fn written(&mut self, result: Result<Done, Failure>, purges: bool) {
        let shared = &self.shared.clone();
        match result {
            Ok(done) => {
                self.totals = done.totals;
                self.wait = Duration::ZERO;
                shared.queue().writing.clear();
                let mut stats = shared.stats();
                for weight in done.entered {
                    stats.enter(weight);
                }
                for (weight, cause) in done.left {
                    stats.leave(weight, cause);
                }
                stats.refused += done.refused;
                stats.entries = done.totals.entries;
                stats.weight_bytes = done.totals.weight;
                drop(stats);
                shared.breaker.succeeded();
            }
            Err(failure) => {
                let mut queue = shared.queue();
                queue.give_back();
                queue.purges_changed |= purges;
                if matches!(failure, Failure::Corrupt(_)) {
                    queue.empty = queue.empty.or(Some(Cause::Corrupt));
                }
                drop(queue);
                shared.failed(&failure);
                self.last = shared
                    .store()
                    .map_or_else(Weak::new, |store| Arc::downgrade(&store));
                shared.set_store(None);
            }
        }
    }

    /// Opens the store again after a while, or an empty one. Returns whether to go on.
    fn reopen(&mut self) -> bool {
        let shared = self.shared.clone();
        if let Some(store) = shared.store() {
            self.last = Arc::downgrade(&store);
            shared.set_store(None);
        } else {
            // It did not work before.
            self.wait = longer(self.wait, shared.options.first_wait);
            let nobody_asks = |queue: &mut Queue| !queue.closed && queue.flushes.is_empty();
            let waited = shared
                .wake
                .wait_timeout_while(shared.queue(), self.wait, nobody_asks);
            if waited.unwrap_or_else(PoisonError::into_inner).0.closed {
                return false;
            }
        }
        let Err(error) = self.open() else { return true };
        shared.failed_to_open(&error);
        let mut queue = shared.queue();
        // Nobody waits for a disk that does not work. The next try comes after a while.
        queue.flushes.clear();
        !queue.closed
    }

    fn open(&mut self) -> Result<(), DiskError> {
        let shared = self.shared.clone();
        let empty = shared.queue().empty;
        if !self.directory.is_linked() {
            self.directory = Arc::new(Directory::open(&shared.path)?);
        } else if empty.is_some() {
            Store::wipe(&self.directory)?;
        } else if self.last.strong_count() > 0 {
            // Closing it writes into the file that would be opened.
            return Err(io::Error::other("a lookup is still at it").into());
        }
        let (directory, outside) = (self.directory.clone(), shared.outside.clone());
        let Opened {
            store,
            totals,
            lost,
        } = Store::open(&directory, &outside, shared.options, &shared.purges)?;
        if let Some(lost) = lost {
            shared.failed(&lost);
        }
        let mut queue = shared.queue();
        // What has been put since is written now; what was on the disk is gone.
        let cause = queue.empty.take().unwrap_or(Cause::Corrupt);
        queue.purges_changed = true;
        drop(queue);
        let mut stats = shared.stats();
        if totals == Totals::default() {
            stats.all_leave(cause);
        }
        stats.entries = totals.entries;
        stats.weight_bytes = totals.weight;
        drop(stats);
        self.totals = totals;
        self.sweep = Some(0);
        self.wait = Duration::ZERO;
        shared.set_store(Some(Arc::new(store)));
        Ok(())
    }
}

/// How long the first to be written waits for others.
const GATHER: Duration = Duration::from_millis(50);

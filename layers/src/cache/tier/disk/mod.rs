//! The tier on disk.

mod breaker;
mod codec;
mod directory;
mod error;
mod options;
mod outside;
mod queue;
mod store;
#[cfg(test)]
mod tests;
mod threads;

use std::{
    fmt,
    future::ready,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, mpsc},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

pub use self::error::{DiskError, DiskErrorKind};
use self::{
    breaker::Breaker,
    directory::Directory,
    options::Options,
    outside::{Outside, Real},
    queue::{Known, Queue},
    store::{Failure, Looked, Opened, Store, Totals},
    threads::{Job, Writer},
};
use super::{
    Cause, Entry, Flush, Found, Generation, Invalidation, Lookup, Purges, Tier, TierStats,
};
use crate::{cache::Freshness, task, types::CacheKey};

/// Keeps entries in a directory, where they survive the process.
///
/// # What it holds
///
/// An index by [redb](https://docs.rs/redb), and a file for each entry from 32 KiB up. The directory is
/// made with mode 0700 and the files with 0600; one that others may use, that somebody else owns, or
/// that has a symbolic link in its path is refused. One tier has it at a time: the second gets
/// [`DiskErrorKind::Locked`]. On NFS that holds only where the server knows locks.
///
/// Nothing in it is encrypted. It holds replies and hashes of requests and owners; it holds no request
/// and no credential. Where replies must not touch a disk, use no such tier, or keep them out one by
/// one with `no-store`.
///
/// # What it costs
///
/// Three threads: one writes, two read, from queues that are bounded. What is put is there at once, and
/// committed in batches of 64 or after 50 ms. A lookup that takes longer than 50 ms, or finds the queue
/// full, is [`Found::Busy`]. Memory: 9 MiB for the index, 4 KiB for each 2 MiB of it that has been read,
/// and up to 2 MiB that wait to be written.
///
/// # What can go wrong
///
/// All of it is a miss and a number in [`TierStats`]. What is not exactly what was written, by its
/// checksum, is forgotten; an index of which a block is not is made anew, and what it led to is gone.
/// Where the disk fails or hangs, a breaker stops asking it, and tries again after one second, then two,
/// up to thirty. A directory that is deleted is made again. After the process was killed all that was
/// committed is there; after the power was lost entries in files of their own may be gone.
///
/// Time to live goes by the wall clock, and ends after `max_time_to_live` at the latest: a clock that
/// jumps ahead makes entries expire, one that jumps back by more than five minutes makes those from the
/// future misses.
///
/// # Its end
///
/// [`flush`](Tier::flush) waits until all is committed. Dropping the last clone waits for that as well,
/// up to one second, blocking the thread.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// use std::{sync::Arc, time::Duration};
///
/// use blossom_layers::{
///     cache::{Entry, Found, Lifetime, Tier, tier::DiskTier},
///     types::{CacheKey, Owner, ScopeDigest},
/// };
///
/// # let root = tempfile::tempdir()?;
/// # let directory = root.path().join("cache");
/// let now = tokio::time::Instant::now().into_std();
/// let entry = Entry::new(CacheKey::new([1; 32]), ScopeDigest::of(Owner::Shared), now)
///     .lifetime(Lifetime::new(Duration::from_secs(60)));
///
/// let tier = DiskTier::open(&directory)?;
/// tier.put(Arc::new(entry));
/// tier.flush().await?;
/// drop(tier);
///
/// let tier = DiskTier::open(&directory)?;
/// assert!(matches!(tier.get_blocking(&CacheKey::new([1; 32])), Found::Hit(_)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DiskTier {
    handle: Arc<Handle>,
}

/// Opens a [`DiskTier`] with bounds of one's own.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::cache::tier::{DiskTier, DiskTierBuilder, Tier};
///
/// # fn main() -> Result<(), blossom_layers::BoxError> {
/// # let root = tempfile::tempdir()?;
/// # let directory = root.path().join("cache");
/// let builder: DiskTierBuilder = DiskTier::builder(&directory).max_bytes(64 << 20);
/// let tier = builder.max_time_to_live(Duration::from_secs(24 * 60 * 60)).open()?;
/// assert_eq!(tier.stats().entries, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DiskTierBuilder {
    path: PathBuf,
    options: Options,
}

/// What all clones of a tier share; its end is theirs.
struct Handle {
    shared: Arc<Shared>,
    // `None` once it is dropped: the readers end.
    jobs: Option<mpsc::SyncSender<Job>>,
}

/// What the tier and its threads share.
struct Shared {
    path: PathBuf,
    options: Options,
    outside: Arc<dyn Outside>,
    queue: Mutex<Queue>,
    wake: Condvar,
    // `None` while it cannot be used.
    store: RwLock<Option<Arc<Store>>>,
    purges: Purges,
    breaker: Breaker,
    stats: Mutex<TierStats>,
    last_failure: Mutex<Option<String>>,
}

impl DiskTier {
    /// Opens the directory at `path` with the bounds that [`builder`](Self::builder) names.
    ///
    /// ```
    /// # use blossom_layers::cache::tier::{DiskTier, Tier};
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let root = tempfile::tempdir()?;
    /// # let directory = root.path().join("cache");
    /// let tier = DiskTier::open(&directory)?;
    /// assert_eq!(tier.stats().found, 0, "it is new");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If it is in use, is not safe to use, or the file system says no.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DiskError> {
        Self::builder(path).open()
    }

    /// A tier in the directory at `path`, which is made if it is not there.
    ///
    /// ```
    /// # use blossom_layers::cache::tier::DiskTier;
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let root = tempfile::tempdir()?;
    /// # let directory = root.path().join("cache");
    /// let tier = DiskTier::builder(&directory).max_bytes(64 << 20).open()?;
    /// assert!(directory.is_dir(), "it was made");
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(path: impl AsRef<Path>) -> DiskTierBuilder {
        DiskTierBuilder {
            path: path.as_ref().to_owned(),
            options: Options::default(),
        }
    }

    /// Looks `key` up on this thread, which blocks for as long as the disk does: the work that a lookup
    /// gives to a reader, without the way there and back. Not counted.
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// # use blossom_layers::{cache::{Entry, Found, Lifetime, tier::*}, types::*};
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let root = tempfile::tempdir()?;
    /// # let directory = root.path().join("cache");
    /// # let (key, scope) = (CacheKey::new([1; 32]), ScopeDigest::of(Owner::Shared));
    /// # let entry = Entry::new(key, scope, Instant::now());
    /// # let entry = entry.lifetime(Lifetime::new(Duration::from_secs(60)));
    /// let tier = DiskTier::open(&directory)?;
    /// tier.put(Arc::new(entry));
    /// assert!(matches!(tier.get_blocking(&key), Found::Hit(_)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn get_blocking(&self, key: &CacheKey) -> Found {
        let shared = &self.handle.shared;
        let known = shared.queue().knows(key);
        let found = match known {
            Known::Put(entry) => return shared.judge(entry),
            Known::Removed => return Found::Miss,
            Known::Nothing => shared.store().map(|store| store.read(key, now())),
        };
        match found {
            Some(Ok(Looked::Found(entry))) => shared.judge(entry),
            Some(Ok(Looked::Nothing | Looked::Gone(_))) => Found::Miss,
            Some(Err(_)) | None => Found::Busy,
        }
    }

    /// What the disk said when it last failed.
    ///
    /// ```
    /// # use blossom_layers::cache::tier::DiskTier;
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let root = tempfile::tempdir()?;
    /// # let directory = root.path().join("cache");
    /// let tier = DiskTier::open(&directory)?;
    /// assert_eq!(tier.last_failure(), None);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn last_failure(&self) -> Option<String> {
        let last = &self.handle.shared.last_failure;
        last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl DiskTierBuilder {
    /// The most bytes that may be taken on the disk: 1 GiB unless told otherwise. What expires first goes
    /// first. With zero nothing is kept.
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// # use blossom_layers::{cache::{Entry, Lifetime, tier::*}, types::*};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let root = tempfile::tempdir()?;
    /// # let directory = root.path().join("cache");
    /// # let (key, scope) = (CacheKey::new([1; 32]), ScopeDigest::of(Owner::Shared));
    /// # let entry = Entry::new(key, scope, Instant::now());
    /// # let entry = entry.lifetime(Lifetime::new(Duration::from_secs(60)));
    /// let tier = DiskTier::builder(&directory).max_bytes(0).open()?;
    /// tier.put(Arc::new(entry));
    /// tier.flush().await?;
    /// assert_eq!(tier.stats().entries, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.options.max_bytes = max_bytes;
        self
    }

    /// The most files that may hold entries of 32 KiB and more: 10,000 unless told otherwise. Smaller
    /// ones have none of their own.
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// # use blossom_layers::{body::Recording, cache::{Entry, Lifetime, tier::*}, types::*};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let root = tempfile::tempdir()?;
    /// # let directory = root.path().join("cache");
    /// # let (key, scope) = (CacheKey::new([1; 32]), ScopeDigest::of(Owner::Shared));
    /// # let entry = Entry::new(key, scope, Instant::now());
    /// # let entry = entry.lifetime(Lifetime::new(Duration::from_secs(60)));
    /// # let mut recording = Recording::default();
    /// # recording.push(vec![0; 64 << 10].into());
    /// let tier = DiskTier::builder(&directory).max_files(0).open()?;
    /// tier.put(Arc::new(entry.recording(Arc::new(recording)))); // 64 KiB
    /// tier.flush().await?;
    /// assert_eq!(tier.stats().entries, 0, "there is no file for it");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn max_files(mut self, max_files: u64) -> Self {
        self.options.max_files = max_files;
        self
    }

    /// The longest that an entry is kept, whatever it says itself: 30 days unless told otherwise.
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// # use blossom_layers::{cache::{Entry, Found, Lifetime, tier::*}, types::*};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let root = tempfile::tempdir()?;
    /// # let directory = root.path().join("cache");
    /// # let (key, scope) = (CacheKey::new([1; 32]), ScopeDigest::of(Owner::Shared));
    /// # let entry = Entry::new(key, scope, Instant::now());
    /// # let entry = entry.lifetime(Lifetime::new(Duration::from_secs(60)));
    /// let tier = DiskTier::builder(&directory).max_time_to_live(Duration::ZERO).open()?;
    /// tier.put(Arc::new(entry)); // for a minute
    /// tier.flush().await?;
    /// assert!(matches!(tier.get_blocking(&key), Found::Miss));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn max_time_to_live(mut self, most: Duration) -> Self {
        self.options.max_time_to_live = most;
        self
    }

    /// Opens the directory, and starts the threads.
    ///
    /// Takes a few milliseconds, also where much is there; blocks while the disk does.
    ///
    /// ```
    /// # use blossom_layers::cache::tier::DiskTier;
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let root = tempfile::tempdir()?;
    /// # let directory = root.path().join("cache");
    /// let tier = DiskTier::builder(&directory).open()?;
    /// assert!(DiskTier::builder(&directory).open().is_err(), "one has it at a time");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the directory is in use, is not safe to use, or the file system says no.
    pub fn open(self) -> Result<DiskTier, DiskError> {
        self.open_in(Arc::new(Real))
    }

    fn open_in(self, outside: Arc<dyn Outside>) -> Result<DiskTier, DiskError> {
        let Self { path, options } = self;
        let directory = Arc::new(Directory::open(&path)?);
        let purges = Purges::default();
        let opened = Store::open(&directory, &outside, options, &purges);
        let Opened {
            store,
            totals,
            lost,
        } = opened.map_err(|error| error.at(&path))?;
        let shared = Arc::new(Shared {
            path,
            options,
            outside,
            queue: Mutex::default(),
            wake: Condvar::new(),
            store: RwLock::new(Some(Arc::new(store))),
            purges,
            breaker: Breaker::new(options.first_wait),
            stats: Mutex::new(TierStats {
                found: totals.entries,
                entries: totals.entries,
                weight_bytes: totals.weight,
                ..TierStats::default()
            }),
            last_failure: Mutex::default(),
        });
        if let Some(lost) = lost {
            shared.failed(&lost);
        }
        start(&shared, directory, totals).map_err(|error| DiskError::from(error).at(&shared.path))
    }
}

fn start(
    shared: &Arc<Shared>,
    directory: Arc<Directory>,
    totals: Totals,
) -> std::io::Result<DiskTier> {
    let (jobs, waiting) = mpsc::sync_channel(MAX_JOBS);
    // Before the threads: if one cannot be started, dropping it ends those that were.
    let handle = Arc::new(Handle {
        shared: shared.clone(),
        jobs: Some(jobs),
    });
    let waiting = Arc::new(Mutex::new(waiting));
    for number in 1..=READERS {
        let waiting = waiting.clone();
        shared.start(&format!("cache-read-{number}"), move |shared| {
            threads::read(shared, &waiting);
        })?;
    }
    shared.start("cache-write", move |shared| {
        Writer::new(shared.clone(), directory, totals).run();
    })?;
    Ok(DiskTier { handle })
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.jobs = None;
        let mut queue = self.shared.queue();
        queue.closed = true;
        self.shared.wake.notify_all();
        let run = |queue: &mut Queue| queue.threads > 0;
        drop(self.shared.wake.wait_timeout_while(queue, LAST_WAIT, run));
    }
}

impl Shared {
    /// Starts a thread, which has to say when it ends.
    fn start(
        self: &Arc<Self>,
        name: &str,
        work: impl FnOnce(&Arc<Self>) + Send + 'static,
    ) -> std::io::Result<()> {
        let shared = self.clone();
        self.queue().threads += 1;
        let started = task::thread(name, move || work(&shared));
        if started.is_err() {
            self.queue().threads -= 1;
        }
        started
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stats(&self) -> MutexGuard<'_, TierStats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self) -> Option<Arc<Store>> {
        self.store
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_store(&self, store: Option<Arc<Store>>) {
        let mut place = self.store.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *place, store);
        // Closing an index takes time: not under the lock.
        drop(place);
        drop(before);
    }

    /// Forgets what a lookup found to be of no use, unless something was put since.
    fn forget(&self, key: &CacheKey, cause: Cause) {
        if cause == Cause::Corrupt {
            self.stats().corrupt += 1;
        }
        let mut queue = self.queue();
        if matches!(queue.knows(key), Known::Nothing) {
            queue.remove(*key, cause);
            self.wake.notify_all();
        }
    }

    fn read_failed(&self, failure: &Failure) {
        self.failed(failure);
        self.breaker.failed(now());
        if matches!(failure, Failure::Corrupt(_)) {
            let mut queue = self.queue();
            queue.empty = queue.empty.or(Some(Cause::Corrupt));
            drop(queue);
            self.wake.notify_all();
        }
    }

    fn failed(&self, failure: &Failure) {
        let mut stats = self.stats();
        match failure {
            Failure::Io(_) => stats.failures += 1,
            Failure::Corrupt(_) => stats.corrupt += 1,
        }
        drop(stats);
        self.note(failure.to_string());
    }

    fn failed_to_open(&self, error: &DiskError) {
        self.stats().failures += 1;
        let source = std::error::Error::source(error);
        self.note(source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}")));
    }

    fn note(&self, says: String) {
        let mut last = self
            .last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last = Some(says);
    }

    /// What to answer with an entry that was found.
    fn judge(&self, entry: Arc<Entry>) -> Found {
        if self.purges.cover(&entry) {
            return Found::Miss;
        }
        match entry.freshness(now()) {
            Freshness::Fresh => Found::Hit(entry),
            Freshness::Stale => Found::Stale(entry),
            Freshness::Dead => Found::Miss,
        }
    }

    fn answer(&self, found: Found) -> Found {
        self.stats().looked(&found);
        found
    }

    /// Waits for a reader, but not long.
    async fn wait(self: Arc<Self>, answer: oneshot::Receiver<Result<Looked, ()>>) -> Found {
        let found = match within(LOOKUP, answer).await {
            Some(Ok(Ok(Looked::Found(entry)))) => {
                self.breaker.succeeded();
                self.judge(entry)
            }
            Some(Ok(Ok(Looked::Nothing | Looked::Gone(_)))) => {
                self.breaker.succeeded();
                Found::Miss
            }
            // The reader has told of it.
            Some(Ok(Err(())) | Err(_)) => Found::Busy,
            None => {
                self.breaker.failed(now());
                Found::Busy
            }
        };
        self.answer(found)
    }
}

/// Waits for `future` up to `most`. Outside of a runtime there is no clock to wait by.
async fn within<F: Future>(most: Duration, future: F) -> Option<F::Output> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Some(future.await);
    }
    tokio::time::timeout(most, future).await.ok()
}

impl Tier for DiskTier {
    fn get(&self, key: &CacheKey) -> Lookup {
        let shared = &self.handle.shared;
        let known = shared.queue().knows(key);
        match known {
            Known::Put(entry) => return Lookup::Ready(shared.answer(shared.judge(entry))),
            Known::Removed => return Lookup::Ready(shared.answer(Found::Miss)),
            Known::Nothing => {}
        }
        let now = now();
        if !shared.breaker.allows(now) {
            return Lookup::Ready(shared.answer(Found::Busy));
        }
        let (answer, answered) = oneshot::channel();
        let job = Job {
            key: *key,
            now,
            answer,
        };
        let jobs = self.handle.jobs.as_ref();
        if jobs.is_none_or(|jobs| jobs.try_send(job).is_err()) {
            shared.breaker.failed(now);
            return Lookup::Ready(shared.answer(Found::Busy));
        }
        Lookup::Pending(Box::pin(shared.clone().wait(answered)))
    }

    fn put(&self, entry: Arc<Entry>) -> bool {
        let shared = &self.handle.shared;
        let takes = u64::try_from(entry.weight())
            .is_ok_and(|weight| weight <= shared.options.max_bytes)
            && !shared.purges.cover(&entry);
        let age = entry.age(now());
        let taken = shared.queue().put(entry, age, takes);
        shared.wake.notify_all();
        if !taken {
            shared.stats().refused += 1;
        }
        taken
    }

    fn remove(&self, key: &CacheKey) {
        self.handle.shared.queue().remove(*key, Cause::Removed);
        self.handle.shared.wake.notify_all();
    }

    fn generation(&self) -> Generation {
        self.handle.shared.purges.generation()
    }

    fn invalidate(&self, what: &Invalidation, after: Generation) -> Generation {
        let shared = &self.handle.shared;
        let generation = shared.purges.invalidate(what, after);
        let mut queue = shared.queue();
        queue.purges_changed = true;
        if *what == Invalidation::All {
            queue.forget_all();
        }
        drop(queue);
        shared.wake.notify_all();
        generation
    }

    fn flush(&self) -> Flush {
        let shared = &self.handle.shared;
        let mut queue = shared.queue();
        if !queue.has_work() && queue.writing.is_empty() {
            return Box::pin(ready(Ok(())));
        }
        let (done, flushed) = oneshot::channel();
        queue.flushes.push(done);
        drop(queue);
        shared.wake.notify_all();
        // The tier lives until it is done.
        let handle = self.handle.clone();
        Box::pin(async move {
            let flushed = flushed.await;
            drop(handle);
            flushed.unwrap_or_else(|_| Err("the disk cannot be used at present".into()))
        })
    }

    fn stats(&self) -> TierStats {
        *self.handle.shared.stats()
    }
}

impl fmt::Debug for DiskTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskTier")
            .field("path", &self.handle.shared.path)
            .field("options", &self.handle.shared.options)
            .field("stats", &self.stats())
            .finish()
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

const READERS: usize = 2;
const MAX_JOBS: usize = 256;
const LOOKUP: Duration = Duration::from_millis(50);
const LAST_WAIT: Duration = Duration::from_secs(1);

mod batch;
mod failure;
mod guard;
mod index;

use std::{
    io::{self, Read as _, Write as _},
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use redb::{Database, ReadOnlyTable, ReadableDatabase, TableDefinition};

pub(super) use self::failure::Failure;
#[cfg(test)]
pub(super) use self::guard::PANICKED;
use self::{
    batch::Batch,
    guard::{Guarded, lend},
    index::Index,
};
use super::{
    codec::{self, FileRef, HEADER_BYTES, Header, VERSION},
    directory::Directory,
    error::DiskError,
    options::Options,
    outside::{Operation, Outside},
};
use crate::{
    cache::{
        Entry, Freshness,
        tier::{Cause, Purges},
    },
    types::CacheKey,
};

/// What stands on the disk: an index by redb, and a file for each large entry.
///
/// Its methods block, and are called on the threads of the tier only.
#[derive(Debug)]
pub(super) struct Store {
    index: Guarded,
    directory: Arc<Directory>,
    outside: Arc<dyn Outside>,
    options: Options,
    next_file: AtomicU64,
}

/// A store that was opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) store: Store,
    pub(super) totals: Totals,
    /// What was wrong with the index that was there, if it had to be made anew.
    pub(super) lost: Option<Failure>,
}

/// What is there, as the index knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Totals {
    pub(super) entries: u64,
    pub(super) weight: u64,
    pub(super) files: u64,
}

/// Something to be written.
#[derive(Debug, Clone)]
pub(super) enum Op {
    /// An entry, as old as it was when it was put.
    Put(Arc<Entry>, Duration),
    Remove(Cause),
}

/// What a batch has done, once it is committed.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) totals: Totals,
    /// The weights of entries that are there now.
    pub(super) entered: Vec<u64>,
    pub(super) left: Vec<(u64, Cause)>,
    /// Entries that cannot be written.
    pub(super) refused: u64,
}

/// What a lookup came to.
#[derive(Debug)]
pub(super) enum Looked {
    Found(Arc<Entry>),
    Nothing,
    /// There is something that is not what was stored, or of no use any more.
    Gone(Cause),
}

const ENTRIES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");
// By when they expire, so that the first to go is the first there.
const EXPIRY: TableDefinition<'_, (u64, &[u8]), ()> = TableDefinition::new("expiry");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

impl Store {
    /// Opens what is there; what cannot be read is made anew.
    pub(super) fn open(
        directory: &Arc<Directory>,
        outside: &Arc<dyn Outside>,
        options: Options,
        purges: &Purges,
    ) -> Result<Opened, DiskError> {
        let open = || Self::try_open(directory.clone(), outside.clone(), options, purges);
        let (found, lost) = match open() {
            Err(lost @ Failure::Corrupt(_)) => {
                Self::wipe(directory)?;
                (open(), Some(lost))
            }
            other => (other, None),
        };
        let (store, totals) = found.map_err(|failure| match failure {
            Failure::Io(error) => error,
            Failure::Corrupt(says) => io::Error::other(says),
        })?;
        Ok(Opened {
            store,
            totals,
            lost,
        })
    }

    /// Removes the index, and so all that is there; files are swept later.
    pub(super) fn wipe(directory: &Directory) -> io::Result<()> {
        directory.remove(INDEX)
    }

    fn try_open(
        directory: Arc<Directory>,
        outside: Arc<dyn Outside>,
        options: Options,
        purges: &Purges,
    ) -> Result<(Self, Totals), Failure> {
        outside.before(Operation::Open)?;
        let file = directory.open_or_create(INDEX)?;
        let file = Index::open(file, outside.clone()).map_err(redb::Error::Io)?;
        let index = Guarded::open(file, CACHE_BYTES)?;
        let store = Self {
            index,
            directory,
            // Names of files are never used twice, also by a process that knows nothing of this one.
            next_file: AtomicU64::new(unix_millis(outside.now()) << 16),
            outside,
            options,
        };
        let totals = store.index.run(|index| Ok(load(index, purges)?))?;
        store.directory.make(FILES)?;
        Ok((store, totals))
    }

    /// Looks an entry up, for somebody whose clock says `now`.
    pub(super) fn read(&self, key: &CacheKey, now: Instant) -> Result<Looked, Failure> {
        self.outside.before(Operation::Read)?;
        let copy = |record: &[u8]| Bytes::copy_from_slice(record);
        let record = self
            .index
            .run(|index| with_entries(index, |table| lookup(table, key.as_bytes(), copy)))?;
        let Some(record) = record else {
            return Ok(Looked::Nothing);
        };
        let Some(payload) = self.payload(key, &record)? else {
            return Ok(Looked::Gone(Cause::Corrupt));
        };
        let Some(decoded) = codec::decode(*key, &payload, now) else {
            return Ok(Looked::Gone(Cause::Corrupt));
        };
        let stored = Duration::from_millis(decoded.stored);
        let present = self
            .outside
            .now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let most = self.options.max_time_to_live;
        // A clock that went back a little makes an entry as young as it was; one that went back far
        // must not keep it for ever.
        let since = present.saturating_sub(stored);
        let from_the_future = stored.saturating_sub(present) > CLOCK_SLACK;
        let idle_for = decoded.entry.lifetimes().idle_for;
        if from_the_future || since >= most || idle_for.is_some_and(|idle_for| since >= idle_for) {
            return Ok(Looked::Gone(Cause::Expired));
        }
        let entry = decoded.entry.age_then(decoded.age.saturating_add(since));
        Ok(match entry.freshness(now) {
            Freshness::Dead => Looked::Gone(Cause::Expired),
            Freshness::Fresh | Freshness::Stale => Looked::Found(Arc::new(entry)),
        })
    }

    /// The payload of a record, if it is what was written.
    fn payload(&self, key: &CacheKey, record: &Bytes) -> Result<Option<Bytes>, Failure> {
        let Some((header, rest)) = Header::read(record) else {
            return Ok(None);
        };
        let head = record.get(..HEADER_BYTES).unwrap_or_default();
        let Some(inline) = codec::unsummed(key, head, rest) else {
            return Ok(None);
        };
        let Some(file) = header.file else {
            return Ok(Some(record.slice_ref(inline)));
        };
        let Some(content) = self.read_file(key, file)? else {
            return Ok(None);
        };
        let payload = codec::unsummed(key, head, &content).map(<[u8]>::len);
        Ok(payload.map(|length| content.slice(..length)))
    }

    /// The content of a file, if it is there and as long as it was.
    fn read_file(&self, key: &CacheKey, file: FileRef) -> Result<Option<Bytes>, Failure> {
        self.outside.before(Operation::Open)?;
        let mut opened = match self.directory.read(&file_name(key, file.id)) {
            Ok(opened) => opened,
            Err(error) if gone(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let length = opened.metadata()?.len();
        if length != file.len || length > self.options.max_bytes {
            return Ok(None);
        }
        let Ok(length) = usize::try_from(length) else {
            return Ok(None);
        };
        self.outside.before(Operation::Read)?;
        let mut content = vec![0; length];
        match opened.read_exact(&mut content) {
            Ok(()) => Ok(Some(content.into())),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a batch and commits it: all of it or nothing.
    pub(super) fn write(
        &self,
        ops: &[(CacheKey, Op)],
        totals: Totals,
        purges: Option<&[u8]>,
    ) -> Result<Done, Failure> {
        if !self.directory.is_linked() {
            return Err(
                io::Error::new(io::ErrorKind::NotFound, "the directory was deleted").into(),
            );
        }
        let mut batch = Batch::new(self, totals);
        let result = self.index.run(|index| batch.run(index, ops, purges));
        let Batch {
            done, made, unused, ..
        } = batch;
        // What cannot be removed now is swept later.
        let to_remove = if result.is_ok() { unused } else { made };
        for name in to_remove {
            self.remove_file(&name).ok();
        }
        result.map(|()| done)
    }

    fn write_file(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        let shard = name.rsplit_once('/').map_or("", |(shard, _)| shard);
        self.outside.before(Operation::Open)?;
        self.directory.make(shard)?;
        let temporary = format!("{name}{TEMPORARY}");
        let mut file = self.directory.create(&temporary)?;
        let written = self.outside.before(Operation::Write).and_then(|()| {
            parts.iter().try_for_each(|part| file.write_all(part))?;
            self.directory.rename(&temporary, name)
        });
        if written.is_err() {
            self.directory.remove(&temporary).ok();
        }
        written
    }

    fn remove_file(&self, name: &str) -> io::Result<()> {
        self.outside.before(Operation::Remove)?;
        self.directory.remove(name)
    }

    /// Removes the files of one shard that no entry knows, left behind by a process that was killed.
    pub(super) fn sweep(&self, shard: u8) -> Result<(), Failure> {
        let shard = format!("{FILES}/{shard:02x}");
        let names = self.directory.list(&shard)?;
        if names.is_empty() {
            return Ok(());
        }
        let unknown = self.index.run(|index| {
            with_entries(index, |table| {
                let mut unknown = Vec::new();
                for name in names {
                    let known = match parse_name(&name) {
                        Some((key, id)) => {
                            lookup(table, &key, |record| has_file(record, id))? == Some(true)
                        }
                        None => false,
                    };
                    if !known {
                        unknown.push(name);
                    }
                }
                Ok(unknown)
            })
        })?;
        for name in unknown {
            self.remove_file(&format!("{shard}/{name}"))?;
        }
        Ok(())
    }

    fn stored(&self) -> u64 {
        unix_millis(self.outside.now())
    }
}

/// Reads what stands beside the entries; makes the tables of an empty index.
fn load(index: &Database, purges: &Purges) -> Result<Totals, redb::Error> {
    let found = lend(index.begin_read()?, |transaction| {
        let meta = match transaction.open_table(META) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            other => other?,
        };
        lend(meta, |meta| {
            let totals = meta.get(TOTALS)?;
            let totals = totals.and_then(|value| Totals::read(value.value()));
            if let Some(value) = meta.get(PURGES)? {
                purges.restore(value.value());
            }
            let totals = totals.ok_or_else(|| redb::Error::Corrupted("no totals".to_owned()))?;
            Ok::<_, redb::Error>(Some(totals))
        })
    })?;
    if let Some(totals) = found {
        return Ok(totals);
    }
    let mut transaction = index.begin_write()?;
    // In two phases, as all others.
    transaction.set_quick_repair(true);
    transaction.open_table(ENTRIES)?;
    transaction.open_table(EXPIRY)?;
    let totals = Totals::default();
    let mut meta = transaction.open_table(META)?;
    meta.insert(TOTALS, &totals.write()[..])?;
    drop(meta);
    transaction.commit()?;
    Ok(totals)
}

type Entries = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// Reads the entries as they are committed.
fn with_entries<T>(
    index: &Database,
    read: impl FnOnce(&Entries) -> Result<T, redb::Error>,
) -> Result<T, Failure> {
    let read = lend(
        index.begin_read().map_err(redb::Error::from)?,
        |transaction| lend(transaction.open_table(ENTRIES)?, |table| read(table)),
    );
    Ok(read?)
}

fn lookup<T>(
    table: &Entries,
    key: &[u8; 32],
    read: impl FnOnce(&[u8]) -> T,
) -> Result<Option<T>, redb::Error> {
    let record = table.get(&key[..])?;
    Ok(record.map(|record| lend(record, |record| read(record.value()))))
}

/// Whether the entry that a record is of has the file with that number.
fn has_file(record: &[u8], id: u64) -> bool {
    let file = Header::read(record).and_then(|(header, _)| header.file);
    file.is_some_and(|file| file.id == id)
}

impl Totals {
    fn write(self) -> [u8; 24] {
        let mut out = [0; 24];
        let numbers = [self.entries, self.weight, self.files];
        for (place, number) in out.as_chunks_mut::<8>().0.iter_mut().zip(numbers) {
            *place = number.to_le_bytes();
        }
        out
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let ([entries, weight, files], []) = bytes.as_chunks::<8>() else {
            return None;
        };
        Some(Self {
            entries: u64::from_le_bytes(*entries),
            weight: u64::from_le_bytes(*weight),
            files: u64::from_le_bytes(*files),
        })
    }
}

fn gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
    ) || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

fn unix_millis(now: SystemTime) -> u64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Where the file of an entry stands: nothing but digits of its key and its number.
fn file_name(key: &CacheKey, id: u64) -> String {
    let [shard, ..] = key.as_bytes();
    format!("{FILES}/{shard:02x}/{key}{id:016x}")
}

fn parse_name(name: &str) -> Option<([u8; 32], u64)> {
    let (key, id) = name.split_at_checked(64)?;
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(key.as_bytes().as_chunks::<2>().0) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    (id.len() == 16).then_some((bytes, u64::from_str_radix(id, 16).ok()?))
}

// Names carry the version of the format, so that another one's files are never opened.
const INDEX: &str = "index-2";
const FILES: &str = "files-2";
const _: () = assert!(VERSION == 2, "the names above say 2");
const TEMPORARY: &str = ".new";
const TOTALS: &str = "totals";
const PURGES: &str = "purges";

const CACHE_BYTES: usize = 9 << 20;
const CLOCK_SLACK: Duration = Duration::from_secs(300);

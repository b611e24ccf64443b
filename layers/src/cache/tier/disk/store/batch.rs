use std::{cmp::min, mem::ManuallyDrop, sync::atomic::Ordering::Relaxed, time::Duration};

use redb::{Database, Durability, ReadableTable, Table, WriteTransaction};

use super::{
    Done, ENTRIES, EXPIRY, Failure, META, Op, PURGES, Store, TOTALS, Totals, file_name, guard::lend,
};
use crate::{
    cache::{
        Entry,
        tier::{
            Cause,
            disk::{
                codec::{self, FileRef, HEADER_BYTES, Header, SUM_BYTES},
                options::Options,
                outside::Operation,
            },
        },
    },
    types::CacheKey,
};

type Entries<'a> = Table<'a, &'static [u8], &'static [u8]>;
type Expiry<'a> = Table<'a, (u64, &'static [u8]), ()>;

/// One transaction in the making.
pub(super) struct Batch<'a> {
    store: &'a Store,
    pub(super) done: Done,
    /// Files that were made for it, of no use if it fails.
    pub(super) made: Vec<String>,
    /// Files that are of no use once it is committed.
    pub(super) unused: Vec<String>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(store: &'a Store, totals: Totals) -> Self {
        Self {
            store,
            done: Done {
                totals,
                ..Done::default()
            },
            made: Vec::new(),
            unused: Vec::new(),
        }
    }

    pub(super) fn run(
        &mut self,
        index: &Database,
        ops: &[(CacheKey, Op)],
        purges: Option<&[u8]>,
    ) -> Result<(), Failure> {
        self.store.outside.before(Operation::Write)?;
        let begun = index.begin_write().map_err(redb::Error::from)?;
        // Not dropped where something panics.
        let mut transaction = ManuallyDrop::new(begun);
        let filled = self.fill(&mut transaction, ops, purges);
        let transaction = ManuallyDrop::into_inner(transaction);
        filled?;
        self.store.outside.before(Operation::Sync)?;
        transaction.commit().map_err(redb::Error::from)?;
        Ok(())
    }

    fn fill(
        &mut self,
        transaction: &mut WriteTransaction,
        ops: &[(CacheKey, Op)],
        purges: Option<&[u8]>,
    ) -> Result<(), Failure> {
        // In two phases: what the file of the index relies on.
        transaction.set_quick_repair(true);
        transaction
            .set_durability(Durability::Immediate)
            .map_err(redb::Error::from)?;
        let entries = transaction.open_table(ENTRIES).map_err(redb::Error::from)?;
        lend(entries, |entries| {
            let expiry = transaction.open_table(EXPIRY).map_err(redb::Error::from)?;
            lend(expiry, |expiry| self.change(ops, entries, expiry))
        })?;
        let meta = transaction.open_table(META).map_err(redb::Error::from)?;
        lend(meta, |meta| {
            meta.insert(TOTALS, &self.done.totals.write()[..])?;
            if let Some(purges) = purges {
                meta.insert(PURGES, purges)?;
            }
            Ok::<_, redb::Error>(())
        })?;
        Ok(())
    }

    fn change(
        &mut self,
        ops: &[(CacheKey, Op)],
        entries: &mut Entries<'_>,
        expiry: &mut Expiry<'_>,
    ) -> Result<(), Failure> {
        for (key, op) in ops {
            match op {
                Op::Put(entry, age) => {
                    self.take(key, Cause::Replaced, entries, expiry)?;
                    self.put(entry, *age, entries, expiry)?;
                }
                Op::Remove(cause) => self.take(key, *cause, entries, expiry)?,
            }
        }
        self.evict(entries, expiry)
    }

    fn put(
        &mut self,
        entry: &Entry,
        age: Duration,
        entries: &mut Entries<'_>,
        expiry: &mut Expiry<'_>,
    ) -> Result<(), Failure> {
        let (key, stored) = (entry.key(), self.store.stored());
        let left = entry.lifetimes().total().saturating_sub(age);
        let left = min(left, self.store.options.max_time_to_live);
        let mut payload = Vec::with_capacity(entry.weight());
        if codec::encode(entry, age, stored, &mut payload).is_none() {
            self.done.refused += 1;
            return Ok(());
        }
        let in_file = payload.len() >= FILE_FROM;
        let id = self.store.next_file.fetch_add(1, Relaxed);
        let length = (payload.len() + SUM_BYTES) as u64;
        let header = Header {
            expires: stored.saturating_add(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            weight: if in_file {
                length.next_multiple_of(BLOCK) + OVERHEAD
            } else {
                // Pages are half full on average.
                2 * length + OVERHEAD
            },
            file: in_file.then_some(FileRef { id, len: length }),
        };
        if header.weight > self.store.options.max_bytes {
            self.done.refused += 1;
            return Ok(());
        }
        let mut record = Vec::with_capacity(HEADER_BYTES + payload.len() + SUM_BYTES);
        header.write(&mut record);
        if in_file {
            let sum = codec::sum(key, &[&record, &payload]);
            let name = file_name(key, id);
            self.made.push(name.clone());
            self.store.write_file(&name, &[&payload, &sum])?;
            payload.clear();
        }
        let sum = codec::sum(key, &[&record, &payload]);
        record.extend_from_slice(&payload);
        record.extend_from_slice(&sum);
        let name = &key.as_bytes()[..];
        entries
            .insert(name, &record[..])
            .map_err(redb::Error::from)?;
        expiry
            .insert((header.expires, name), ())
            .map_err(redb::Error::from)?;
        let totals = &mut self.done.totals;
        totals.entries += 1;
        totals.weight += header.weight;
        totals.files += u64::from(in_file);
        self.done.entered.push(header.weight);
        Ok(())
    }

    /// Takes an entry away, if it is there.
    fn take(
        &mut self,
        key: &CacheKey,
        cause: Cause,
        entries: &mut Entries<'_>,
        expiry: &mut Expiry<'_>,
    ) -> Result<(), Failure> {
        self.take_name(key.as_bytes(), cause, entries, expiry)
    }

    fn take_name(
        &mut self,
        name: &[u8],
        cause: Cause,
        entries: &mut Entries<'_>,
        expiry: &mut Expiry<'_>,
    ) -> Result<(), Failure> {
        let removed = entries.remove(name).map_err(redb::Error::from)?;
        let header = removed.map(|record| Header::read(record.value()).map(|(header, _)| header));
        let Some(header) = header else {
            return Ok(());
        };
        let totals = &mut self.done.totals;
        totals.entries = totals.entries.saturating_sub(1);
        // Of a header that cannot be read nothing is known. Its row in the other table is found when
        // its time has come.
        let weight = header.map_or(0, |header| header.weight);
        totals.weight = totals.weight.saturating_sub(weight);
        if let Some(header) = header {
            expiry
                .remove((header.expires, name))
                .map_err(redb::Error::from)?;
            if let (Some(file), Ok(key)) = (header.file, <[u8; 32]>::try_from(name)) {
                totals.files = totals.files.saturating_sub(1);
                self.unused.push(file_name(&CacheKey::new(key), file.id));
            }
        }
        self.done.left.push((weight, cause));
        Ok(())
    }

    /// Takes away what has expired, and as much more as it takes to stay within the bounds.
    fn evict(&mut self, entries: &mut Entries<'_>, expiry: &mut Expiry<'_>) -> Result<(), Failure> {
        let now = self.store.stored();
        let Options {
            max_bytes,
            max_files,
            ..
        } = self.store.options;
        let mut expired = 0;
        loop {
            let first = expiry.first().map_err(redb::Error::from)?;
            let Some((expires, name)) = first.map(|(row, _)| row_key(&row)) else {
                return Ok(());
            };
            let totals = self.done.totals;
            let too_much = totals.weight > max_bytes || totals.files > max_files;
            let cause = if expires <= now && expired < EXPIRED_AT_ONCE {
                expired += 1;
                Cause::Expired
            } else if too_much {
                Cause::Size
            } else {
                return Ok(());
            };
            self.take_name(&name, cause, entries, expiry)?;
            // If the entry is another one by now, or none.
            expiry
                .remove((expires, &name[..]))
                .map_err(redb::Error::from)?;
        }
    }
}

fn row_key(row: &redb::AccessGuard<'_, (u64, &'static [u8])>) -> (u64, Vec<u8>) {
    let (expires, name) = row.value();
    (expires, name.to_vec())
}

// Payloads from here on are files: below, redb is as fast and wastes no block.
const FILE_FROM: usize = 32 * 1024;
const BLOCK: u64 = 4096;
// Of an entry: its rows in both tables.
const OVERHEAD: u64 = 256;
const EXPIRED_AT_ONCE: usize = 256;

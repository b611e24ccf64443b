//! The file of the index.
//!
//! redb checks a page that it reads only when it repairs; of one that was changed behind its back it
//! reads lengths and places, and can panic. So it is given nothing that is not what it wrote: each block
//! of 4 KiB has a sum, which is compared whenever the block is read.
//!
//! | block of the file | holds |
//! | --- | --- |
//! | 0 | the head: the first block of the index, and its own sum |
//! | 1 | the sums of the 512 blocks that follow |
//! | 2 to 513 | blocks 1 to 512 of the index |
//! | 514 | the sums of the 512 blocks that follow, and so on |
//!
//! # Why a kill at any moment does no harm
//!
//! redb never writes over a block that what was committed last can reach, but for the head. A commit
//! writes new blocks, syncs, writes a head that names them, and syncs again (it is in two phases, which
//! quick repair asks for). Sums are written by the first sync, so before the head; until then a block and
//! its sum may not fit, and nobody can reach it. The head bears its sum in the same sector. The same
//! holds when the power fails, since both are in the file that is synced.
//!
//! Sums are read when the first of their blocks is, so that opening takes no longer where there is more;
//! from then on they stay in memory, 4 KiB for each 2 MiB.

mod head;
mod layout;
mod sums;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock},
};

use redb::StorageBackend;

use self::{
    head::Head,
    layout::{BLOCK, BLOCK_BYTES, GROUP_BLOCKS, Place},
    sums::Sums,
};
use crate::cache::tier::disk::outside::{Operation, Outside};

/// The file of the index, through the checks of the tier.
#[derive(Debug)]
pub(super) struct Index {
    file: File,
    outside: Arc<dyn Outside>,
    head: Mutex<Head>,
    groups: RwLock<Vec<OnceLock<Sums>>>,
    // Whoever writes sums; so that none are written over by older ones.
    syncing: Mutex<()>,
}

impl Index {
    /// Takes a file, which is empty or was written by another of these. Anything else is
    /// [`io::ErrorKind::InvalidData`], as is whatever is found to have changed later.
    pub(super) fn open(file: File, outside: Arc<dyn Outside>) -> io::Result<Self> {
        outside.before(Operation::Read)?;
        let file_len = file.metadata()?.len();
        let len = layout::index_len(file_len).ok_or_else(changed)?;
        let mut head = Head::default();
        if len > 0 {
            let mut block = [0; BLOCK_BYTES];
            file.read_exact_at(&mut block, 0)?;
            head = Head::read(&block).ok_or_else(changed)?;
        }
        // It may be longer: it grows before the head says so.
        if len < head.len {
            return Err(changed());
        }
        head.len = len;
        let index = Self {
            file,
            outside,
            head: Mutex::new(head),
            groups: RwLock::default(),
            syncing: Mutex::default(),
        };
        index.resize_groups(len);
        Ok(index)
    }

    fn head(&self) -> MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resize_groups(&self, len: u64) {
        let groups = usize::try_from(layout::groups(len)).unwrap_or(usize::MAX);
        let mut known = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        known.resize_with(groups, OnceLock::new);
    }

    /// Does something with the sums of a group.
    fn with_sums<T>(&self, group: usize, run: impl FnOnce(&Sums) -> T) -> io::Result<T> {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        let known = groups.get(group).ok_or_else(changed)?;
        let sums = if let Some(sums) = known.get() {
            sums
        } else {
            let mut bytes = [0; BLOCK_BYTES];
            let offset = layout::sums_at(group as u64).ok_or_else(unsupported)?;
            self.file.read_exact_at(&mut bytes, offset)?;
            known.get_or_init(|| Sums::read(&bytes))
        };
        Ok(run(sums))
    }

    /// Reads whole blocks.
    fn read_blocks(&self, block: u64, out: &mut [u8]) -> io::Result<()> {
        match out.split_first_chunk_mut() {
            Some((first, rest)) if block == 0 => {
                *first = self.head().block();
                self.read_summed(1, rest)
            }
            _ => self.read_summed(block, out),
        }
    }

    /// Reads whole blocks that are not the head.
    fn read_summed(&self, mut block: u64, mut out: &mut [u8]) -> io::Result<()> {
        while !out.is_empty() {
            let place = layout::place(block).ok_or_else(unsupported)?;
            let (here, rest) = out.split_at_mut(run_len(place, out.len()));
            self.file.read_exact_at(here, place.offset)?;
            let right = |sums: &Sums| sums.are_of(block, place.slot, here);
            if !self.with_sums(place.group, right)? {
                return Err(changed());
            }
            block += (here.len() / BLOCK_BYTES) as u64;
            out = rest;
        }
        Ok(())
    }

    fn write_blocks(&self, mut block: u64, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let place = layout::place(block).ok_or_else(unsupported)?;
            let (here, rest) = data.split_at(run_len(place, data.len()));
            let blocks = here.len() / BLOCK_BYTES;
            self.with_sums(place.group, |sums| sums.forget(place.slot, blocks))?;
            self.file.write_all_at(here, place.offset)?;
            self.with_sums(place.group, |sums| sums.take(block, place.slot, here))?;
            block += blocks as u64;
            data = rest;
        }
        Ok(())
    }

    /// Puts a head in the place of the one before.
    fn write_head(&self, place: &mut Head, head: Head) -> io::Result<()> {
        self.file.write_all_at(&head.to_write(), 0)?;
        *place = head;
        Ok(())
    }

    fn write_sums(&self) -> io::Result<()> {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        for (group, sums) in (0..).zip(groups.iter()) {
            let Some(sums) = sums.get() else { continue };
            let Some(bytes) = sums.to_write() else {
                continue;
            };
            let offset = layout::sums_at(group).ok_or_else(unsupported)?;
            let written = self.outside.before(Operation::Write);
            let written = written.and_then(|()| self.file.write_all_at(&bytes, offset));
            if written.is_err() {
                sums.not_written();
                return written;
            }
        }
        Ok(())
    }
}

impl StorageBackend for Index {
    fn len(&self) -> io::Result<u64> {
        Ok(self.head().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.outside.before(Operation::Read)?;
        let (block, skipped) = (offset / BLOCK, offset % BLOCK);
        if skipped == 0 && out.len().is_multiple_of(BLOCK_BYTES) {
            return self.read_blocks(block, out);
        }
        // What covers it, in whole blocks.
        let skipped = usize::try_from(skipped).map_err(|_| unsupported())?;
        let mut blocks = vec![0; (skipped + out.len()).next_multiple_of(BLOCK_BYTES)];
        self.read_blocks(block, &mut blocks)?;
        let wanted = blocks.get(skipped..skipped + out.len());
        out.copy_from_slice(wanted.ok_or_else(unsupported)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.outside.before(Operation::Write)?;
        let file_len = layout::file_len(len).ok_or_else(unsupported)?;
        let mut head = self.head();
        if len < head.len && head.is_written() {
            // First the word that it is shorter, so that it is never shorter than it says.
            let mut shorter = head.clone();
            shorter.len = len;
            self.write_head(&mut head, shorter)?;
            self.outside.before(Operation::Sync)?;
            self.file.sync_data()?;
            self.outside.before(Operation::Write)?;
        }
        self.resize_groups(len);
        self.file.set_len(file_len)?;
        head.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let _syncing = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        self.write_sums()?;
        self.outside.before(Operation::Sync)?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.outside.before(Operation::Write)?;
        let (block, skipped) = (offset / BLOCK, offset % BLOCK);
        if block == 0 {
            let mut head = self.head();
            let written = head.with(offset, data)?;
            return self.write_head(&mut head, written);
        }
        let len = self.head().len;
        let fits = offset.saturating_add(data.len() as u64) <= len;
        if !fits || skipped > 0 || !data.len().is_multiple_of(BLOCK_BYTES) {
            return Err(unsupported());
        }
        self.write_blocks(block, data)
    }
}

/// How many bytes of `len` stand together, from `place` on.
fn run_len(place: Place, len: usize) -> usize {
    let left = GROUP_BLOCKS.saturating_sub(place.slot);
    len.min(left * BLOCK_BYTES)
}

fn changed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the index is not what was written",
    )
}

/// Not in the ways of redb.
fn unsupported() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "no such place in an index")
}

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use redb::StorageBackend;

use crate::cache::tier::disk::outside::{Operation, Outside};

/// The file of the index, through the checks of the tier.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) file: File,
    pub(super) outside: Arc<dyn Outside>,
}

impl StorageBackend for Index {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.outside.before(Operation::Read)?;
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.outside.before(Operation::Write)?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.outside.before(Operation::Sync)?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.outside.before(Operation::Write)?;
        self.file.write_all_at(data, offset)
    }
}

use std::io;

use super::{changed, layout::BLOCK_BYTES, sums::sum, unsupported};

/// The first block of the index: the only one that is written over in place.
///
/// Its sum stands beside it and is written with it, in one call that touches one sector, so that there
/// is no moment at which they do not fit each other.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    /// How long the index is at least.
    pub(super) len: u64,
    /// What was written of the block, from its start.
    content: Vec<u8>,
}

impl Head {
    /// What a file begins with, if that is what was written.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (known, rest) = bytes.split_first_chunk()?;
        let (magic, fields) = rest.split_first_chunk()?;
        let (len, fields) = fields.split_first_chunk()?;
        let (used, content) = fields.split_first_chunk()?;
        if *magic != MAGIC {
            return None;
        }
        let used = usize::try_from(u64::from_le_bytes(*used)).ok()?;
        let content = content.get(..used)?;
        let summed = rest.get(..FIXED - size_of::<u64>() + used)?;
        (u64::from_le_bytes(*known) == sum(0, summed)).then(|| Self {
            len: u64::from_le_bytes(*len),
            content: content.to_owned(),
        })
    }

    /// What the file has to begin with.
    pub(super) fn to_write(&self) -> Vec<u8> {
        let mut out = vec![0; size_of::<u64>()];
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&(self.content.len() as u64).to_le_bytes());
        out.extend_from_slice(&self.content);
        if let Some((place, summed)) = out.split_first_chunk_mut() {
            *place = sum(0, summed).to_le_bytes();
        }
        out
    }

    /// The same with something written over it.
    pub(super) fn with(&self, offset: u64, data: &[u8]) -> io::Result<Self> {
        let start = usize::try_from(offset).map_err(|_| unsupported())?;
        let end = start.saturating_add(data.len());
        if end > BLOCK_BYTES - FIXED {
            return Err(unsupported());
        }
        let mut content = self.content.clone();
        content.resize(content.len().max(end), 0);
        let place = content.get_mut(start..end).ok_or_else(changed)?;
        place.copy_from_slice(data);
        Ok(Self {
            len: self.len,
            content,
        })
    }

    pub(super) const fn is_written(&self) -> bool {
        !self.content.is_empty()
    }

    /// The block as it is read.
    pub(super) fn block(&self) -> [u8; BLOCK_BYTES] {
        let mut block = [0; BLOCK_BYTES];
        for (place, byte) in block.iter_mut().zip(&self.content) {
            *place = *byte;
        }
        block
    }
}

/// The sum, what kind of file it is, and two lengths.
const FIXED: usize = 4 * size_of::<u64>();
const MAGIC: [u8; 8] = *b"blossom2";

use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use super::layout::BLOCK_BYTES;
use crate::cache::fold::{fold, hash};

/// The sums of one group of blocks.
#[derive(Debug)]
pub(super) struct Sums {
    sums: Box<[AtomicU64]>,
    /// Not all of them stand in the file yet.
    changed: AtomicBool,
}

/// The sum of a block, which covers where it stands. Against accidents.
///
/// A multiplication for 16 bytes, in four lanes that do not wait for each other: it is made for every
/// block that is read.
pub(super) fn sum(block: u64, bytes: &[u8]) -> u64 {
    let seed = fold(block ^ SEEDS[0], SEEDS[1]);
    let mut lanes = SEEDS.map(|lane| lane ^ seed);
    let (chunks, rest) = bytes.as_chunks::<64>();
    for chunk in chunks {
        let pairs = chunk.as_chunks::<16>().0;
        for ((lane, secret), pair) in lanes.iter_mut().zip(SEEDS).zip(pairs) {
            let pair = u128::from_le_bytes(*pair);
            *lane = fold(low(pair) ^ *lane, low(pair >> 64) ^ secret);
        }
    }
    let [a, b, c, d] = lanes;
    // Zero is the sum of what was never written.
    hash(
        rest,
        fold(a, b ^ SEEDS[2]) ^ bytes.len() as u64,
        fold(c, d ^ SEEDS[3]),
    )
    .max(1)
}

#[expect(clippy::cast_possible_truncation, reason = "one half of it")]
const fn low(pair: u128) -> u64 {
    pair as u64
}

impl Sums {
    pub(super) fn read(bytes: &[u8; BLOCK_BYTES]) -> Self {
        let words = bytes.as_chunks::<8>().0.iter();
        Self {
            sums: words.map(|word| u64::from_le_bytes(*word).into()).collect(),
            changed: AtomicBool::new(false),
        }
    }

    fn from(&self, slot: usize) -> &[AtomicU64] {
        self.sums.get(slot..).unwrap_or_default()
    }

    /// Whether blocks are what was written. `first` is the number of the first, and `slot` its place.
    pub(super) fn are_of(&self, first: u64, slot: usize, blocks: &[u8]) -> bool {
        let (blocks, rest) = blocks.as_chunks::<BLOCK_BYTES>();
        let sums = self.from(slot);
        rest.is_empty()
            && blocks.len() <= sums.len()
            && (first..)
                .zip(blocks.iter().zip(sums))
                .all(|(number, (block, known))| known.load(Acquire) == sum(number, block))
    }

    /// Takes the sums of blocks that have been written.
    pub(super) fn take(&self, first: u64, slot: usize, blocks: &[u8]) {
        let blocks = blocks.as_chunks::<BLOCK_BYTES>().0;
        for (number, (block, known)) in (first..).zip(blocks.iter().zip(self.from(slot))) {
            known.store(sum(number, block), Release);
        }
        self.changed.store(true, Release);
    }

    /// Forgets the sums of so many blocks, which are about to be written: nobody knows what they are
    /// if that fails.
    pub(super) fn forget(&self, slot: usize, blocks: usize) {
        for known in self.from(slot).iter().take(blocks) {
            known.store(0, Release);
        }
    }

    /// What to write, if there is anything new.
    pub(super) fn to_write(&self) -> Option<Vec<u8>> {
        // Before they are read: what changes from here on is written the next time.
        self.changed.swap(false, AcqRel).then(|| {
            let sums = self.sums.iter();
            sums.flat_map(|sum| sum.load(Relaxed).to_le_bytes())
                .collect()
        })
    }

    /// They could not be written.
    pub(super) fn not_written(&self) {
        self.changed.store(true, Release);
    }
}

// Of pi, after those of records. Part of the format.
const SEEDS: [u64; 4] = [
    0xa409_3822_299f_31d0,
    0x082e_fa98_ec4e_6c89,
    0x4528_21e6_38d0_1377,
    0xbe54_66cf_34e9_0c6c,
];

use std::os::unix::fs::FileExt;

use super::*;
use crate::cache::tier::disk::outside::Real;

/// Numbers that look like chance, the same each time.
fn random(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) % below
    }
}

fn open(file: &File) -> io::Result<Index> {
    Index::open(file.try_clone().unwrap(), Arc::new(Real))
}

fn blocks(random: &mut impl FnMut(u64) -> u64, count: u64) -> Vec<u8> {
    let words = (0..count * BLOCK / 8).flat_map(|_| random(u64::MAX).to_le_bytes());
    words.collect()
}

fn read(index: &Index, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut out = vec![0; len];
    index.read(offset, &mut out).map(|()| out)
}

/// A file with an index of 600 blocks, of which those from 1 are written.
fn written(seed: u64) -> (File, Vec<u8>) {
    let file = tempfile::tempfile().unwrap();
    let index = open(&file).unwrap();
    let content = blocks(&mut random(seed), 600);
    let (head, rest) = content.split_at(BLOCK_BYTES);
    index.set_len(600 * BLOCK).unwrap();
    index.write(0, &head[..320]).unwrap();
    index.write(BLOCK, rest).unwrap();
    index.sync_data().unwrap();
    (file, content)
}

#[test]
fn it_is_a_file_in_which_what_was_written_is_read() {
    let mut random = random(1);
    let file = tempfile::tempfile().unwrap();
    let mut index = open(&file).unwrap();
    let mut model = Vec::new();
    let mut known = Vec::new();
    for _ in 0..2000 {
        let len = known.len() as u64;
        match random(20) {
            0 => {
                let blocks = 2 + random(1500);
                index.set_len(blocks * BLOCK).unwrap();
                let blocks = usize::try_from(blocks).unwrap();
                model.resize(blocks * BLOCK_BYTES, 0);
                known.resize(blocks, false);
            }
            1 => {
                index.sync_data().unwrap();
                index = open(&file).unwrap();
            }
            2..8 if len > 0 => {
                let data = blocks(&mut random, 1);
                let used = usize::try_from(320 + random(100)).unwrap();
                index.write(0, &data[..used]).unwrap();
                model[..used].copy_from_slice(&data[..used]);
                known[0] = true;
            }
            8..14 if len > 1 => {
                let first = 1 + random(len - 1);
                let count = (1 + random(8)).min(len - first);
                let data = blocks(&mut random, count);
                index.write(first * BLOCK, &data).unwrap();
                let first = usize::try_from(first).unwrap();
                model[first * BLOCK_BYTES..][..data.len()].copy_from_slice(&data);
                known[first..][..data.len() / BLOCK_BYTES].fill(true);
            }
            _ if len > 0 => {
                let start = usize::try_from(random(len * BLOCK)).unwrap();
                let count = usize::try_from(random(20_000)).unwrap();
                let count = count.min(model.len() - start);
                let all_known = known[start / BLOCK_BYTES..(start + count).div_ceil(BLOCK_BYTES)]
                    .iter()
                    .all(|known| *known);
                match read(&index, start as u64, count) {
                    Ok(read) => assert_eq!(read, model[start..start + count]),
                    // What was never written cannot be read.
                    Err(error) => {
                        assert!(!all_known);
                        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                    }
                }
            }
            _ => {}
        }
        assert_eq!(StorageBackend::len(&index).unwrap(), model.len() as u64);
    }
    assert!(known.iter().filter(|known| **known).count() > 100);
}

#[test]
fn c2_a_bit_that_flips_anywhere_is_noticed() {
    let (file, content) = written(2);
    let mut random = random(3);
    let len = file.metadata().unwrap().len();
    // The head, of which all is looked at, and places everywhere.
    let head = (0..352 * 8).map(|bit| (bit / 8, bit % 8));
    let others: Vec<_> = (0..200).map(|_| (random(len), random(8))).collect();
    let mut noticed = 0;
    for (offset, bit) in head.chain(others) {
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).unwrap();
        file.write_all_at(&[byte[0] ^ 1 << bit], offset).unwrap();
        match open(&file).and_then(|index| read(&index, 0, content.len())) {
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                noticed += 1;
            }
            // Of the head that nothing was written to, or of sums for blocks that are not there.
            Ok(read) => assert!(read[BLOCK_BYTES..] == content[BLOCK_BYTES..] && offset >= 352),
        }
        file.write_all_at(&byte, offset).unwrap();
    }
    assert!(noticed > 352 * 8 + 190, "{noticed}");
}

#[test]
fn c2_blocks_in_each_others_place_and_files_that_are_cut_are_noticed() {
    let (file, content) = written(4);
    let block = |number| layout::place(number).unwrap().offset;
    let whole = |file: &File| open(file).and_then(|index| read(&index, 0, content.len()));
    assert!(whole(&file).is_ok());

    let (mut one, mut other) = ([0; BLOCK_BYTES], [0; BLOCK_BYTES]);
    file.read_exact_at(&mut one, block(7)).unwrap();
    file.read_exact_at(&mut other, block(555)).unwrap();
    for (seventh, last) in [
        (other, one),
        (one, one),
        (other, other),
        ([0; BLOCK_BYTES], other),
    ] {
        file.write_all_at(&seventh, block(7)).unwrap();
        file.write_all_at(&last, block(555)).unwrap();
        assert_eq!(whole(&file).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
    file.write_all_at(&one, block(7)).unwrap();
    assert!(whole(&file).is_ok());

    let len = file.metadata().unwrap().len();
    for cut in [len - 1, len - BLOCK, BLOCK, 100] {
        file.set_len(cut).unwrap();
        assert_eq!(open(&file).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}

#[test]
fn zeros_are_no_block_even_where_their_sum_is_zero_as_well() {
    let (file, _) = written(5);
    let group = layout::sums_at(0).unwrap();
    file.write_all_at(&vec![0; 20 * BLOCK_BYTES], group)
        .unwrap();
    let index = open(&file).unwrap();
    assert!(read(&index, BLOCK, BLOCK_BYTES).is_err());
    assert!(read(&index, 30 * BLOCK, BLOCK_BYTES).is_err());
    // One that is written again is a block again.
    index.write(BLOCK, &[7; BLOCK_BYTES]).unwrap();
    assert_eq!(read(&index, BLOCK, BLOCK_BYTES).unwrap(), [7; BLOCK_BYTES]);
}

#[test]
fn places_that_no_index_has_are_errors() {
    let (file, _) = written(6);
    let index = open(&file).unwrap();
    assert!(read(&index, 600 * BLOCK, BLOCK_BYTES).is_err());
    assert!(read(&index, u64::MAX - 5, 3).is_err());
    assert!(index.write(BLOCK + 1, &[0; BLOCK_BYTES]).is_err());
    assert!(index.write(600 * BLOCK, &[0; BLOCK_BYTES]).is_err());
    assert!(index.write(4000, &[0; 96]).is_err());
    assert!(index.set_len(BLOCK + 1).is_err());
}

/// Writes down what is done with the file.
#[derive(Debug, Default)]
struct Recorder(Mutex<Vec<Operation>>);

impl Outside for Recorder {
    fn before(&self, operation: Operation) -> io::Result<()> {
        self.0.lock().unwrap().push(operation);
        Ok(())
    }
}

#[test]
fn sums_are_written_before_what_is_synced_and_only_if_they_have_changed() {
    use Operation::{Sync, Write};
    let (file, _) = written(7);
    let outside = Arc::<Recorder>::default();
    let index = Index::open(file, outside.clone()).unwrap();
    let recorded = || std::mem::take(&mut *outside.0.lock().unwrap());
    recorded();

    index.write(BLOCK, &[7; 2 * BLOCK_BYTES]).unwrap();
    index.write(550 * BLOCK, &[8; BLOCK_BYTES]).unwrap();
    index.sync_data().unwrap();
    // Two blocks, one block, the sums of two groups.
    assert_eq!(recorded(), [Write, Write, Write, Write, Sync]);

    index.write(0, &[9; 320]).unwrap();
    index.sync_data().unwrap();
    assert_eq!(recorded(), [Write, Sync]);

    // Shorter: the word of it first, and synced.
    index.set_len(500 * BLOCK).unwrap();
    assert_eq!(recorded(), [Write, Sync, Write]);
}

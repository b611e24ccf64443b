//! Where the blocks of the index stand in its file.

/// Where a block stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The group that it belongs to, and its number there.
    pub(super) group: usize,
    pub(super) slot: usize,
    /// Where it begins in the file.
    pub(super) offset: u64,
}

/// Where a block stands that is not the first: that one is the head.
pub(super) fn place(block: u64) -> Option<Place> {
    let before = block.checked_sub(1)?;
    let (group, slot) = (before / GROUP, before % GROUP);
    Some(Place {
        group: usize::try_from(group).ok()?,
        slot: usize::try_from(slot).ok()?,
        offset: sums_at(group)?.checked_add((1 + slot).checked_mul(BLOCK)?)?,
    })
}

/// Where the sums of a group stand: in front of its blocks.
pub(super) fn sums_at(group: u64) -> Option<u64> {
    group
        .checked_mul(1 + GROUP)?
        .checked_add(1)?
        .checked_mul(BLOCK)
}

/// How many groups there are in an index of `len` bytes.
pub(super) const fn groups(len: u64) -> u64 {
    (len / BLOCK).saturating_sub(1).div_ceil(GROUP)
}

/// How long the file is for an index of `len` bytes; `None` if that is no whole number of blocks.
pub(super) fn file_len(len: u64) -> Option<u64> {
    let whole = len.is_multiple_of(BLOCK);
    whole
        .then(|| len.checked_add(groups(len) * BLOCK))
        .flatten()
}

/// How long the index is in a file of `file_len` bytes; `None` if no index has such a file.
pub(super) fn index_len(file_len: u64) -> Option<u64> {
    let groups = (file_len / BLOCK).saturating_sub(1).div_ceil(1 + GROUP);
    let len = file_len.checked_sub(groups * BLOCK)?;
    (self::file_len(len)? == file_len).then_some(len)
}

pub(super) const BLOCK_BYTES: usize = 4096;
pub(super) const BLOCK: u64 = BLOCK_BYTES as u64;
/// So many sums fill a block.
pub(super) const GROUP_BLOCKS: usize = BLOCK_BYTES / size_of::<u64>();
const GROUP: u64 = GROUP_BLOCKS as u64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_block_has_a_place_of_its_own_within_the_file() {
        let mut next = BLOCK;
        for block in 1..5 * GROUP {
            let place = place(block).unwrap();
            if place.slot == 0 {
                assert_eq!(sums_at(place.group as u64), Some(next));
                next += BLOCK;
            }
            assert_eq!(place.offset, next);
            next += BLOCK;
            assert_eq!(file_len((block + 1) * BLOCK), Some(next));
        }
        assert_eq!(place(0), None);
    }

    #[test]
    fn the_length_of_a_file_says_the_length_of_the_index() {
        let mut found = 0;
        for blocks in 0..3 * GROUP {
            let len = index_len(blocks * BLOCK);
            if let Some(len) = len {
                assert_eq!((len, file_len(len)), (found * BLOCK, Some(blocks * BLOCK)));
                found += 1;
            }
            assert_eq!(index_len(blocks * BLOCK + 1), None);
        }
        // All but those that end in sums without a block.
        assert_eq!(found, 3 * GROUP - 3);
    }

    #[test]
    fn what_is_too_large_has_no_place() {
        assert_eq!(place(u64::MAX), None);
        assert_eq!(file_len(u64::MAX / BLOCK * BLOCK), None);
        assert_eq!(index_len(u64::MAX), None);
    }
}

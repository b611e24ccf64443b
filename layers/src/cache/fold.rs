//! A fast hash, for places in a table and against accidents: nobody's identity hangs on it.

/// The hash of `bytes` under two secrets: 16 bytes by one multiplication, in two lanes.
pub(super) fn hash(bytes: &[u8], one: u64, two: u64) -> u64 {
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let (mut left, mut right) = (one ^ bytes.len() as u64, two);
    let mut rest = bytes;
    while let Some((block, after)) = rest.split_first_chunk::<32>() {
        if let [a, b, c, d] = block.as_chunks::<8>().0 {
            left = fold(word(a) ^ left, word(b) ^ one);
            right = fold(word(c) ^ right, word(d) ^ two);
        }
        rest = after;
    }
    let (words, end) = rest.as_chunks::<8>();
    for bytes in words {
        left = fold(word(bytes) ^ left, one);
    }
    let end = end
        .iter()
        .fold(0, |word, byte| word << 8 | u64::from(*byte));
    fold(left ^ end, right ^ one)
}

/// As [`hash`], for texts that are longer: in four lanes, which do not wait for each other.
pub(super) fn hash_long(bytes: &[u8], one: u64, two: u64) -> u64 {
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let secrets = [one, two, one.rotate_left(32), two.rotate_left(32)];
    let mut lanes = secrets;
    let (blocks, rest) = bytes.as_chunks::<64>();
    for block in blocks {
        let pairs = block.as_chunks::<16>().0;
        for ((lane, secret), pair) in lanes.iter_mut().zip(secrets).zip(pairs) {
            if let [first, second] = pair.as_chunks::<8>().0 {
                *lane = fold(word(first) ^ *lane, word(second) ^ secret);
            }
        }
    }
    let [a, b, c, d] = lanes;
    hash(
        rest,
        fold(a, b ^ one) ^ bytes.len() as u64,
        fold(c, d ^ two),
    )
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the two halves of a product"
)]
pub(super) const fn fold(one: u64, other: u64) -> u64 {
    let product = one as u128 * other as u128;
    product as u64 ^ (product >> 64) as u64
}

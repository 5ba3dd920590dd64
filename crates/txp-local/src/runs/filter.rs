//! A split-block Bloom filter (the construction of the Parquet format) over key hashes.
//!
//! A probe touches one block of 32 bytes. One filter covers the keys of one page, which are neighbours and so share the
//! top bits of their hashes: hence the hash is mixed once more before it picks a block.

/// Bits of filter per key: about one false positive in 200.
const BITS_PER_KEY: usize = 12;

const BLOCK_BITS: usize = 256;

/// Eight words with one bit each per key.
pub(super) type FilterBlock = [u32; 8];

/// The odd multipliers of the Parquet specification.
const SALTS: FilterBlock = [
    0x47b6_137b,
    0x4497_4d91,
    0x8824_ad5b,
    0xa2b7_289d,
    0x7054_95c7,
    0x2df1_424b,
    0x9efc_4947,
    0x5c6b_fb31,
];

/// Fills `blocks` with the filter of `hashes`.
pub(super) fn build(hashes: &[u64], blocks: &mut Vec<FilterBlock>) {
    blocks.clear();
    blocks.resize(
        (hashes.len() * BITS_PER_KEY).div_ceil(BLOCK_BITS).max(1),
        [0; 8],
    );
    for &hash in hashes {
        let (index, mask) = place(hash, blocks.len());
        if let Some(block) = blocks.get_mut(index) {
            for (word, bits) in block.iter_mut().zip(mask) {
                *word |= bits;
            }
        }
    }
}

/// Whether `hash` may be among the keys; `false` is certain.
#[inline]
pub(super) fn may_contain(blocks: &[FilterBlock], hash: u64) -> bool {
    let (index, mask) = place(hash, blocks.len());
    let Some(block) = blocks.get(index) else {
        return true;
    };
    let missing = block
        .iter()
        .zip(mask)
        .fold(0, |missing, (word, bits)| missing | (!word & bits));
    missing == 0
}

/// Something of the block that [`may_contain`] will ask.
#[inline]
pub(super) fn peek(blocks: &[FilterBlock], hash: u64) -> u32 {
    let (index, _) = place(hash, blocks.len());
    blocks.get(index).map_or(0, |[first, ..]| *first)
}

#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the halves of a hash are taken, and the product's top half is below `blocks`"
)]
fn place(hash: u64, blocks: usize) -> (usize, FilterBlock) {
    let mixed = mix(hash);
    let index = ((mixed >> 32) * blocks as u64) >> 32;
    let low = mixed as u32;
    (
        index as usize,
        SALTS.map(|salt| 1 << (low.wrapping_mul(salt) >> 27)),
    )
}

/// Spreads every bit of the hash over all bits (the finaliser of MurmurHash3).
#[inline]
pub(super) const fn mix(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys of one page lie in a narrow range of hashes, as in a run of 1e7 keys.
    fn page_hash(index: u64) -> u64 {
        (0x1234 << 48) | (mix(index) >> 12)
    }

    #[test]
    fn every_key_is_found_and_false_positives_stay_under_one_in_a_hundred() {
        let keys: Vec<u64> = (0..2_720).map(page_hash).collect();
        let mut blocks = Vec::new();
        build(&keys, &mut blocks);
        assert!(keys.iter().all(|&key| may_contain(&blocks, key)));
        let probes = 100_000;
        let wrong = (10_000..10_000 + probes)
            .filter(|&i| may_contain(&blocks, page_hash(i)))
            .count();
        assert!(wrong < 1_000, "{wrong} false positives in {probes}");
        assert!(
            wrong > 100,
            "{wrong} false positives are too few to be true: the probes must be like the keys"
        );
    }

    #[test]
    fn an_empty_filter_contains_nothing() {
        let mut blocks = Vec::new();
        build(&[], &mut blocks);
        assert!(!may_contain(&blocks, 0) && !may_contain(&blocks, u64::MAX));
    }
}

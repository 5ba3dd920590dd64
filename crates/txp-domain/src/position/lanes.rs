//! The buckets of many partition keys at once.
//!
//! One MD5 is a chain of 64 steps, each waiting for the one before: a key by itself leaves most of a
//! processor idle. Keys of one block (all but the longest ids) go through the chain side by side, in
//! plain loops over arrays that the compiler turns into vector instructions. RFC 1321 is the
//! reference, the `md-5` crate the oracle of the test, and what a longer key is hashed by.

use super::Bucket;

/// How many keys are hashed side by side: with fewer the compiler unrolls before it makes vectors,
/// and one key takes as long as by itself.
pub const BUCKET_LANES: usize = 32;

/// One word of each lane.
type Words = [u32; BUCKET_LANES];

/// The bytes and words of a block of MD5.
const BLOCK_BYTES: usize = 64;
const BLOCK_WORDS: usize = 16;

/// The longest key that fits one block with the padding: a bit, and the length in 8 bytes.
const KEY_BYTES_MAX: usize = BLOCK_BYTES - 1 - 8;

/// The initial state (RFC 1321, 3.3).
const INITIAL: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// The buckets of keys, each as [`Bucket::of`] gives it.
#[must_use]
pub fn buckets_of(keys: &[&[u8]; BUCKET_LANES]) -> [Bucket; BUCKET_LANES] {
    let mut blocks = [[0_u32; BUCKET_LANES]; BLOCK_WORDS];
    for (lane, key) in keys.iter().enumerate() {
        for (word, of_lanes) in padded(key).iter().zip(&mut blocks) {
            if let Some(place) = of_lanes.get_mut(lane) {
                *place = *word;
            }
        }
    }
    let mut buckets = top_bytes(&blocks).map(Bucket);
    for (bucket, key) in buckets.iter_mut().zip(keys) {
        if key.len() > KEY_BYTES_MAX {
            *bucket = Bucket::of(key);
        }
    }
    buckets
}

/// The one block of a short key; of a longer one, nothing of use.
#[inline(always)]
fn padded(key: &[u8]) -> [u32; BLOCK_WORDS] {
    let mut block = [0_u8; BLOCK_BYTES];
    let length = key.len().min(KEY_BYTES_MAX);
    if let (Some(start), Some(key)) = (block.get_mut(..length), key.get(..length)) {
        start.copy_from_slice(key);
    }
    if let Some(behind) = block.get_mut(length) {
        *behind = 0x80;
    }
    let mut words = [0; BLOCK_WORDS];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    // The length in bits; its upper word stays 0.
    let [.., bits, _] = &mut words;
    *bits = (length * 8) as u32;
    words
}

/// The four functions of RFC 1321, 3.4, the first two in a form with one operation less.
#[inline(always)]
fn first(b: u32, c: u32, d: u32) -> u32 {
    d ^ (b & (c ^ d))
}

#[inline(always)]
fn second(b: u32, c: u32, d: u32) -> u32 {
    c ^ (d & (b ^ c))
}

#[inline(always)]
fn third(b: u32, c: u32, d: u32) -> u32 {
    b ^ c ^ d
}

#[inline(always)]
fn fourth(b: u32, c: u32, d: u32) -> u32 {
    c ^ (b | !d)
}

/// One step in every lane: `a = b + ((a + f(b, c, d) + word + constant) <<< shift)`.
#[inline(always)]
fn step(
    f: impl Fn(u32, u32, u32) -> u32,
    [a, b, c, d]: [&Words; 4],
    words: &Words,
    constant: u32,
    shift: u32,
) -> Words {
    let mut out = [0; BUCKET_LANES];
    let lanes = out.iter_mut().zip(a).zip(b).zip(c).zip(d).zip(words);
    for (((((out, a), b), c), d), word) in lanes {
        let sum = a
            .wrapping_add(f(*b, *c, *d))
            .wrapping_add(*word)
            .wrapping_add(constant);
        *out = b.wrapping_add(sum.rotate_left(shift));
    }
    out
}

/// Four steps: which word of the block each takes, and its constant.
type Four = [(usize, u32); 4];

/// A round: its function in four times four steps, after each of which every part of the state has
/// been changed once.
macro_rules! round {
    ($state:ident, $blocks:ident, $f:ident, $shifts:expr, $steps:ident) => {
        let [s0, s1, s2, s3] = $shifts;
        round!(@four $state, $blocks, $f, s0 s1 s2 s3, $steps, 0);
        round!(@four $state, $blocks, $f, s0 s1 s2 s3, $steps, 1);
        round!(@four $state, $blocks, $f, s0 s1 s2 s3, $steps, 2);
        round!(@four $state, $blocks, $f, s0 s1 s2 s3, $steps, 3);
    };
    (@four $state:ident, $blocks:ident, $f:ident, $s0:ident $s1:ident $s2:ident $s3:ident, $steps:ident, $at:literal) => {
        let [a, b, c, d] = $state;
        let [(w0, k0), (w1, k1), (w2, k2), (w3, k3)] = const { $steps[$at] };
        let a = step($f, [&a, &b, &c, &d], &$blocks[w0], k0, $s0);
        let d = step($f, [&d, &a, &b, &c], &$blocks[w1], k1, $s1);
        let c = step($f, [&c, &d, &a, &b], &$blocks[w2], k2, $s2);
        let b = step($f, [&b, &c, &d, &a], &$blocks[w3], k3, $s3);
        let $state = [a, b, c, d];
    };
}

#[rustfmt::skip]
const FIRST: [Four; 4] = [
    [(0, 0xd76a_a478), (1, 0xe8c7_b756), (2, 0x2420_70db), (3, 0xc1bd_ceee)],
    [(4, 0xf57c_0faf), (5, 0x4787_c62a), (6, 0xa830_4613), (7, 0xfd46_9501)],
    [(8, 0x6980_98d8), (9, 0x8b44_f7af), (10, 0xffff_5bb1), (11, 0x895c_d7be)],
    [(12, 0x6b90_1122), (13, 0xfd98_7193), (14, 0xa679_438e), (15, 0x49b4_0821)],
];

#[rustfmt::skip]
const SECOND: [Four; 4] = [
    [(1, 0xf61e_2562), (6, 0xc040_b340), (11, 0x265e_5a51), (0, 0xe9b6_c7aa)],
    [(5, 0xd62f_105d), (10, 0x0244_1453), (15, 0xd8a1_e681), (4, 0xe7d3_fbc8)],
    [(9, 0x21e1_cde6), (14, 0xc337_07d6), (3, 0xf4d5_0d87), (8, 0x455a_14ed)],
    [(13, 0xa9e3_e905), (2, 0xfcef_a3f8), (7, 0x676f_02d9), (12, 0x8d2a_4c8a)],
];

#[rustfmt::skip]
const THIRD: [Four; 4] = [
    [(5, 0xfffa_3942), (8, 0x8771_f681), (11, 0x6d9d_6122), (14, 0xfde5_380c)],
    [(1, 0xa4be_ea44), (4, 0x4bde_cfa9), (7, 0xf6bb_4b60), (10, 0xbebf_bc70)],
    [(13, 0x289b_7ec6), (0, 0xeaa1_27fa), (3, 0xd4ef_3085), (6, 0x0488_1d05)],
    [(9, 0xd9d4_d039), (12, 0xe6db_99e5), (15, 0x1fa2_7cf8), (2, 0xc4ac_5665)],
];

#[rustfmt::skip]
const FOURTH: [Four; 4] = [
    [(0, 0xf429_2244), (7, 0x432a_ff97), (14, 0xab94_23a7), (5, 0xfc93_a039)],
    [(12, 0x655b_59c3), (3, 0x8f0c_cc92), (10, 0xffef_f47d), (1, 0x8584_5dd1)],
    [(8, 0x6fa8_7e4f), (15, 0xfe2c_e6e0), (6, 0xa301_4314), (13, 0x4e08_11a1)],
    [(4, 0xf753_7e82), (11, 0xbd3a_f235), (2, 0x2ad7_d2bb), (9, 0xeb86_d391)],
];

/// The first byte of the MD5 of each lane's block.
///
/// All 64 steps are written out: rolled up into loops they took a third longer.
#[inline(never)]
fn top_bytes(blocks: &[Words; BLOCK_WORDS]) -> [u8; BUCKET_LANES] {
    let state = INITIAL.map(|word| [word; BUCKET_LANES]);
    round!(state, blocks, first, [7, 12, 17, 22], FIRST);
    round!(state, blocks, second, [5, 9, 14, 20], SECOND);
    round!(state, blocks, third, [4, 11, 16, 23], THIRD);
    round!(state, blocks, fourth, [6, 10, 15, 21], FOURTH);
    let ([a, _, _, _], [initial, _, _, _]) = (state, INITIAL);
    // The digest begins with the lowest byte of the first word.
    a.map(|a| a.wrapping_add(initial) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_lane_is_what_the_md5_crate_says(
            keys in prop::array::uniform32(prop::collection::vec(any::<u8>(), 0..140)),
        ) {
            let texts = keys.each_ref().map(Vec::as_slice);
            prop_assert_eq!(buckets_of(&texts), texts.map(Bucket::of));
        }

        #[test]
        fn keys_of_rows_too(
            keys in prop::array::uniform32("[A-Za-z0-9_.:-]{1,20}/[A-Za-z0-9_.:-]{1,40}"),
        ) {
            let texts = keys.each_ref().map(String::as_bytes);
            prop_assert_eq!(buckets_of(&texts), texts.map(Bucket::of));
        }
    }

    #[test]
    fn every_length_around_a_block() {
        let long = [0x61; 2 * BLOCK_BYTES];
        for length in 0..long.len() {
            let key = &long[..length];
            assert_eq!(
                buckets_of(&[key; BUCKET_LANES]),
                [Bucket::of(key); BUCKET_LANES],
                "{length}"
            );
        }
    }
}

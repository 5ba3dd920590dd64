//! Finds the bytes that a CSV reader has to look at: delimiter, quote, CR and LF.
//!
//! 64 bytes become one 64-bit mask. The comparisons are plain loops over arrays that the compiler
//! turns into vector instructions; the mask is gathered eight bytes at a time by a multiplication.
//! Deliberately absent: intrinsics and run-time dispatch, since the workspace forbids `unsafe`.

/// How many bytes one mask covers.
pub(crate) const BLOCK_BYTES: usize = 64;

/// Multiplying eight bytes of 0 or 1 by this gathers them in the top byte, first byte lowest.
const GATHER: u64 = 0x0102_0408_1020_4080;

/// The high bit of each of eight bytes: set in any byte that is not ASCII.
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// What is known of one block.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks {
    /// Bit `i` is set if byte `i` is the delimiter, a quote, CR or LF.
    pub(crate) special: u64,
    /// Whether some byte of the block is not ASCII.
    pub(crate) non_ascii: bool,
}

/// Marks one full block.
#[inline]
pub(crate) fn mark(block: &[u8; BLOCK_BYTES], delimiter: u8) -> Marks {
    let mut hits = [0u8; BLOCK_BYTES];
    for (hit, &byte) in hits.iter_mut().zip(block) {
        let control = u8::from(byte == b'\n') | u8::from(byte == b'\r');
        *hit = control | u8::from(byte == delimiter) | u8::from(byte == b'"');
    }
    let (words, _) = hits.as_chunks::<8>();
    let mut special = 0;
    for (place, word) in words.iter().enumerate() {
        let gathered = u64::from_le_bytes(*word).wrapping_mul(GATHER) >> 56;
        special |= gathered << (place * 8);
    }
    let (words, _) = block.as_chunks::<8>();
    let all = words
        .iter()
        .fold(0, |all, word| all | u64::from_le_bytes(*word));
    Marks {
        special,
        non_ascii: all & HIGH_BITS != 0,
    }
}

/// Marks a block that may be shorter than [`BLOCK_BYTES`], the last of a window.
#[inline]
pub(crate) fn mark_some(bytes: &[u8], delimiter: u8) -> Marks {
    if let Some(block) = bytes.first_chunk() {
        return mark(block, delimiter);
    }
    let mut block = [0; BLOCK_BYTES];
    for (to, from) in block.iter_mut().zip(bytes) {
        *to = *from;
    }
    mark(&block, delimiter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn marks_are_what_a_plain_loop_finds(
            bytes in prop::collection::vec(
                prop_oneof![any::<u8>(), prop::sample::select(&b",;\t|\"\r\n"[..])],
                0..=BLOCK_BYTES,
            ),
            delimiter in prop::sample::select(&b",;\t|"[..]),
        ) {
            let marks = mark_some(&bytes, delimiter);
            for place in 0..BLOCK_BYTES {
                let special = bytes.get(place).is_some_and(|byte| {
                    *byte == delimiter || matches!(byte, b'"' | b'\r' | b'\n')
                });
                prop_assert_eq!(marks.special >> place & 1 == 1, special);
            }
            prop_assert_eq!(marks.non_ascii, !bytes.is_ascii());
        }
    }
}

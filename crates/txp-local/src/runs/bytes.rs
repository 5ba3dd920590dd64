//! Little-endian reads from byte slices that answer `None` instead of panicking.

use std::ops::Range;

/// The `u16` at `at`.
#[inline]
pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The `u32` at `at`.
#[inline]
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The `u64` at `at`.
#[inline]
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The bytes of `range`, or none at all: for ranges that the engine made itself.
#[inline]
pub(super) fn slice(bytes: &[u8], range: Range<usize>) -> &[u8] {
    bytes.get(range).unwrap_or_default()
}

/// A length as it stands in a file. Lengths are bounded far below `u32::MAX` where they come in.
#[inline]
pub(super) fn len_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// A `u32` of a file as a length in memory.
#[inline]
pub(super) const fn as_len(length: u32) -> usize {
    length as usize
}

/// Seals `sealed[from..]` with its checksum, seeded with its place in the file: a block read from elsewhere is damage too.
pub(super) fn seal(sealed: &mut Vec<u8>, from: usize, file_offset: u64) {
    let checksum = checksum(sealed.get(from..).unwrap_or_default(), file_offset);
    sealed.extend_from_slice(&checksum.to_le_bytes());
}

/// The payload of sealed bytes if the checksum at their end is right.
pub(super) fn unseal(sealed: &[u8], file_offset: u64) -> Option<&[u8]> {
    let (payload, stored) = sealed.split_last_chunk::<SEAL_BYTES>()?;
    (checksum(payload, file_offset) == u32::from_le_bytes(*stored)).then_some(payload)
}

/// Bytes that a seal adds.
pub(super) const SEAL_BYTES: usize = 4;

fn checksum(payload: &[u8], file_offset: u64) -> u32 {
    let seed = crc32c::crc32c(&file_offset.to_le_bytes());
    crc32c::crc32c_append(seed, payload)
}

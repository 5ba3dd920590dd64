//! The SHA-256 of a file while it is read: can be put away in the middle and taken up again.

use sha2::digest::common::hazmat::SerializableState;
use sha2::{Digest, Sha256};

/// The bytes of a digest that is put away: what `sha2` writes of its chaining value and of the
/// number of blocks that are in it.
pub const DIGEST_STATE_BYTES: usize = 40;

/// What SHA-256 takes in at once.
const BLOCK_BYTES: u64 = 64;

/// What `sha2` writes of a block that is not full: its length, and room for its bytes.
const OPEN_BLOCK_BYTES: usize = 64;

/// The SHA-256 and number of the bytes of a file, as far as it has been read.
#[derive(Clone, Debug, Default)]
pub struct FileDigest {
    hash: Sha256,
    bytes: u64,
}

impl FileDigest {
    /// Nothing read yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// Adds what is new of the bytes at an offset that is not behind the last one added.
    pub(super) fn update_at(&mut self, offset: u64, bytes: &[u8]) {
        let known = self.bytes.saturating_sub(offset);
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        self.update(bytes.get(known..).unwrap_or_default());
    }

    /// How many bytes there were.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The SHA-256 of them.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }

    /// What [`Self::restore`] takes: the digest as it was at the last whole block. The bytes of an
    /// open block may be those of a card number, so they are not put away but read again.
    #[must_use]
    pub fn state(&self) -> [u8; DIGEST_STATE_BYTES] {
        let whole = self.hash.serialize();
        whole.first_chunk().copied().unwrap_or([0; _])
    }

    /// The digest that was put away, of at most [`BLOCK_BYTES`] - 1 bytes less; `None` if these
    /// bytes are none.
    #[must_use]
    pub fn restore(state: &[u8]) -> Option<Self> {
        let state: &[u8; DIGEST_STATE_BYTES] = state.try_into().ok()?;
        let (_, blocks) = state.split_last_chunk::<{ size_of::<u64>() }>()?;
        let bytes = u64::from_le_bytes(*blocks).checked_mul(BLOCK_BYTES)?;
        let mut whole = [0; DIGEST_STATE_BYTES + OPEN_BLOCK_BYTES];
        for (to, from) in whole.iter_mut().zip(state) {
            *to = *from;
        }
        let hash = Sha256::deserialize(&whole.into()).ok()?;
        Some(Self { hash, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_digest_goes_on_where_it_was_put_away(
            bytes in prop::collection::vec(any::<u8>(), 0..1000),
            cut: usize,
            again: usize,
        ) {
            let cut = cut % (bytes.len() + 1);
            let mut first = FileDigest::new();
            first.update(&bytes[..cut]);
            let mut second = FileDigest::restore(&first.state()).unwrap();
            prop_assert_eq!(second.bytes(), cut as u64 / BLOCK_BYTES * BLOCK_BYTES);
            // The next reader begins before what was read ahead.
            let from = second.bytes() as usize;
            let from = from - again % (from + 1);
            second.update_at(from as u64, &bytes[from..]);
            prop_assert_eq!(second.bytes(), bytes.len() as u64);
            prop_assert_eq!(second.sha256(), <[u8; 32]>::from(Sha256::digest(&bytes)));
        }

        #[test]
        fn what_is_put_away_holds_no_byte_of_the_file(open in "[0-9]{1,63}") {
            let mut digest = FileDigest::new();
            digest.update(open.as_bytes());
            prop_assert_eq!(digest.state(), FileDigest::new().state());
        }

        #[test]
        fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _restored = FileDigest::restore(&bytes);
        }
    }
}

//! The order in which uploads are listed: of one client, or of all, newest first.
//!
//! A listed upload has an entry for its client and one for all. The entry's hash is the client's,
//! then the time counted down: a page begins where its hash says, and ends where it is full,
//! however many uploads there are.

use txp_domain::id::{UPLOAD_ID_LETTERS, UploadId};
use xxhash_rust::xxh3::xxh3_64;

/// Bits of the time in a hash: seconds, until the year 2106; later ones share the last place.
const TIME_BITS: u32 = 32;

/// The list of a client, or of all.
#[derive(Clone, Copy, Debug)]
pub(super) struct UploadOrder<'a> {
    client_id: &'a str,
    client_bits: u64,
}

impl<'a> UploadOrder<'a> {
    /// Of this client, or of all: no client has an empty name.
    pub(super) fn of(client_id: Option<&'a str>) -> Self {
        let client_id = client_id.unwrap_or_default();
        Self {
            client_id,
            client_bits: xxh3_64(client_id.as_bytes()) >> TIME_BITS << TIME_BITS,
        }
    }

    /// The hash of an upload's entry; the key is added to `key`.
    pub(super) fn entry(self, upload_id: UploadId, key: &mut Vec<u8>) -> u64 {
        key.extend_from_slice(self.client_id.as_bytes());
        key.push(0);
        key.extend(upload_id.as_bytes().iter().map(|letter| !letter));
        self.hash(upload_id)
    }

    /// Where the entries begin that are older than an upload, or all.
    pub(super) fn first_hash(self, before: Option<UploadId>) -> u64 {
        before.map_or(self.client_bits, |before| self.hash(before))
    }

    /// Whether entries of this list have such hashes; others may too.
    pub(super) fn covers(self, hash: u64) -> bool {
        hash >> TIME_BITS == self.client_bits >> TIME_BITS
    }

    /// The upload of an entry of this list.
    pub(super) fn upload_id(self, key: &[u8]) -> Option<UploadId> {
        let letters = key
            .strip_prefix(self.client_id.as_bytes())?
            .strip_prefix(b"\0")?;
        let mut id = [0; UPLOAD_ID_LETTERS];
        if letters.len() != id.len() {
            return None;
        }
        id.iter_mut()
            .zip(letters)
            .for_each(|(to, letter)| *to = !letter);
        UploadId::parse(&id)
    }

    fn hash(self, upload_id: UploadId) -> u64 {
        let seconds = u32::try_from(upload_id.unix_millis() / 1000).unwrap_or(u32::MAX);
        self.client_bits | u64::from(!seconds)
    }
}

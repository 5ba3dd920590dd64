//! What an upload's own events say, as attributes: JSON, since people may look and nothing is
//! looked for inside.

use txp_domain::event::{BucketRecords, UploadReceived};
use txp_domain::id::UploadId;
use txp_domain::upload::{Ending, StoredEnding, StoredReceived};

pub(super) fn encode_received(received: &UploadReceived) -> Result<String, serde_json::Error> {
    serde_json::to_string(&StoredReceived::from(received))
}

pub(super) fn decode_received(id: UploadId, json: &str) -> Option<UploadReceived> {
    let stored: StoredReceived = serde_json::from_str(json).ok()?;
    Some(stored.of(id))
}

pub(super) fn encode_ending(ending: &Ending) -> Result<String, serde_json::Error> {
    serde_json::to_string(&StoredEnding::from(ending))
}

pub(super) fn decode_ending(json: &str) -> Option<Ending> {
    let stored: StoredEnding = serde_json::from_str(json).ok()?;
    Some(stored.into())
}

/// The ids of uploads, with blanks between.
pub(super) fn encode_ids(ids: &[UploadId]) -> String {
    let ids: Vec<_> = ids.iter().map(UploadId::as_str).collect();
    ids.join(" ")
}

pub(super) fn decode_ids(text: &str) -> Option<Vec<UploadId>> {
    let ids = text.split_ascii_whitespace();
    ids.map(|id| UploadId::parse(id.as_bytes())).collect()
}

/// The last records by bucket: a byte for the bucket, then the record as LEB128. 256 buckets of a
/// file of a million rows take 1 KB; as a map they would take 4.
pub(super) fn encode_ends(ends: &BucketRecords) -> Vec<u8> {
    let mut out = Vec::new();
    for (bucket, record) in &ends.0 {
        out.push(*bucket);
        let mut rest = *record;
        while rest >= 0x80 {
            out.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }
    out
}

pub(super) fn decode_ends(bytes: &[u8]) -> Option<BucketRecords> {
    let mut ends = BucketRecords::default();
    let mut bytes = bytes.iter().copied();
    while let Some(bucket) = bytes.next() {
        let mut record = 0_u64;
        let mut shift = 0;
        loop {
            let byte = bytes.next()?;
            let bits = u64::from(byte & 0x7f);
            let shifted = bits.checked_shl(shift)?;
            if shifted >> shift != bits {
                return None;
            }
            record |= shifted;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        ends.0.insert(bucket, record);
    }
    Some(ends)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ends_are_read_back(ends: std::collections::BTreeMap<u8, u64>) {
            let ends = BucketRecords(ends);
            prop_assert_eq!(decode_ends(&encode_ends(&ends)), Some(ends));
        }

        #[test]
        fn no_bytes_are_a_panic(bytes: Vec<u8>) {
            let _read = decode_ends(&bytes);
        }
    }
}

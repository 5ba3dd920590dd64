//! Several user records as one Kinesis record, in the KPL's aggregated record format:
//!
//! ```text
//! F3 89 9A C2 | AggregatedRecord (protobuf) | MD5 of the protobuf
//!
//! message AggregatedRecord { repeated string partition_key_table = 1;
//!                            repeated string explicit_hash_key_table = 2;
//!                            repeated Record records = 3; }
//! message Record { required uint64 partition_key_index = 1; optional uint64 explicit_hash_key_index = 2;
//!                  required bytes data = 3; repeated Tag tags = 4; }
//! ```
//!
//! Written by hand into two buffers, so that no record costs an allocation and the size is known
//! before anything is taken in. One aggregate holds records of one bucket, and each of them carries
//! the bucket's hash key: a consumer that checks every user record against its shard's range (as
//! the KCL does) finds all of them inside, whatever the shards are.
//!
//! Deliberately absent: tags (nothing reads them), and a search for equal partition keys: only the
//! key of the record before is reused, because an upload names a transaction once.

use super::hash_key;
use super::put::PutEntry;
use md5::{Digest, Md5};
use std::ops::Range;
use txp_domain::position::Bucket;

/// How an aggregated record begins.
pub const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];
/// The bytes of the MD5 at its end.
pub const DIGEST_BYTES: usize = 16;
/// The most bytes of a Kinesis record, its partition key counted (Kinesis' documented default).
pub const RECORD_BYTES_MAX: usize = 1 << 20;
/// The most characters of a partition key (Kinesis' documented limit).
pub const PARTITION_KEY_CHARS_MAX: usize = 256;

// Field number and wire type of each field: (number << 3) | type.
const PARTITION_KEY_TABLE: u8 = 1 << 3 | 2;
const EXPLICIT_HASH_KEY_TABLE: u8 = 2 << 3 | 2;
const RECORDS: u8 = 3 << 3 | 2;
const PARTITION_KEY_INDEX: u8 = 1 << 3;
const EXPLICIT_HASH_KEY_INDEX: u8 = 2 << 3;
const DATA: u8 = 3 << 3 | 2;
/// The one explicit hash key of an aggregate.
const ONLY_HASH_KEY: u8 = 0;
/// A record's explicit hash key: tag and index.
const HASH_KEY_REFERENCE: [u8; 2] = [EXPLICIT_HASH_KEY_INDEX, ONLY_HASH_KEY];

/// User records of one bucket on their way into one Kinesis record.
#[derive(Debug)]
pub struct Aggregate {
    bucket: Bucket,
    /// The bucket's hash key in decimal digits.
    hash_key: String,
    /// The partition key table, encoded.
    keys: Vec<u8>,
    key_count: u64,
    /// Where the first and the last partition key stand in `keys`.
    first_key: Range<usize>,
    last_key: Range<usize>,
    /// The records, encoded.
    records: Vec<u8>,
    record_count: usize,
}

impl Aggregate {
    /// One for a bucket, empty.
    #[must_use]
    pub fn new(bucket: Bucket) -> Self {
        Self {
            bucket,
            hash_key: hash_key::of_bucket(bucket).to_string(),
            keys: Vec::new(),
            key_count: 0,
            first_key: 0..0,
            last_key: 0..0,
            records: Vec::new(),
            record_count: 0,
        }
    }

    /// How many user records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.record_count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.record_count == 0
    }

    /// The bytes of the Kinesis record's data if it were finished now.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let hash_key = field_bytes(self.hash_key.len());
        MAGIC.len() + self.keys.len() + hash_key + self.records.len() + DIGEST_BYTES
    }

    /// What [`Self::size_bytes`] would be with this user record, to the byte.
    #[must_use]
    pub fn size_bytes_with(&self, partition_key: &str, data: &[u8]) -> usize {
        let (key, index) = if self.repeats_key(partition_key) {
            (0, self.key_count.saturating_sub(1))
        } else {
            (field_bytes(partition_key.len()), self.key_count)
        };
        self.size_bytes() + key + field_bytes(record_bytes(index, data))
    }

    /// Takes a user record in.
    pub fn push(&mut self, partition_key: &str, data: &[u8]) {
        if !self.repeats_key(partition_key) {
            put_field(
                &mut self.keys,
                PARTITION_KEY_TABLE,
                partition_key.as_bytes(),
            );
            self.last_key = self.keys.len() - partition_key.len()..self.keys.len();
            if self.key_count == 0 {
                self.first_key = self.last_key.clone();
            }
            self.key_count += 1;
        }
        let index = self.key_count - 1;
        self.records.push(RECORDS);
        put_varint(&mut self.records, record_bytes(index, data) as u64);
        self.records.push(PARTITION_KEY_INDEX);
        put_varint(&mut self.records, index);
        self.records.extend_from_slice(&HASH_KEY_REFERENCE);
        put_field(&mut self.records, DATA, data);
        self.record_count += 1;
    }

    /// The Kinesis record of what was taken in, and an empty aggregate with its room kept; `None` if
    /// nothing was. Outside it has the partition key of its first user record.
    pub fn finish(&mut self) -> Option<PutEntry> {
        if self.is_empty() {
            return None;
        }
        let mut data = Vec::with_capacity(self.size_bytes());
        data.extend_from_slice(&MAGIC);
        data.extend_from_slice(&self.keys);
        put_field(&mut data, EXPLICIT_HASH_KEY_TABLE, self.hash_key.as_bytes());
        data.extend_from_slice(&self.records);
        let digest = Md5::digest(data.get(MAGIC.len()..).unwrap_or_default());
        data.extend_from_slice(&digest);
        let key = self.keys.get(self.first_key.clone()).unwrap_or_default();
        let entry = PutEntry {
            bucket: self.bucket,
            partition_key: String::from_utf8_lossy(key).into_owned(),
            data,
        };
        self.clear();
        Some(entry)
    }

    fn clear(&mut self) {
        self.keys.clear();
        self.key_count = 0;
        self.first_key = 0..0;
        self.last_key = 0..0;
        self.records.clear();
        self.record_count = 0;
    }

    fn repeats_key(&self, partition_key: &str) -> bool {
        self.key_count > 0 && self.keys.get(self.last_key.clone()) == Some(partition_key.as_bytes())
    }
}

/// The bytes of a Record message.
fn record_bytes(key_index: u64, data: &[u8]) -> usize {
    1 + varint_bytes(key_index) + HASH_KEY_REFERENCE.len() + field_bytes(data.len())
}

/// The bytes of a field with a length: its tag, the length, and what it holds.
fn field_bytes(length: usize) -> usize {
    1 + varint_bytes(length as u64) + length
}

fn put_field(to: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    to.push(tag);
    put_varint(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

/// Seven bits a byte, the lowest first, the top bit set where more follow.
fn put_varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn varint_bytes(value: u64) -> usize {
    let bits = u64::BITS - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

#[cfg(test)]
mod tests;

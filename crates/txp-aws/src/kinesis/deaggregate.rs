//! User records out of a Kinesis record: of an aggregated one, ours or another producer's, or the
//! record itself.
//!
//! As the Kinesis Client Library does: what does not begin with the magic, does not end with the
//! MD5 of what is between, or is no well-formed message there, was never an aggregate, and is
//! handed on as it is. Nothing is dropped here; whether the bytes are an event is the codec's to say.
//!
//! Stricter than the library in one thing: where an index points outside a table, it hands on the
//! records before and loses the rest; here the record is handed on whole.
//!
//! Deliberately absent: the check against the shard's range (a consumer that reads by bucket has no
//! use for it), and protobuf groups (no version of the format has any).

mod wire;

use super::aggregate::{DIGEST_BYTES, MAGIC};
use md5::{Digest, Md5};
use wire::{Fields, Malformed, Value};

/// One record as its producer handed it over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserRecord<'a> {
    /// Its bytes.
    pub data: &'a [u8],
    /// Its partition key.
    pub partition_key: &'a str,
    /// Its explicit hash key, where the aggregate names one. Kinesis does not give back that of a
    /// plain record.
    pub explicit_hash_key: Option<&'a str>,
    /// Its index in the aggregate; 0 for a plain record.
    pub subsequence: u64,
}

/// Appends the user records of a Kinesis record's `data`, in order, to `out`; `partition_key` is
/// that of the Kinesis record.
pub fn deaggregate<'a>(data: &'a [u8], partition_key: &'a str, out: &mut Vec<UserRecord<'a>>) {
    let before = out.len();
    let is_aggregate = message(data).is_some_and(|message| read(message, out).is_ok());
    if !is_aggregate {
        out.truncate(before);
        out.push(UserRecord {
            data,
            partition_key,
            explicit_hash_key: None,
            subsequence: 0,
        });
    }
}

/// The protobuf between magic and MD5, if both are right.
fn message(data: &[u8]) -> Option<&[u8]> {
    let rest = data.strip_prefix(&MAGIC)?;
    let (message, digest) = rest.split_last_chunk::<DIGEST_BYTES>()?;
    let computed: [u8; DIGEST_BYTES] = Md5::digest(message).into();
    (!message.is_empty() && computed == *digest).then_some(message)
}

fn read<'a>(message: &'a [u8], out: &mut Vec<UserRecord<'a>>) -> Result<(), Malformed> {
    let tables = Tables::read(message)?;
    let mut fields = Fields::of(message);
    let mut subsequence = 0;
    while let Some((number, value)) = fields.next()? {
        if let (3, Value::Bytes(record)) = (number, value) {
            out.push(tables.record(record, subsequence)?);
            subsequence += 1;
        }
    }
    Ok(())
}

/// The keys that records point at. Read before any record: protobuf lets them come later.
struct Tables<'a> {
    partition_keys: Vec<&'a str>,
    explicit_hash_keys: Vec<&'a str>,
}

impl<'a> Tables<'a> {
    fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut tables = Self {
            partition_keys: Vec::new(),
            explicit_hash_keys: Vec::new(),
        };
        let mut fields = Fields::of(message);
        while let Some((number, value)) = fields.next()? {
            let table = match number {
                1 => &mut tables.partition_keys,
                2 => &mut tables.explicit_hash_keys,
                _ => continue,
            };
            if let Value::Bytes(key) = value {
                table.push(std::str::from_utf8(key).map_err(|_| Malformed)?);
            }
        }
        Ok(tables)
    }

    fn record(&self, message: &'a [u8], subsequence: u64) -> Result<UserRecord<'a>, Malformed> {
        let (mut key, mut hash_key, mut data) = (None, None, None);
        let mut fields = Fields::of(message);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Varint(index)) => key = Some(index),
                (2, Value::Varint(index)) => hash_key = Some(index),
                (3, Value::Bytes(bytes)) => data = Some(bytes),
                _ => {}
            }
        }
        Ok(UserRecord {
            data: data.ok_or(Malformed)?,
            partition_key: look_up(&self.partition_keys, key.ok_or(Malformed)?)?,
            explicit_hash_key: hash_key
                .map(|index| look_up(&self.explicit_hash_keys, index))
                .transpose()?,
            subsequence,
        })
    }
}

fn look_up<'a>(table: &[&'a str], index: u64) -> Result<&'a str, Malformed> {
    let index = usize::try_from(index).map_err(|_| Malformed)?;
    table.get(index).copied().ok_or(Malformed)
}

#[cfg(test)]
mod tests;

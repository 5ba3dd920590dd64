//! The position of a user record that was read from a stream: bucket, sequence, subsequence.
//!
//! Deliberately absent: the shard. A position is compared within a bucket, and a bucket's records
//! have ascending sequence numbers across every resharding: a child shard's begin after its parent's.

use super::deaggregate::UserRecord;
use super::hash_key;
use txp_domain::position::{Bucket, Position, Sequence};
use txp_pipeline::port::{ErrorKind, PortError};

/// Reads a record's sequence number.
///
/// # Errors
/// It is none.
pub fn sequence_of(sequence_number: &str) -> Result<Sequence, PortError> {
    Sequence::parse(sequence_number).ok_or_else(|| {
        let context = "a record came with a sequence number that is not 1 to 129 decimal digits; it is not from Kinesis";
        PortError::new(ErrorKind::Corrupt, context)
    })
}

/// The bucket of a user record: by its explicit hash key where it carries one, else by its
/// partition key.
#[must_use]
pub fn bucket_of(record: &UserRecord<'_>) -> Bucket {
    hash_key::bucket_at(hash_key::effective(
        record.partition_key,
        record.explicit_hash_key,
    ))
}

/// Where a user record of the Kinesis record with this sequence number stands.
#[must_use]
pub fn position_of(record: &UserRecord<'_>, sequence: &Sequence) -> Position {
    Position {
        bucket: bucket_of(record),
        sequence: sequence.clone(),
        subsequence: record.subsequence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "49590338271490256608559692538361571095921575989136588898";

    fn record(explicit_hash_key: Option<&'static str>) -> UserRecord<'static> {
        UserRecord {
            data: b"{}",
            partition_key: "m1/t1",
            explicit_hash_key,
            subsequence: 7,
        }
    }

    #[test]
    fn a_position_is_bucket_sequence_and_subsequence() {
        let sequence = sequence_of(NUMBER).unwrap();
        let position = position_of(&record(None), &sequence);
        assert_eq!(position.bucket, Bucket::of(b"m1/t1"));
        assert_eq!(position.sequence.to_string(), NUMBER);
        assert_eq!(position.subsequence, 7);
        assert_eq!(bucket_of(&record(Some("0"))), Bucket(0));
    }

    #[test]
    fn what_is_no_sequence_number_is_refused() {
        let long = "9".repeat(130);
        for text in ["", "-1", "1a", long.as_str()] {
            assert_eq!(sequence_of(text).unwrap_err().kind, ErrorKind::Corrupt);
        }
    }
}

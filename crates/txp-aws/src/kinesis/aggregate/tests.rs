//! Sizes known ahead are sizes written; what is written is what the format says.

use super::*;
use crate::kinesis::deaggregate::{UserRecord, deaggregate};
use crate::kinesis::hash_key::effective;
use proptest::prelude::*;

fn aggregate(bucket: Bucket, records: &[(String, Vec<u8>)]) -> Option<PutEntry> {
    let mut aggregate = Aggregate::new(bucket);
    for (key, data) in records {
        aggregate.push(key, data);
    }
    aggregate.finish()
}

fn user_records() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let lengths = prop_oneof![9 => 0..200_usize, 1 => 16_000..17_000_usize];
    let record = (0..40_u32, "[ -~]{1,20}|\u{e9}{1,90}", any::<u8>(), lengths).prop_map(
        |(reuse, key, fill, length)| {
            // A few keys come often, so that neighbours are equal.
            let key = if reuse < 20 { "m/t".to_owned() } else { key };
            (key, vec![fill; length])
        },
    );
    prop::collection::vec(record, 1..150)
}

#[test]
fn the_bytes_are_those_of_the_format() {
    let records = [("a", "x"), ("a", "yz"), ("b", "")];
    let records = records.map(|(key, data)| (key.to_owned(), data.as_bytes().to_vec()));
    let entry = aggregate(Bucket(0), &records).unwrap();
    let mut expected = vec![0xF3, 0x89, 0x9A, 0xC2];
    expected.extend([0x0A, 1, b'a', 0x0A, 1, b'b']);
    expected.extend([0x12, 1, b'0']);
    expected.extend([0x1A, 7, 0x08, 0, 0x10, 0, 0x1A, 1, b'x']);
    expected.extend([0x1A, 8, 0x08, 0, 0x10, 0, 0x1A, 2, b'y', b'z']);
    expected.extend([0x1A, 6, 0x08, 1, 0x10, 0, 0x1A, 0]);
    let digest = Md5::digest(&expected[4..]);
    expected.extend(digest);
    assert_eq!(entry.data, expected);
    assert_eq!(entry.partition_key, "a");
    assert_eq!(entry.explicit_hash_key(), "0");
}

#[test]
fn nothing_taken_in_is_no_record() {
    let mut aggregate = Aggregate::new(Bucket(7));
    assert_eq!(aggregate.finish(), None);
    aggregate.push("k", b"");
    assert_eq!(aggregate.len(), 1);
    assert!(aggregate.finish().is_some());
    assert!(aggregate.is_empty());
    assert_eq!(aggregate.finish(), None);
}

proptest! {
    #[test]
    fn the_size_is_known_before_to_the_byte(bucket: u8, records in user_records()) {
        let mut aggregate = Aggregate::new(Bucket(bucket));
        // Twice, so that the room that is kept holds nothing of the record before.
        for _ in 0..2 {
            for (key, data) in &records {
                let expected = aggregate.size_bytes_with(key, data);
                aggregate.push(key, data);
                prop_assert_eq!(aggregate.size_bytes(), expected);
            }
            let expected = aggregate.size_bytes();
            prop_assert_eq!(aggregate.finish().unwrap().data.len(), expected);
        }
    }

    #[test]
    fn what_went_in_comes_out_under_the_bucket_s_hash_key(bucket: u8, records in user_records()) {
        let entry = aggregate(Bucket(bucket), &records).unwrap();
        let outside = entry.explicit_hash_key();
        let mut read = Vec::new();
        deaggregate(&entry.data, &entry.partition_key, &mut read);
        prop_assert_eq!(&entry.partition_key, &records[0].0);
        prop_assert_eq!(read.len(), records.len());
        for ((index, read), (key, data)) in read.iter().enumerate().zip(&records) {
            let expected = UserRecord {
                data,
                partition_key: key,
                explicit_hash_key: Some(&outside),
                subsequence: index as u64,
            };
            prop_assert_eq!(read, &expected);
        }
    }

    /// The KCL drops a user record whose hash key is outside the range of the shard that it was
    /// read from: so none may be, however the shards are cut.
    #[test]
    fn every_user_record_lies_in_the_shard_of_its_kinesis_record(
        bucket: u8,
        records in user_records(),
        mut cuts in prop::collection::vec(any::<u128>(), 0..64),
    ) {
        let entry = aggregate(Bucket(bucket), &records).unwrap();
        let outside: u128 = entry.explicit_hash_key().parse().unwrap();
        // Cuts in the bucket's own stretch, and right at its point, are the ones that could matter.
        cuts.extend([outside, outside | 1, outside | (1 << 119)]);
        cuts.push(0);
        cuts.sort_unstable();
        cuts.dedup();
        let shard = cuts.partition_point(|from| *from <= outside) - 1;
        let last = cuts.get(shard + 1).map_or(u128::MAX, |next| next - 1);
        let mut read = Vec::new();
        deaggregate(&entry.data, &entry.partition_key, &mut read);
        for record in &read {
            let inside = effective(record.partition_key, record.explicit_hash_key);
            prop_assert!((cuts[shard]..=last).contains(&inside));
        }
    }
}

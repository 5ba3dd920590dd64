//! Where a record stands in a stream's hash space of 128 bits, which the shards share out.
//!
//! A bucket is a stretch of 2^120 values; everything of it is written under one point of that
//! stretch, its lowest. Shards may be cut anywhere, also inside a stretch: a point lies in one open
//! shard all the same, so a bucket's order survives any split and merge.

use md5::{Digest, Md5};
use txp_domain::position::Bucket;

/// The bits of a hash key below a bucket's 8.
const BITS_BELOW_BUCKET: u32 = 120;

/// The hash key that all records of a bucket are written under: the lowest of its stretch.
#[must_use]
pub fn of_bucket(bucket: Bucket) -> u128 {
    u128::from(bucket.0) << BITS_BELOW_BUCKET
}

/// The hash key that decides a record's shard: the explicit one, else the partition key's MD5.
///
/// An explicit hash key that is no number of 128 bits counts as none: a producer cannot have put
/// such a record anywhere by it.
#[must_use]
pub fn effective(partition_key: &str, explicit_hash_key: Option<&str>) -> u128 {
    explicit_hash_key
        .and_then(parse)
        .unwrap_or_else(|| u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into()))
}

/// The bucket that a hash key lies in.
#[must_use]
pub fn bucket_at(hash_key: u128) -> Bucket {
    let [top, ..] = hash_key.to_be_bytes();
    Bucket(top)
}

/// Decimal digits and nothing else: `u128`'s own reading takes a sign as well.
fn parse(text: &str) -> Option<u128> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_found_by_its_point_and_by_its_partition_keys() {
        for bucket in (0..=u8::MAX).map(Bucket) {
            let point = of_bucket(bucket);
            assert_eq!(bucket_at(point), bucket);
            let digits = point.to_string();
            assert_eq!(effective("any", Some(&digits)), point);
        }
        for key in ["m1/t1", "upload/bcdf", "", "ruleset"] {
            assert_eq!(
                bucket_at(effective(key, None)),
                Bucket::of(key.as_bytes()),
                "{key}"
            );
        }
    }

    #[test]
    fn what_is_no_hash_key_counts_as_none() {
        let by_key = effective("m1/t1", None);
        let beyond = "340282366920938463463374607431768211456";
        for explicit in ["", "+1", "-1", " 1", "0x1", beyond, "1e3", "\u{0661}"] {
            assert_eq!(effective("m1/t1", Some(explicit)), by_key, "{explicit}");
        }
        let highest = "340282366920938463463374607431768211455";
        assert_eq!(effective("m1/t1", Some(highest)), u128::MAX);
    }
}

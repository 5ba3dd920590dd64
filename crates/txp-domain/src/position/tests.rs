//! Buckets are Kinesis' own hash, sequences compare as numbers, positions in order.

use super::*;
use proptest::prelude::*;

#[test]
fn buckets_are_the_top_bits_of_md5() {
    // RFC 1321, appendix A.5.
    for (key, top) in [
        ("", 0xd4),
        ("a", 0x0c),
        ("abc", 0x90),
        ("message digest", 0xf9),
    ] {
        assert_eq!(Bucket::of(key.as_bytes()), Bucket(top), "{key}");
    }
}

#[test]
fn sequences_are_read_and_compared_as_numbers() {
    let longest = "9".repeat(SEQUENCE_DIGITS_MAX);
    let ascending = [
        "0",
        "9",
        "10",
        "18446744073709551615",
        "18446744073709551616",
        "49590338271490256608559692538361571095921575989136588898",
        "49590338271490256608559692538361571095921575989136588899",
        &longest,
    ];
    for (at, a) in ascending.iter().enumerate() {
        let parsed = Sequence::parse(a).unwrap();
        assert_eq!(parsed.to_string(), **a);
        for (other, b) in ascending.iter().enumerate() {
            assert_eq!(parsed.cmp(&Sequence::parse(b).unwrap()), at.cmp(&other));
        }
    }
    let padded = format!("000{longest}");
    assert_eq!(Sequence::parse(&padded), Sequence::parse(&longest));
    assert_eq!(Sequence::parse("007"), Some(Sequence::from(7)));
    assert_eq!(Sequence::parse(ascending[4]).unwrap().as_u64(), None);
    let too_long = format!("1{longest}");
    for text in ["", "-1", "+1", "1.0", "1e3", " 1", "x", "１", &too_long] {
        assert_eq!(Sequence::parse(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn sequences_of_any_size_compare_as_numbers(a: u128, b: u128) {
        let parse = |n: u128| Sequence::parse(&n.to_string()).unwrap();
        prop_assert_eq!(parse(a).cmp(&parse(b)), a.cmp(&b));
        prop_assert_eq!(parse(a) == parse(b), a == b);
        prop_assert_eq!(parse(a).as_u64(), u64::try_from(a).ok());
    }

    #[test]
    fn positions_are_by_sequence_then_subsequence(a in 0_u64..4, b in 0_u64..4, c in 0_u64..4, d in 0_u64..4) {
        let at = |sequence: u64, subsequence| Position {
            bucket: Bucket(1),
            sequence: Sequence::from(sequence),
            subsequence,
        };
        prop_assert_eq!(at(a, b).is_after(&at(c, d)), (a, b) > (c, d));
    }
}

//! Others' aggregates, what only looks like one, and bytes that are nothing.

use super::*;
use crate::kinesis::aggregate::Aggregate;
use proptest::prelude::*;
use txp_domain::position::Bucket;

const OUTSIDE: &str = "outside";

fn read_all(data: &[u8]) -> Vec<UserRecord<'_>> {
    let mut out = Vec::new();
    deaggregate(data, OUTSIDE, &mut out);
    out
}

fn plain(data: &[u8]) -> Vec<UserRecord<'_>> {
    vec![UserRecord {
        data,
        partition_key: OUTSIDE,
        explicit_hash_key: None,
        subsequence: 0,
    }]
}

/// A message between magic and MD5.
fn sealed(message: &[u8]) -> Vec<u8> {
    let digest = Md5::digest(message);
    [&MAGIC, message, digest.as_slice()].concat()
}

fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() < 128, "one byte of length");
    [&[tag, bytes.len() as u8], bytes].concat()
}

fn ours() -> Vec<u8> {
    let mut aggregate = Aggregate::new(Bucket(0x42));
    for number in 0..20_u8 {
        aggregate.push(&format!("m/t{number}"), &[number; 30]);
    }
    aggregate.finish().unwrap().data
}

#[test]
fn another_producer_s_aggregate_is_read() {
    let tag = field(0x22, &field(0x0A, b"trace"));
    let first = [&[0x08, 1, 0x10, 0, 0x1A, 3][..], b"one", &tag].concat();
    // No explicit hash key, fields in another order, one that no version has.
    let second = [&[0x1A, 3][..], b"two", &[0x78, 5, 0x08, 0]].concat();
    // Records before the tables, and unknown fields of every wire type between.
    let message = [
        field(0x1A, &first),
        vec![0x50, 0x96, 0x01],
        field(0x0A, b"k0"),
        field(0x0A, b"k1"),
        field(0x12, b"1329227995784915872903807060280344576"),
        vec![0x59, 1, 2, 3, 4, 5, 6, 7, 8, 0x65, 1, 2, 3, 4],
        field(0x6A, b"more"),
        field(0x1A, &second),
    ]
    .concat();
    let data = sealed(&message);
    let expected = [
        UserRecord {
            data: b"one",
            partition_key: "k1",
            explicit_hash_key: Some("1329227995784915872903807060280344576"),
            subsequence: 0,
        },
        UserRecord {
            data: b"two",
            partition_key: "k0",
            explicit_hash_key: None,
            subsequence: 1,
        },
    ];
    assert_eq!(read_all(&data), expected);
}

#[test]
fn an_aggregate_of_no_records_gives_none() {
    assert_eq!(read_all(&sealed(&field(0x0A, b"k"))), []);
}

#[test]
fn what_is_no_aggregate_is_handed_on_as_it_is() {
    let key = field(0x0A, b"k");
    let record = |inner: &[u8]| sealed(&[key.clone(), field(0x1A, inner)].concat());
    let mut wrong_digest = ours();
    *wrong_digest.last_mut().unwrap() ^= 1;
    let mut wrong_magic = ours();
    wrong_magic[0] ^= 1;
    for (what, data) in [
        ("nothing", Vec::new()),
        ("a JSON event", b"{\"id\":\"x:1\"}".to_vec()),
        ("a part of the magic", MAGIC[..3].to_vec()),
        ("the magic alone", MAGIC.to_vec()),
        ("magic and MD5 of nothing", sealed(b"")),
        ("another magic", wrong_magic),
        ("another MD5", wrong_digest),
        ("no message", sealed(b"\xFF\xFF\xFF")),
        (
            "a record cut short",
            sealed(&[0x0A, 1, b'k', 0x1A, 9, 0x08]),
        ),
        ("no data", record(&[0x08, 0])),
        ("no partition key", record(&[0x1A, 1, b'x'])),
        ("a key beyond the table", record(&[0x08, 1, 0x1A, 1, b'x'])),
        (
            "a hash key beyond the table",
            record(&[0x08, 0, 0x10, 0, 0x1A, 0]),
        ),
        ("a key that is no text", sealed(&field(0x0A, b"\xC3\x28"))),
    ] {
        assert_eq!(read_all(&data), plain(&data), "{what}");
    }
}

#[test]
fn a_bad_record_takes_the_good_ones_before_it_along() {
    let good = field(0x1A, &[0x08, 0, 0x1A, 1, b'x']);
    let bad = field(0x1A, &[0x08, 9, 0x1A, 1, b'y']);
    let data = sealed(&[field(0x0A, b"k"), good, bad].concat());
    let mut out = plain(b"before");
    deaggregate(&data, OUTSIDE, &mut out);
    assert_eq!(out, [plain(b"before"), plain(&data)].concat());
}

#[test]
fn records_of_a_mebibyte_are_read() {
    let large = vec![0xF3; 1 << 20];
    assert_eq!(read_all(&large), plain(&large));
    let mut aggregate = Aggregate::new(Bucket(1));
    aggregate.push("k", &large[..(1 << 20) - 200]);
    let entry = aggregate.finish().unwrap();
    let read = read_all(&entry.data);
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].data.len(), (1 << 20) - 200);
    // As many records as a mebibyte holds: none of them costs more than its place in the list.
    let many = [
        field(0x0A, b"k"),
        field(0x1A, &[0x08, 0, 0x1A, 0]).repeat(170_000),
    ]
    .concat();
    assert_eq!(read_all(&sealed(&many)).len(), 170_000);
}

#[test]
fn every_beginning_of_an_aggregate_is_a_plain_record() {
    let whole = ours();
    for length in 0..whole.len() {
        assert_eq!(read_all(&whole[..length]), plain(&whole[..length]));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(data: Vec<u8>, message: Vec<u8>) {
        prop_assert_eq!(read_all(&data), plain(&data));
        read_all(&sealed(&message));
    }

    #[test]
    fn a_changed_aggregate_is_a_plain_record(at: prop::sample::Index, change in 1..=u8::MAX) {
        let mut data = ours();
        let at = at.index(data.len());
        data[at] ^= change;
        prop_assert_eq!(read_all(&data), plain(&data));
    }

    /// With the MD5 right again, the message itself is what has to stand the change.
    #[test]
    fn a_changed_message_is_read_or_plain(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let whole = ours();
        let mut message = message(&whole).unwrap().to_vec();
        for (at, to) in changes {
            let at = at.index(message.len());
            message[at] = to;
        }
        let data = sealed(&message);
        let read = read_all(&data);
        let is_numbered = read.iter().enumerate().all(|(at, read)| read.subsequence == at as u64);
        prop_assert!(is_numbered);
    }
}

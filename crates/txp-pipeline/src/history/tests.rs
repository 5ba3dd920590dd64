//! A line is read back as it was written.

use super::*;
use proptest::prelude::*;

const NUMBER: &str = "49590338271490256608559692538361571095921575989136588898";

fn recorded(bytes: &[u8]) -> Recorded<'_> {
    Recorded {
        position: Position {
            bucket: Bucket(7),
            sequence: Sequence::parse(NUMBER).unwrap(),
            subsequence: 3,
        },
        arrival_millis: 1_700_000_000_120,
        bytes,
    }
}

fn line_of(bytes: &[u8]) -> String {
    let mut line = Vec::new();
    write_line(&recorded(bytes), &mut line).unwrap();
    String::from_utf8(line).unwrap()
}

#[test]
fn a_line_is_the_event_with_position_and_arrival_behind() {
    let place = format!(
        r#""position":{{"bucket":7,"sequence":"{NUMBER}","subsequence":3}},"arrival":"2023-11-14T22:13:20.120Z"}}"#
    );
    assert_eq!(
        line_of(br#"{"id":"a:1"}"#),
        format!("{{\"id\":\"a:1\",{place}\n")
    );
    assert_eq!(line_of(b"{}"), format!("{{{place}\n"));
    assert_eq!(
        line_of(b"{\"a\":\r\n1}"),
        format!("{{\"a\":  1,{place}\n"),
        "one line whatever lies between the parts"
    );
    assert_eq!(line_of(b" {\"a\":1}\n"), line_of(b"{\"a\":1}"));
}

#[test]
fn what_is_no_object_makes_no_line() {
    for bytes in [&b""[..], b"}", b"null", b"[]", b"{\"a\":1", b"{} ,"] {
        let mut line = b"before".to_vec();
        assert_eq!(write_line(&recorded(bytes), &mut line), Err(NoObject));
        assert_eq!(line, b"before");
    }
}

#[test]
fn what_is_no_line_is_not_read() {
    let good = line_of(b"{\"a\":1}");
    for line in [
        "",
        "{}",
        "{\"a\":1}",
        &good.replace("arrival", "departure"),
        &good.replace("2023", "someday"),
        &good.replace(NUMBER, "-1"),
        &good.replace(":7,", ":256,"),
        good.get(..good.len() - 3).unwrap(),
        &good.replace("1,\"pos", "1\"pos"),
    ] {
        assert_eq!(read_line(line.as_bytes()), None, "{line}");
    }
}

proptest! {
    /// What was recorded is what is read again, whatever an event says.
    #[test]
    fn reading_is_the_inverse_of_writing(
        attributes in prop_oneof![
            Just(String::new()),
            "\"a\":\"[ -~]{0,40}\"",
            Just("\"position\":{\"bucket\":1,\"sequence\":\"1\",\"subsequence\":0},\"arrival\":\"x\"".to_owned()),
        ],
        bucket in any::<u8>(),
        number in any::<u128>(),
        subsequence in any::<u64>(),
        arrival_millis in 0..4_000_000_000_000_i64,
    ) {
        let bytes = format!("{{{attributes}}}");
        let event = Recorded {
            position: Position {
                bucket: Bucket(bucket),
                sequence: Sequence::parse(&number.to_string()).unwrap(),
                subsequence,
            },
            arrival_millis,
            bytes: bytes.as_bytes(),
        };
        let mut line = Vec::new();
        write_line(&event, &mut line).unwrap();
        let read = read_line(&line).unwrap();
        prop_assert_eq!(read.position, event.position);
        prop_assert_eq!(read.arrival_millis, event.arrival_millis);
        prop_assert_eq!([read.attributes, b"}"].concat(), event.bytes);
    }
}

//! Moments against chrono, and every form that is refused.

use super::civil::Civil;
use super::*;
use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat};
use proptest::prelude::*;

fn read(text: &str) -> Result<String, TimestampFault> {
    Timestamp::read(text.as_bytes(), None).map(|read| read.to_string())
}

#[test]
fn forms_that_are_read() {
    for (text, expected) in [
        ("2026-11-22T19:59:03Z", "2026-11-22T19:59:03Z"),
        ("2026-11-22t19:59:03z", "2026-11-22T19:59:03Z"),
        ("2026-11-22 19:59:03Z", "2026-11-22T19:59:03Z"),
        ("2026-11-22T19:59:03+02:00", "2026-11-22T17:59:03Z"),
        ("2026-11-22T19:59:03-05:30", "2026-11-23T01:29:03Z"),
        ("2026-11-22T19:59:03-00:00", "2026-11-22T19:59:03Z"),
        ("2026-11-22T19:59:03.5Z", "2026-11-22T19:59:03.500Z"),
        ("2026-11-22T19:59:03.0001Z", "2026-11-22T19:59:03.000100Z"),
        (
            "2026-11-22T19:59:03.123456789Z",
            "2026-11-22T19:59:03.123456789Z",
        ),
        ("2026-11-22T19:59:03.000Z", "2026-11-22T19:59:03Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ("1969-12-31T23:00:00-01:00", "1970-01-01T00:00:00Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2017-01-01T01:59:60.25+02:00", "2017-01-01T00:00:00.250Z"),
        ("1795478343", "2026-11-23T23:59:03Z"),
        ("1795478343021", "2026-11-23T23:59:03.021Z"),
        ("0000000000", "1970-01-01T00:00:00Z"),
    ] {
        assert_eq!(read(text), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn what_is_refused_says_why() {
    use TimestampFault::{
        Format, LeapSecond, OutOfRange, Precision, TooEarly, TooLate, ZoneMissing,
    };
    for (text, fault) in [
        ("", Format),
        ("yesterday", Format),
        ("2026-11-22", Format),
        ("2026-11-22T19:59Z", Format),
        ("2026-11-22T19:59:03.Z", Format),
        ("2026-11-22T19:59:03,5Z", Format),
        ("2026-11-22T19:59:03 Z", Format),
        ("2026-11-22T19:59:03+0200", Format),
        ("2026-11-22T19:59:03+02", Format),
        ("2026-11-22_19:59:03Z", Format),
        ("22.11.2026 19:59:03", Format),
        ("2026-1a-22T19:59:03Z", Format),
        ("-1", Format),
        ("123456789", Format),
        ("12345678901", Format),
        ("1795478343.5", Format),
        ("1e9", Format),
        ("١٧٩٥٤٧٨٣٤٣", Format),
        ("2026-11-22T19:59:03", ZoneMissing),
        ("2026-11-22 19:59:03.25", ZoneMissing),
        ("2026-13-01T00:00:00Z", OutOfRange),
        ("2026-00-01T00:00:00Z", OutOfRange),
        ("2026-02-29T00:00:00Z", OutOfRange),
        ("2100-02-29T00:00:00Z", OutOfRange),
        ("2026-04-31T00:00:00Z", OutOfRange),
        ("2026-11-22T24:00:00Z", OutOfRange),
        ("2026-11-22T19:60:00Z", OutOfRange),
        ("2026-11-22T19:59:61Z", OutOfRange),
        ("2026-11-22T19:59:03+24:00", OutOfRange),
        ("2026-11-22T19:59:03+02:60", OutOfRange),
        ("2026-11-22T19:59:60Z", LeapSecond),
        ("2016-12-31T23:59:60+01:00", LeapSecond),
        ("2026-11-22T19:59:03.1234567890Z", Precision),
        ("0001-01-01T00:00:00Z", TooEarly),
        ("0000-01-01T00:00:00Z", TooEarly),
        ("1969-12-31T23:59:59Z", TooEarly),
        ("9999-12-31T23:59:59Z", TooLate),
        ("9999999999", TooLate),
        ("9999999999999", TooLate),
    ] {
        assert_eq!(read(text), Err(fault), "{text}");
    }
}

#[test]
fn a_local_time_is_read_in_the_default_zone() {
    let berlin = TimeZone::parse(b"Europe/Berlin").unwrap();
    let fixed = TimeZone::parse(b"-03:30").unwrap();
    for (text, zone, expected) in [
        ("2026-07-01T12:00:00", berlin, Ok("2026-07-01T10:00:00Z")),
        (
            "2026-01-01 12:00:00.5",
            berlin,
            Ok("2026-01-01T11:00:00.500Z"),
        ),
        ("2026-01-01T12:00:00Z", berlin, Ok("2026-01-01T12:00:00Z")),
        ("2026-03-29T02:30:00", berlin, Err(TimestampFault::Skipped)),
        (
            "2026-10-25T02:30:00",
            berlin,
            Err(TimestampFault::Ambiguous),
        ),
        ("2026-10-25T01:59:59", berlin, Ok("2026-10-24T23:59:59Z")),
        ("2017-01-01T00:59:60", berlin, Ok("2017-01-01T00:00:00Z")),
        ("2026-01-01T12:00:00", fixed, Ok("2026-01-01T15:30:00Z")),
        ("1970-01-01T00:00:00", berlin, Err(TimestampFault::TooEarly)),
        ("9999-12-31T23:59:59", berlin, Err(TimestampFault::TooLate)),
    ] {
        let read = Timestamp::read(text.as_bytes(), Some(&zone)).map(|read| read.to_string());
        assert_eq!(read, expected.map(str::to_owned), "{text} {zone}");
    }
}

#[test]
fn zones_are_written_as_they_are_read() {
    for text in [
        "Z",
        "+02:00",
        "-03:30",
        "Europe/Berlin",
        "America/Sao_Paulo",
        "UTC",
    ] {
        assert_eq!(TimeZone::parse(text.as_bytes()).unwrap().to_string(), text);
    }
    for text in ["", "Mars/Olympus", "+2", "+25:00", "02:00", "berlin"] {
        assert_eq!(TimeZone::parse(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn a_transaction_lies_at_most_a_day_after_its_upload() {
    let uploaded_at = Timestamp::parse(b"2026-11-22T12:00:00Z").unwrap();
    for (text, expected) in [
        ("2026-11-23T12:00:00Z", Ok(())),
        (
            "2026-11-23T12:00:00.000000001Z",
            Err(TimestampFault::TooLate),
        ),
        ("1970-01-01T00:00:00Z", Ok(())),
    ] {
        let moment = Timestamp::parse(text.as_bytes()).unwrap();
        assert_eq!(
            moment.check_arrival(uploaded_at).map(|_| ()),
            expected,
            "{text}"
        );
    }
}

#[test]
fn serde_writes_rfc3339_and_reads_no_unix_time() {
    let moment = Timestamp::from_unix_millis(1_795_478_343_021).unwrap();
    let text = serde_json::to_string(&moment).unwrap();
    assert_eq!(text, "\"2026-11-23T23:59:03.021Z\"");
    assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), moment);
    assert!(serde_json::from_str::<Timestamp>("\"1795478343\"").is_err());
}

/// What chrono says of the same text; `None` where it refuses or where only we are stricter.
fn by_chrono(text: &str) -> Option<i64> {
    let nanos = DateTime::parse_from_rfc3339(text)
        .ok()?
        .timestamp_nanos_opt()?;
    (nanos >= 0).then_some(nanos)
}

proptest! {
    #[test]
    fn any_moment_is_written_as_chrono_writes_it_and_read_back(nanos: i64) {
        let ours = Timestamp(nanos).to_string();
        let chrono = DateTime::from_timestamp_nanos(nanos).to_rfc3339_opts(SecondsFormat::AutoSi, true);
        prop_assert_eq!(&ours, &chrono);
        let read = (nanos >= 0).then_some(Timestamp(nanos));
        prop_assert_eq!(Timestamp::parse(ours.as_bytes()), read);
        let mut written = Vec::new();
        Timestamp(nanos).write_rfc3339(&mut written);
        prop_assert_eq!(written, ours.into_bytes());
    }

    #[test]
    fn any_text_like_rfc3339_is_read_as_chrono_reads_it(
        // Second 60 is left out: chrono takes it at any minute.
        text in "(19[67][0-9]|20[0-9]{2}|22[5-7][0-9]|[0-9]{4})-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-5][0-9](\\.[0-9]{1,9})?([Zz]|[+-][0-2][0-9]:[0-6][0-9])"
    ) {
        let ours = Timestamp::read(text.as_bytes(), None).ok().map(|read| read.0);
        prop_assert_eq!(ours, by_chrono(&text), "{}", text);
    }

    #[test]
    fn any_bytes_are_read_without_panic(text: Vec<u8>) {
        prop_assert!(Timestamp::read(&text, Some(&TimeZone::UTC)).is_err() || text.len() >= 10);
    }

    #[test]
    fn days_are_counted_as_chrono_counts_them(year in 0_i32..=9999, day in 1_u32..=366) {
        if let Some(date) = NaiveDate::from_yo_opt(year, day) {
            let seconds = date.and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp();
            let civil = Civil {
                year: date.year().into(),
                month: date.month().into(),
                day: date.day().into(),
                hour: 0,
                minute: 0,
                second: 0,
            };
            prop_assert_eq!(civil.seconds(), seconds);
            prop_assert!(civil.exists());
        }
    }
}

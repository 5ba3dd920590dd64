//! What is written is read back, and what is damaged is refused.

use super::*;
use proptest::prelude::*;
use txp_domain::event::{RejectedRow, RowEvent, RowOutcome};
use txp_domain::id::UploadId;

use txp_domain::position::{Bucket, SEQUENCE_DIGITS_MAX, Sequence};
use txp_domain::row::{CardFacts, Facts};
use txp_domain::transaction::FreshTransaction;

/// One write unit.
const UNIT_BYTES: usize = 1024;
/// Digits of a real Kinesis sequence number.
const KINESIS_DIGITS: usize = 56;
const SECOND: i64 = 1_000_000_000;

/// What an item weighs, by the rules of DynamoDB's developer guide.
fn weight(item: &Item) -> usize {
    let of = |(name, value): (&String, &AttributeValue)| name.len() + value_weight(value);
    item.iter().map(of).sum()
}

fn value_weight(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        // Two digits a byte, and one; half a byte more for a point or an odd digit.
        AttributeValue::N(number) => number.len().div_ceil(2) + 2,
        AttributeValue::B(blob) => blob.as_ref().len(),
        AttributeValue::Bool(_) => 1,
        AttributeValue::L(values) => 3 + values.iter().map(|v| 1 + value_weight(v)).sum::<usize>(),
        AttributeValue::M(map) => 3 + map.len() + weight(map),
        other => panic!("not used: {other:?}"),
    }
}

fn facts(transaction_id: &str, minor: u64) -> Facts<'_> {
    Facts {
        transaction_id,
        merchant_id: "m-1",
        amount: Amount(minor),
        currency: Currency::USD,
        kind: TransactionType::Sale,
        original_transaction_id: None,
        terminal_id: Some("term"),
        country: Country::parse(b"DE"),
        mcc: Mcc::parse(b"5411"),
        timestamp: Timestamp(1_700_000_000 * SECOND + 123_456_789),
        time_source: TimeSource::File,
        card: CardFacts {
            last4: Last4(*b"1111"),
            brand: Brand::Visa,
            fingerprint: Fingerprint([7; 16]),
        },
    }
}

fn row(record: u64, outcome: RowOutcome<'_>) -> RowEvent<'_> {
    RowEvent {
        upload_id: UploadId::new(1, [2; 6]),
        uploaded_at: Timestamp(1_700_000_001 * SECOND),
        record,
        line: record + 1,
        outcome,
    }
}

fn valid(record: u64, facts: Facts<'_>) -> RowEvent<'_> {
    let key_id = "bcdfghjk";
    row(record, RowOutcome::Valid { facts, key_id })
}

fn at(digits: &str, subsequence: u64) -> Position {
    Position {
        bucket: Bucket(200),
        sequence: Sequence::parse(digits).unwrap(),
        subsequence,
    }
}

/// One event of an item's history.
#[derive(Clone, Debug)]
enum Step {
    Row {
        minor: u64,
        kind: TransactionType,
        is_file_time: bool,
        seconds: i64,
        plain: bool,
    },
    Rejected(String),
    Flag(u8, String),
    Link(u64),
}

fn steps() -> impl Strategy<Value = Vec<(Step, String, u64, i64)>> {
    let kinds = prop_oneof![
        Just(TransactionType::Sale),
        Just(TransactionType::Refund),
        Just(TransactionType::Chargeback),
    ];
    let amounts = prop_oneof![0..20_u64, any::<u64>()];
    let row = (
        amounts,
        kinds,
        any::<bool>(),
        0..9_000_000_000_i64,
        any::<bool>(),
    );
    let step = prop_oneof![
        4 => row.prop_map(|(minor, kind, is_file_time, seconds, plain)| {
            Step::Row { minor, kind, is_file_time, seconds, plain }
        }),
        1 => ".{0,40}".prop_map(Step::Rejected),
        2 => (any::<u8>(), ".{0,40}").prop_map(|(n, text)| Step::Flag(n, text)),
        1 => (1..40_u64).prop_map(Step::Link),
    ];
    let digits = format!("0|[1-9][0-9]{{0,{}}}", SEQUENCE_DIGITS_MAX - 1);
    let digits = prop::string::string_regex(&digits).unwrap();
    let one = (step, digits, any::<u64>(), any::<i64>());
    prop::collection::vec(one, 0..90)
}

fn fold(steps: &[(Step, String, u64, i64)]) -> Transaction {
    let mut item = Transaction::empty("m-1", "t-1");
    for (record, (step, sequence, subsequence, arrival)) in (1..).zip(steps) {
        let position = at(sequence, *subsequence);
        match step {
            Step::Row {
                minor,
                kind,
                is_file_time,
                seconds,
                plain,
            } => {
                let mut row = facts("t-1", *minor);
                row.kind = *kind;
                row.timestamp = Timestamp(seconds * SECOND + seconds % 1000);
                if !is_file_time {
                    row.time_source = TimeSource::Upload;
                }
                if *kind != TransactionType::Sale {
                    row.original_transaction_id = Some("t-0");
                }
                if *plain {
                    (row.terminal_id, row.country, row.mcc) = (None, None, None);
                }
                item.apply_row(&valid(record, row), &position, *arrival);
            }
            Step::Rejected(violations) => {
                let rejected = RejectedRow {
                    ids: Some(("m-1", "t-1")),
                    violations,
                };
                let event = row(record, RowOutcome::Rejected(rejected));
                item.apply_row(&event, &position, *arrival);
            }
            Step::Flag(n, finding) => {
                item.apply_flag(&format!("id:{n}"), finding, &position, *arrival);
            }
            Step::Link(record) => {
                item.link_dispute(EventId {
                    upload_id: UploadId::new(3, [1; 6]),
                    record: *record,
                });
            }
        }
    }
    item
}

/// As DynamoDB gives numbers back: without trailing zeros.
fn normalised(mut item: Item) -> Item {
    if let Some(AttributeValue::N(number)) = item.get_mut("amount")
        && number.contains('.')
    {
        *number = number
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned();
    }
    item
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(steps in steps(), replay in prop::option::of("[a-z0-9-]{1,20}")) {
        let mut item = fold(&steps);
        if let Some(id) = replay {
            item.writer = Writer::Replay(id.into());
        }
        let encoded = normalised(encode(&item));
        prop_assert_eq!(decode(Fields(&encoded)), Ok(item));
    }

}

proptest! {
    // Each case decodes the item once per attribute, twice.
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Every attribute taken away is either one that may be absent or is missed; none is a panic.
    #[test]
    fn an_item_that_lost_an_attribute_is_refused_or_read(steps in steps()) {
        let whole = encode(&fold(&steps));
        for name in whole.keys() {
            let mut cut = whole.clone();
            cut.remove(name);
            let _read = decode(Fields(&cut));
            let mut other = whole.clone();
            other.insert(name.clone(), AttributeValue::Null(true));
            prop_assert!(decode(Fields(&other)).is_err() || name == "status" || name.ends_with("truncated"), "{}", name);
        }
    }
}

#[test]
fn what_a_person_looks_for_is_there_by_name() {
    let event = valid(7, facts("t-1", 1_230));
    let position = at(
        "49590338271490256608559692538361571095921575989136588898",
        3,
    );
    let fresh = FreshTransaction::of(&event, &position, 99).unwrap();
    let item = encode(&fresh.to_transaction());
    let fields = Fields(&item);
    for (name, expected) in [
        ("transaction_id", "t-1"),
        ("merchant_id", "m-1"),
        ("status", "validated"),
        ("currency", "USD"),
        ("type", "sale"),
        ("timestamp", "2023-11-14T22:13:20.123456789Z"),
        ("card_last4", "1111"),
        ("brand", "visa"),
        ("writer", "live"),
    ] {
        assert_eq!(fields.text(name), Ok(expected), "{name}");
    }
    assert_eq!(item.get("amount"), Some(&AttributeValue::N("12.30".into())));
    assert_eq!(fields.number::<u64>("row"), Ok(7));
}

/// The usual row, and the heaviest that the file's rules let through.
#[test]
fn a_fresh_item_stays_under_one_write_unit() {
    let long = "x".repeat(64);
    let long = long.as_str();
    let sequence = "9".repeat(KINESIS_DIGITS);
    let usual = Facts {
        terminal_id: None,
        country: None,
        mcc: None,
        ..facts("order-000123", 12_345)
    };
    let heaviest = Facts {
        merchant_id: long,
        amount: Amount(999_999_999_999_999),
        kind: TransactionType::Refund,
        original_transaction_id: Some(long),
        terminal_id: Some(long),
        time_source: TimeSource::Upload,
        card: CardFacts {
            brand: Brand::Mastercard,
            ..usual.card
        },
        ..facts(long, 0)
    };
    for (facts, most) in [(usual, 620), (heaviest, UNIT_BYTES)] {
        // 5 GB have less than 10^9 rows.
        let mut event = valid(999_999_999, facts);
        event.uploaded_at = Timestamp(1_700_000_001 * SECOND + 123_456_789);
        let position = at(&sequence, 9_999);
        let fresh = FreshTransaction::of(&event, &position, 1_700_000_001_123).unwrap();
        let weight = weight(&encode(&fresh.to_transaction()));
        assert!(weight <= most, "{weight} bytes, {most} at most");
    }
}

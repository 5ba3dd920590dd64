//! The stored form of a transaction: what is written is read back, and what is damaged is refused.

use super::*;
use txp_domain::event::{RejectedRow, RowOutcome};
use txp_domain::row::CardFacts;

fn facts(transaction_id: &str, kind: TransactionType) -> Facts<'_> {
    Facts {
        transaction_id,
        merchant_id: "m-1",
        amount: Amount(1_234),
        currency: Currency::USD,
        kind,
        original_transaction_id: (kind == TransactionType::Chargeback).then_some("t-0"),
        terminal_id: Some("term"),
        country: Country::parse(b"DE"),
        mcc: Mcc::parse(b"5411"),
        timestamp: Timestamp(1_700_000_000_000_000_000),
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
        uploaded_at: Timestamp(1_700_000_001_000_000_000),
        record,
        line: record + 1,
        outcome,
    }
}

fn valid(record: u64, facts: Facts<'_>) -> RowEvent<'_> {
    row(
        record,
        RowOutcome::Valid {
            facts,
            key_id: "bcdfghjk",
        },
    )
}

fn at(sequence: u64) -> Position {
    Position {
        bucket: Bucket(9),
        sequence: Sequence::from(sequence),
        subsequence: 0,
    }
}

/// Items of every shape that a history can give.
fn items() -> Vec<Transaction> {
    let mut items = vec![Transaction::empty("m-1", "t-1")];
    let mut placeholder = Transaction::empty("m-1", "t-1");
    placeholder.link_dispute(EventId {
        upload_id: UploadId::new(3, [1; 6]),
        record: 4,
    });
    items.push(placeholder);
    let mut item = Transaction::empty("m-1", "t-1");
    let rejected = RejectedRow {
        ids: Some(("m-1", "t-1")),
        violations: "[]",
    };
    item.apply_row(&row(1, RowOutcome::Rejected(rejected)), &at(5), 50);
    items.push(item.clone());
    item.apply_row(&valid(2, facts("t-1", TransactionType::Sale)), &at(6), 60);
    items.push(item.clone());
    for amount in 0..20 {
        let other = Facts {
            amount: Amount(amount),
            ..facts("t-1", TransactionType::Sale)
        };
        item.apply_row(&valid(3 + amount, other), &at(7 + amount), 70);
        items.push(item.clone());
    }
    item.apply_flag("id:default:1", "{}", &at(40), 80);
    item.link_dispute(EventId {
        upload_id: UploadId::new(3, [1; 6]),
        record: 4,
    });
    items.push(item.clone());
    let large =
        Sequence::parse("49590338271490256608559692538361571095921575989136588898").unwrap();
    item.apply_flag(
        "id:default:2",
        "{}",
        &Position {
            sequence: large,
            ..at(0)
        },
        90,
    );
    items.push(item.clone());
    item.writer = Origin::Replay("r-1".into());
    items.push(item);
    items
}

#[test]
fn what_is_written_is_read_back() {
    for item in items() {
        let mut bytes = Vec::new();
        encode(&item, &mut bytes);
        assert_eq!(decode("m-1", "t-1", &bytes), Some(item));
    }
}

#[test]
fn a_fresh_item_is_encoded_as_the_whole_item_is() {
    for kind in [
        TransactionType::Sale,
        TransactionType::Refund,
        TransactionType::Chargeback,
    ] {
        let event = valid(2, facts("t-1", kind));
        let position = at(12);
        let fresh = FreshTransaction::of(&event, &position, 99).unwrap();
        let (mut short, mut whole) = (Vec::new(), Vec::new());
        encode_fresh(&fresh, &mut short);
        encode(&fresh.to_transaction(), &mut whole);
        assert_eq!(short, whole);
        assert!(
            short.len() < 1024,
            "a fresh item stays under 1 KB, has {}",
            short.len()
        );
    }
}

#[test]
fn a_value_that_was_cut_is_refused() {
    for item in items() {
        let mut bytes = Vec::new();
        encode(&item, &mut bytes);
        for cut in 0..bytes.len() {
            assert_eq!(decode("m-1", "t-1", &bytes[..cut]), None, "cut at {cut}");
        }
    }
}

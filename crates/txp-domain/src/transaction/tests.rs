//! The fold of one transaction: each sentence of the contract, and properties of every history.

mod classes;
mod disputes;
mod properties;

use super::*;
use crate::event::{RejectedRow, RowEvent, RowOutcome};
use crate::id::UploadId;
use crate::money::{Amount, Currency};
use crate::position::{Bucket, Sequence};
use crate::row::{CardFacts, Country, Facts, Mcc, TransactionType};

const KEY: &str = "bcdfghjk";
const VIOLATIONS: &str = r#"[{"code":"value_missing","message":"m","hint":"h"}]"#;

fn upload() -> UploadId {
    UploadId::new(1, [1; 6])
}

fn event(record: u64) -> EventId {
    EventId {
        upload_id: upload(),
        record,
    }
}

fn position(sequence: u64) -> Position {
    Position {
        bucket: Bucket(7),
        sequence: Sequence::from(sequence),
        subsequence: 0,
    }
}

fn sale() -> Facts<'static> {
    Facts {
        transaction_id: "t",
        merchant_id: "m",
        amount: Amount(1230),
        currency: Currency::USD,
        kind: TransactionType::Sale,
        original_transaction_id: None,
        terminal_id: None,
        country: None,
        mcc: None,
        timestamp: Timestamp(5_000),
        time_source: TimeSource::File,
        card: CardFacts {
            last4: Last4(*b"4242"),
            brand: Brand::Visa,
            fingerprint: crate::card::Fingerprint([7; 16]),
        },
    }
}

fn of(minor: u64) -> Facts<'static> {
    Facts {
        amount: Amount(minor),
        ..sale()
    }
}

fn row<'a>(record: u64, outcome: RowOutcome<'a>) -> RowEvent<'a> {
    RowEvent {
        upload_id: upload(),
        uploaded_at: Timestamp(9_000),
        record,
        line: record + 1,
        outcome,
    }
}

fn valid(record: u64, facts: Facts<'static>) -> RowEvent<'static> {
    row(record, RowOutcome::Valid { facts, key_id: KEY })
}

fn rejected(record: u64) -> RowEvent<'static> {
    let ids = Some(("m", "t"));
    let violations = VIOLATIONS;
    row(
        record,
        RowOutcome::Rejected(RejectedRow { ids, violations }),
    )
}

fn empty() -> Transaction {
    Transaction::empty("m", "t")
}

/// Applies rows at positions that are their records.
fn apply(item: &mut Transaction, row: &RowEvent<'_>) -> Applied {
    item.apply_row(row, &position(row.record), row.record as i64)
}

/// The item that these rows make.
fn folded(rows: &[RowEvent<'_>]) -> Transaction {
    let mut item = empty();
    for row in rows {
        apply(&mut item, row);
    }
    item
}

fn flag(item: &mut Transaction, id: &str, at: u64) -> bool {
    item.apply_flag(id, "{}", &position(at), at as i64)
}

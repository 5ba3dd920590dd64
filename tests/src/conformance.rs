//! What every adapter of a port must do, as plain functions over the port: called for the embedded
//! stores and for those on AWS.
//!
//! Each function brings ids of its own, so that all of them may use one store, in any order, once.
//! They are functions and no trait or macro, so that an adapter's test is read as a list of what it
//! holds.

pub mod alerts;
pub mod events;
pub mod messages;
pub mod objects;
pub mod profiles;
pub mod quarantine;
pub mod reports;
pub mod source;
pub mod transactions;
pub mod uploads;

use txp_domain::card::{Brand, Fingerprint, Last4};
use txp_domain::event::{RowEvent, RowOutcome};
use txp_domain::id::UploadId;
use txp_domain::money::{Amount, Currency};
use txp_domain::position::{Bucket, Position, Sequence};
use txp_domain::row::{CardFacts, Facts, TimeSource, TransactionType};
use txp_domain::time::Timestamp;

/// When the tests take place.
pub const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

/// An upload of its own for each number.
#[must_use]
pub fn upload_id(number: u8) -> UploadId {
    UploadId::new(1_700_000_000_000 + u64::from(number), [number; 6])
}

/// A sale that a row tells of.
#[must_use]
pub fn sale<'a>(merchant_id: &'a str, transaction_id: &'a str, minor: u64) -> Facts<'a> {
    Facts {
        transaction_id,
        merchant_id,
        amount: Amount(minor),
        currency: Currency::USD,
        kind: TransactionType::Sale,
        original_transaction_id: None,
        terminal_id: None,
        country: None,
        mcc: None,
        timestamp: NOW,
        time_source: TimeSource::File,
        card: CardFacts {
            last4: Last4(*b"1111"),
            brand: Brand::Visa,
            fingerprint: Fingerprint([7; 16]),
        },
    }
}

/// The event of a valid row.
#[must_use]
pub fn valid(upload_id: UploadId, record: u64, facts: Facts<'_>) -> RowEvent<'_> {
    RowEvent {
        upload_id,
        uploaded_at: NOW,
        record,
        line: record + 1,
        outcome: RowOutcome::Valid {
            facts,
            key_id: "bcdfghjk",
        },
    }
}

/// A place in the history, with a sequence number as long as those of Kinesis.
#[must_use]
pub fn position(bucket: u8, number: u64) -> Position {
    let digits = format!("4959033827149025660855969253836157109592{number:016}");
    Position {
        bucket: Bucket(bucket),
        sequence: Sequence::parse(&digits).unwrap(),
        subsequence: number % 7,
    }
}

//! Writing events as JSON.
//!
//! Rows are the hot path and go by hand, straight into the caller's buffer: of the envelope all but
//! five fields are the same for a whole upload. A differential test holds these bytes to what serde
//! writes of the same types. Everything else goes through serde.

use super::row::{RejectedData, TransactionData};
use super::{Event, EventType, RowEvent, RowOutcome, SPEC_VERSION, UploadEvent};
use crate::card::Brand;
use crate::id::UploadId;
use crate::row::{Facts, TransactionType};
use crate::time::Timestamp;
use crate::violation::{Violation, Violations};
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::io::Write;

/// Where the parts of a row stand in its encoded event, relative to the event's first byte.
///
/// They let a fold read a row from the bytes that go to the log, without a copy of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EncodedRow {
    /// Where `{merchant_id}/{transaction_id}` starts, the `subject` of a row with usable ids.
    pub subject_at: u32,
    /// Where the value of `original_transaction_id` starts; 0 without one.
    pub original_at: u32,
    /// Where the value of `terminal_id` starts; 0 without one.
    pub terminal_at: u32,
    /// Where the array of violations starts; 0 for a valid row.
    pub violations_at: u32,
    /// How long the array of violations is.
    pub violations_len: u32,
}

/// Writes the row events of one upload.
pub struct RowEncoder {
    /// From the start to the record number in the id.
    head: Vec<u8>,
    /// From behind the record number to the value of `subject`, by type.
    subject: [Vec<u8>; 3],
    /// From behind the subject to the value of `data`, by type.
    data: [Vec<u8>; 3],
    /// The upload id's letters.
    upload: Vec<u8>,
    key_id: Vec<u8>,
}

const ACCEPTED: usize = 0;
const DISPUTED: usize = 1;
const REJECTED: usize = 2;
const ROW_TYPES: [EventType; 3] = [
    EventType::TransactionAccepted,
    EventType::TransactionDisputed,
    EventType::RowRejected,
];

impl RowEncoder {
    /// An encoder for an upload, its cards' fingerprints made under `key_id`.
    #[must_use]
    pub fn new(upload_id: UploadId, uploaded_at: Timestamp, key_id: &str) -> Self {
        let head = format!(r#"{{"specversion":"{SPEC_VERSION}","id":"{upload_id}:"#).into_bytes();
        let subject = ROW_TYPES.map(|t| {
            format!(r#"","source":"/uploads/{upload_id}","type":"{t}","subject":""#).into_bytes()
        });
        let data = ROW_TYPES.map(|t| {
            let schema = t.data_schema();
            format!(r#"","time":"{uploaded_at}","dataschema":"{schema}","data":"#).into_bytes()
        });
        let upload = upload_id.to_string().into_bytes();
        Self {
            head,
            subject,
            data,
            upload,
            key_id: key_id.as_bytes().to_vec(),
        }
    }

    /// Writes the event of a valid row behind what `out` holds.
    pub fn valid(
        &self,
        record: u64,
        line: u64,
        facts: &Facts<'_>,
        out: &mut Vec<u8>,
    ) -> EncodedRow {
        let start = out.len();
        let mut at = EncodedRow::default();
        let kind = if facts.kind == TransactionType::Chargeback {
            DISPUTED
        } else {
            ACCEPTED
        };
        self.envelope(kind, record, out);
        at.subject_at = offset(start, out);
        out.extend_from_slice(facts.merchant_id.as_bytes());
        out.push(b'/');
        out.extend_from_slice(facts.transaction_id.as_bytes());
        out.extend_from_slice(part(&self.data, kind));
        out.extend_from_slice(br#"{"transaction_id":""#);
        out.extend_from_slice(facts.transaction_id.as_bytes());
        out.extend_from_slice(br#"","merchant_id":""#);
        out.extend_from_slice(facts.merchant_id.as_bytes());
        out.extend_from_slice(br#"","amount":""#);
        facts.amount.write_decimal(facts.currency, out);
        out.extend_from_slice(br#"","currency":""#);
        out.extend_from_slice(facts.currency.code().as_bytes());
        out.extend_from_slice(br#"","type":""#);
        out.extend_from_slice(facts.kind.name().as_bytes());
        out.extend_from_slice(br#"","timestamp":""#);
        facts.timestamp.write_rfc3339(out);
        out.extend_from_slice(br#"","time_source":""#);
        out.extend_from_slice(facts.time_source.name().as_bytes());
        self.card(facts, out);
        if let Some(original) = facts.original_transaction_id {
            out.extend_from_slice(br#","original_transaction_id":""#);
            at.original_at = offset(start, out);
            out.extend_from_slice(original.as_bytes());
            out.push(b'"');
        }
        if let Some(terminal) = facts.terminal_id {
            out.extend_from_slice(br#","terminal_id":""#);
            at.terminal_at = offset(start, out);
            out.extend_from_slice(terminal.as_bytes());
            out.push(b'"');
        }
        if let Some(country) = facts.country {
            string_field(br#","country":""#, country.code(), out);
        }
        if let Some(mcc) = facts.mcc {
            string_field(br#","mcc":""#, mcc.as_str(), out);
        }
        place(record, line, out);
        at
    }

    fn card(&self, facts: &Facts<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"","card":{"last4":""#);
        out.extend_from_slice(&facts.card.last4.0);
        out.extend_from_slice(br#"","brand":""#);
        out.extend_from_slice(Brand::name(facts.card.brand).as_bytes());
        out.extend_from_slice(br#"","fingerprint":""#);
        facts.card.fingerprint.write_letters(out);
        out.extend_from_slice(br#"","key_id":""#);
        out.extend_from_slice(&self.key_id);
        out.extend_from_slice(br#""}"#);
    }

    /// Writes the event of an invalid row behind what `out` holds; `ids` are merchant and
    /// transaction where both are usable.
    pub fn rejected(
        &self,
        record: u64,
        line: u64,
        ids: Option<(&str, &str)>,
        violations: &Violations,
        out: &mut Vec<u8>,
    ) -> EncodedRow {
        let start = out.len();
        let mut at = EncodedRow::default();
        self.envelope(REJECTED, record, out);
        at.subject_at = offset(start, out);
        if let Some((merchant_id, transaction_id)) = ids {
            out.extend_from_slice(merchant_id.as_bytes());
            out.push(b'/');
            out.extend_from_slice(transaction_id.as_bytes());
        } else {
            out.extend_from_slice(&self.upload);
            out.push(b'/');
            number(record, out);
        }
        out.extend_from_slice(part(&self.data, REJECTED));
        out.push(b'{');
        if let Some((merchant_id, transaction_id)) = ids {
            string_field(br#""transaction_id":""#, transaction_id, out);
            string_field(br#","merchant_id":""#, merchant_id, out);
            out.push(b',');
        }
        out.extend_from_slice(br#""violations":"#);
        at.violations_at = offset(start, out);
        violation_array(violations, out);
        at.violations_len = offset(start, out) - at.violations_at;
        place(record, line, out);
        at
    }

    fn envelope(&self, kind: usize, record: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        number(record, out);
        out.extend_from_slice(part(&self.subject, kind));
    }
}

/// Writes any event. Rows of a whole upload go faster through a [`RowEncoder`].
///
/// # Errors
/// None in practice: our types have no map keys that JSON cannot hold.
pub fn encode(event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    match event {
        Event::Row(row) => encode_row(row, out),
        Event::Upload(UploadEvent::Received(data)) => envelope(event, data, out),
        Event::Upload(UploadEvent::Parsed(data)) => envelope(event, data, out),
        Event::Upload(UploadEvent::Failed(data)) => envelope(event, data, out),
        Event::AnomalyFlagged(data) => envelope(event, data, out),
        Event::RulesetActivated(data) => envelope(event, data, out),
    }
}

/// A row's event by serde alone: what the encoder by hand is held to.
fn encode_row(row: &RowEvent<'_>, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let event = Event::Row(row.clone());
    match &row.outcome {
        RowOutcome::Valid { facts, key_id } => envelope(
            &event,
            &TransactionData::of(facts, key_id, row.record, row.line),
            out,
        ),
        RowOutcome::Rejected(rejected) => {
            let violations: &RawValue = serde_json::from_str(rejected.violations)?;
            let data = RejectedData {
                transaction_id: rejected
                    .ids
                    .map(|(_, transaction_id)| Cow::Borrowed(transaction_id)),
                merchant_id: rejected
                    .ids
                    .map(|(merchant_id, _)| Cow::Borrowed(merchant_id)),
                violations,
                record: row.record,
                line: row.line,
            };
            envelope(&event, &data, out)
        }
    }
}

#[derive(Serialize)]
struct Envelope<'a, D> {
    specversion: &'a str,
    id: String,
    source: String,
    r#type: &'a str,
    subject: String,
    time: Timestamp,
    dataschema: String,
    data: &'a D,
}

fn envelope<D: Serialize>(
    event: &Event<'_>,
    data: &D,
    out: &mut Vec<u8>,
) -> Result<(), serde_json::Error> {
    let event_type = event.event_type();
    let envelope = Envelope {
        specversion: SPEC_VERSION,
        id: event.id(),
        source: event.source(),
        r#type: event_type.name(),
        subject: event.subject(),
        time: event.time(),
        dataschema: event_type.data_schema(),
        data,
    };
    serde_json::to_writer(out, &envelope)
}

/// Writes the array of [`super::ViolationData`].
fn violation_array(violations: &Violations, out: &mut Vec<u8>) {
    let mut opening = b'[';
    for violation in violations {
        out.push(opening);
        violation_object(violation, out);
        opening = b',';
    }
    if violations.is_empty() {
        out.push(opening);
    }
    out.push(b']');
}

/// Our own words, codes and column names need no escapes: a test holds this to serde for each code.
fn violation_object(violation: &Violation, out: &mut Vec<u8>) {
    string_field(br#"{"code":""#, violation.code.name(), out);
    if let Some(column) = violation.column {
        string_field(br#","field":""#, column.name(), out);
    }
    out.extend_from_slice(br#","message":""#);
    let start = out.len();
    if write!(out, "{}", violation.message()).is_err() {
        out.truncate(start);
    }
    string_field(br#"","hint":""#, violation.hint(), out);
    out.push(b'}');
}

fn part(parts: &[Vec<u8>; 3], kind: usize) -> &[u8] {
    parts.get(kind).map_or(&[], Vec::as_slice)
}

fn offset(start: usize, out: &[u8]) -> u32 {
    u32::try_from(out.len() - start).unwrap_or(u32::MAX)
}

fn string_field(name: &[u8], value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

fn place(record: u64, line: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(br#","record":"#);
    number(record, out);
    out.extend_from_slice(br#","line":"#);
    number(line, out);
    out.extend_from_slice(b"}}");
}

/// Writes a number in decimal, without the machinery of formatting.
fn number(mut n: u64, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + u8::try_from(n % 10).unwrap_or(0);
        n /= 10;
        used += 1;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or(&digits));
}

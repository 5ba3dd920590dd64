//! Writing events as JSON.
//!
//! Rows are the hot path and go by hand, straight into the caller's buffer: of the envelope all but
//! five fields are the same for a whole upload. A differential test holds these bytes to what serde
//! writes of the same types. Everything else goes through serde.

use super::pen::Pen;
use super::row::{RejectedData, TransactionData};
use super::{Event, EventType, RowEvent, RowOutcome, SPEC_VERSION, UploadEvent};
use crate::card::Brand;
use crate::id::UploadId;
use crate::row::{Facts, TimeSource, TransactionType};
use crate::text::decimal;
use crate::time::Timestamp;
use crate::trace::TraceParent;
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
    /// Where the 32 letters of the card's fingerprint start; 0 for an invalid row.
    pub fingerprint_at: u32,
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
    /// The end of `data` in events of valid rows, up to the value of `transaction_id`.
    transaction: [Vec<u8>; 2],
    /// From behind the fingerprint to the end of the card.
    card_end: Vec<u8>,
    /// The upload id's letters.
    upload: Vec<u8>,
    /// What the event of a valid row takes beside its identifiers, at the most.
    room: usize,
}

const ACCEPTED: usize = 0;
const DISPUTED: usize = 1;
const REJECTED: usize = 2;
const ROW_TYPES: [EventType; 3] = [
    EventType::TransactionAccepted,
    EventType::TransactionDisputed,
    EventType::RowRejected,
];

/// What a valid row's event has beside its identifiers and what is the same for a whole upload: the
/// names of fields (some 300 bytes), numbers, amount, time and card.
const VALUES_BYTES_MAX: usize = 640;

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
        let [accepted, disputed, _] = &data;
        let transaction =
            [accepted, disputed].map(|data| [data.as_slice(), br#"{"transaction_id":""#].concat());
        let card_end = format!(r#"","key_id":"{key_id}"}}"#).into_bytes();
        let longest = |parts: &[Vec<u8>]| parts.iter().map(Vec::len).max().unwrap_or(0);
        let room = VALUES_BYTES_MAX
            + head.len()
            + longest(&subject)
            + longest(&transaction)
            + card_end.len();
        Self {
            head,
            subject,
            data,
            transaction,
            card_end,
            upload: upload_id.to_string().into_bytes(),
            room,
        }
    }

    /// Writes the event of a valid row behind what `out` holds.
    pub fn valid<T: AsRef<[u8]> + ?Sized>(
        &self,
        record: u64,
        line: u64,
        facts: &Facts<'_, T>,
        out: &mut Vec<u8>,
    ) -> EncodedRow {
        let start = out.len();
        let length = |identifier: &T| identifier.as_ref().len();
        let identifiers = 2 * (length(facts.merchant_id) + length(facts.transaction_id))
            + facts.original_transaction_id.map_or(0, length)
            + facts.terminal_id.map_or(0, length);
        let mut room = self.room + identifiers;
        loop {
            out.resize(start + room, 0);
            let mut pen = Pen::new(out.get_mut(start..).unwrap_or_default());
            let at = self.write_valid(record, line, facts, &mut pen);
            if let Some(written) = pen.written() {
                out.truncate(start + written);
                return at;
            }
            debug_assert!(false, "the room is enough for any row");
            room *= 2;
        }
    }

    fn write_valid<T: AsRef<[u8]> + ?Sized>(
        &self,
        record: u64,
        line: u64,
        facts: &Facts<'_, T>,
        pen: &mut Pen<'_>,
    ) -> EncodedRow {
        let mut at = EncodedRow::default();
        let kind = if facts.kind == TransactionType::Chargeback {
            DISPUTED
        } else {
            ACCEPTED
        };
        pen.text(&self.head);
        pen.number(record);
        pen.text(part(&self.subject, kind));
        pen.text(facts.merchant_id.as_ref());
        pen.put(b"/");
        pen.text(facts.transaction_id.as_ref());
        pen.text(part(&self.transaction, kind));
        pen.text(facts.transaction_id.as_ref());
        pen.put(br#"","merchant_id":""#);
        pen.text(facts.merchant_id.as_ref());
        pen.put(br#"","amount":""#);
        pen.amount(facts.amount.0, facts.currency.minor_digits());
        pen.put(br#"","currency":""#);
        pen.text(facts.currency.code().as_bytes());
        match facts.kind {
            TransactionType::Sale => pen.put(br#"","type":"sale","timestamp":""#),
            TransactionType::Refund => pen.put(br#"","type":"refund","timestamp":""#),
            TransactionType::Chargeback => pen.put(br#"","type":"chargeback","timestamp":""#),
        }
        pen.moment(facts.timestamp);
        match facts.time_source {
            TimeSource::File => pen.put(br#"","time_source":"file","card":{"last4":""#),
            TimeSource::Upload => pen.put(br#"","time_source":"upload","card":{"last4":""#),
        }
        pen.put(&facts.card.last4.0);
        pen.put(br#"","brand":""#);
        pen.text(Brand::name(facts.card.brand).as_bytes());
        pen.put(br#"","fingerprint":""#);
        at.fingerprint_at = pen.place();
        pen.put(&facts.card.fingerprint.letters());
        pen.text(&self.card_end);
        if let Some(original) = facts.original_transaction_id {
            pen.put(br#","original_transaction_id":""#);
            pen.text(original.as_ref());
            pen.put(b"\"");
        }
        if let Some(terminal) = facts.terminal_id {
            pen.put(br#","terminal_id":""#);
            pen.text(terminal.as_ref());
            pen.put(b"\"");
        }
        if let Some(country) = facts.country {
            pen.put(br#","country":""#);
            pen.text(country.code().as_bytes());
            pen.put(b"\"");
        }
        if let Some(mcc) = facts.mcc {
            pen.put(br#","mcc":""#);
            pen.put(&mcc.0);
            pen.put(b"\"");
        }
        pen.put(br#","record":"#);
        pen.number(record);
        pen.put(br#","line":"#);
        pen.number(line);
        pen.put(b"}}");
        at
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
        Event::Upload(upload) => match &**upload {
            UploadEvent::Received(data) => envelope(event, data, out),
            UploadEvent::Parsed(data) => envelope(event, data, out),
            UploadEvent::Failed(data) => envelope(event, data, out),
        },
        Event::AnomalyFlagged(data) => envelope(event, data, out),
        Event::AnomalyShadowed(data) => envelope(event, data, out),
        Event::RulesetActivated(data) => envelope(event, data, out),
        Event::RulesetShadowed(data) => envelope(event, data, out),
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
    /// CloudEvents' extension for distributed tracing.
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
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
        traceparent: event.trace().map(TraceParent::as_str),
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

fn part(parts: &[Vec<u8>], kind: usize) -> &[u8] {
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
fn number(n: u64, out: &mut Vec<u8>) {
    let (digits, start) = decimal(n);
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

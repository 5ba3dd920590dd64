//! A batch of the history as typed values, owned: read on one thread, folded on another.
//!
//! Identifiers and violations lie in one text, values beside it, so that a batch that goes round costs
//! no allocation. What cannot be read is named by position and takes no part.

use crate::batch::Delivery;
use crate::history::{NoObject, Recorded};
use crate::port::{Poison, SourceBatch};
use txp_domain::event::{
    Decoded, Event, RejectedRow, RowEvent, RowOutcome, decode, read_plain_row,
};
use txp_domain::id::UploadId;
use txp_domain::money::{Amount, Currency};
use txp_domain::position::Position;
use txp_domain::row::{CardFacts, Country, Facts, Mcc, TimeSource, TransactionType};
use txp_domain::time::Timestamp;

/// What events that cannot be read name as the stage that could not process them.
pub const STAGE: &str = "replay";

/// Typed events, in order.
#[derive(Debug, Default)]
pub struct ReadBatch {
    texts: String,
    uploads: Vec<UploadContext>,
    entries: Vec<Entry>,
    poisons: Vec<Poison>,
    /// The place behind the batch, as its source names it.
    pub cursor: String,
}

/// What rows that follow each other share.
#[derive(Debug, PartialEq)]
struct UploadContext {
    upload_id: UploadId,
    uploaded_at: Timestamp,
    key_id: Box<str>,
}

#[derive(Debug)]
struct Entry {
    position: Position,
    arrival_millis: i64,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Row(Row),
    Other(Box<Event<'static>>),
}

#[derive(Clone, Copy, Debug)]
struct Row {
    upload: u32,
    record: u64,
    line: u64,
    texts_at: u32,
    merchant_len: u8,
    transaction_len: u8,
    original_len: u8,
    terminal_len: u8,
    /// Of an invalid row: how long its violations are, behind the identifiers.
    violations_len: u32,
    values: Option<Values>,
}

#[derive(Clone, Copy, Debug)]
struct Values {
    amount: Amount,
    currency: Currency,
    kind: TransactionType,
    time_source: TimeSource,
    country: Option<Country>,
    mcc: Option<Mcc>,
    timestamp: Timestamp,
    card: CardFacts,
}

impl ReadBatch {
    /// Reads a batch of a source in place of what is in here.
    pub fn read(&mut self, batch: &SourceBatch, cursor: String) {
        self.texts.clear();
        self.uploads.clear();
        self.entries.clear();
        self.poisons.clear();
        self.cursor = cursor;
        for recorded in batch.events() {
            self.read_one(recorded);
        }
    }

    /// How many events were read, those that cannot be among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() + self.poisons.len()
    }

    /// Whether there were none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What cannot be read, in order.
    #[must_use]
    pub fn poisons(&self) -> &[Poison] {
        &self.poisons
    }

    /// The events as stages see them, in order.
    pub fn deliveries(&self) -> impl Iterator<Item = Delivery<'_>> {
        self.entries.iter().map(|entry| Delivery {
            position: entry.position.clone(),
            arrival_millis: entry.arrival_millis,
            event: match &entry.body {
                Body::Row(row) => Event::Row(self.row(row)),
                Body::Other(event) => Event::clone(event),
            },
        })
    }

    fn read_one(&mut self, recorded: Recorded<'_>) {
        if let Some(row) = read_plain_row(recorded.bytes) {
            self.push_row(&row, recorded.position, recorded.arrival_millis);
            return;
        }
        let reason = match decode(recorded.bytes) {
            // An array of the attributes' values could pass for the object.
            Ok(_) if recorded.attributes().is_none() => NoObject.to_string(),
            Ok(decoded) => {
                self.push_decoded(decoded, recorded.position, recorded.arrival_millis);
                return;
            }
            Err(error) => error.to_string(),
        };
        self.poisons.push(Poison {
            position: recorded.position,
            stage: STAGE,
            reason,
        });
    }

    fn push_decoded(&mut self, decoded: Decoded<'_>, position: Position, arrival_millis: i64) {
        let event = match decoded {
            Decoded::Transaction { .. } | Decoded::Rejected { .. } => {
                if let Event::Row(row) = decoded.event() {
                    self.push_row(&row, position, arrival_millis);
                }
                return;
            }
            Decoded::Upload(event) => Event::Upload(event),
            Decoded::AnomalyFlagged(event) => Event::AnomalyFlagged(event),
            Decoded::AnomalyShadowed(event) => Event::AnomalyShadowed(event),
            Decoded::RulesetActivated(event) => Event::RulesetActivated(event),
            Decoded::RulesetShadowed(event) => Event::RulesetShadowed(event),
        };
        self.entries.push(Entry {
            position,
            arrival_millis,
            body: Body::Other(Box::new(event)),
        });
    }

    fn push_row(&mut self, row: &RowEvent<'_>, position: Position, arrival_millis: i64) {
        let texts_at = length(self.texts.len());
        let mut packed = Row {
            upload: 0,
            record: row.record,
            line: row.line,
            texts_at,
            merchant_len: 0,
            transaction_len: 0,
            original_len: 0,
            terminal_len: 0,
            violations_len: 0,
            values: None,
        };
        let mut key_of = "";
        match &row.outcome {
            RowOutcome::Valid { facts, key_id } => {
                key_of = key_id;
                packed.merchant_len = self.put(facts.merchant_id);
                packed.transaction_len = self.put(facts.transaction_id);
                packed.original_len = facts.original_transaction_id.map_or(0, |t| self.put(t));
                packed.terminal_len = facts.terminal_id.map_or(0, |t| self.put(t));
                packed.values = Some(Values {
                    amount: facts.amount,
                    currency: facts.currency,
                    kind: facts.kind,
                    time_source: facts.time_source,
                    country: facts.country,
                    mcc: facts.mcc,
                    timestamp: facts.timestamp,
                    card: facts.card,
                });
            }
            RowOutcome::Rejected(rejected) => {
                if let Some((merchant_id, transaction_id)) = rejected.ids {
                    packed.merchant_len = self.put(merchant_id);
                    packed.transaction_len = self.put(transaction_id);
                }
                self.texts.push_str(rejected.violations);
                packed.violations_len = length(rejected.violations.len());
            }
        }
        packed.upload = self.upload(row.upload_id, row.uploaded_at, key_of);
        self.entries.push(Entry {
            position,
            arrival_millis,
            body: Body::Row(packed),
        });
    }

    /// Identifiers have at most 64 bytes.
    fn put(&mut self, identifier: &str) -> u8 {
        self.texts.push_str(identifier);
        u8::try_from(identifier.len()).unwrap_or(u8::MAX)
    }

    /// Rows of one upload follow each other, nearly always.
    fn upload(&mut self, upload_id: UploadId, uploaded_at: Timestamp, key_id: &str) -> u32 {
        let is_last = self.uploads.last().is_some_and(|last| {
            last.upload_id == upload_id
                && last.uploaded_at == uploaded_at
                && (key_id.is_empty() || *last.key_id == *key_id)
        });
        if !is_last {
            self.uploads.push(UploadContext {
                upload_id,
                uploaded_at,
                key_id: key_id.into(),
            });
        }
        length(self.uploads.len() - 1)
    }

    fn row(&self, row: &Row) -> RowEvent<'_> {
        let mut at = row.texts_at as usize;
        let mut next = |len: usize| {
            let text = self.texts.get(at..at + len).unwrap_or_default();
            at += len;
            text
        };
        let merchant_id = next(usize::from(row.merchant_len));
        let transaction_id = next(usize::from(row.transaction_len));
        let original = next(usize::from(row.original_len));
        let terminal = next(usize::from(row.terminal_len));
        let context = self.uploads.get(row.upload as usize);
        let outcome = match &row.values {
            Some(values) => RowOutcome::Valid {
                facts: Facts {
                    transaction_id,
                    merchant_id,
                    amount: values.amount,
                    currency: values.currency,
                    kind: values.kind,
                    original_transaction_id: some(original),
                    terminal_id: some(terminal),
                    country: values.country,
                    mcc: values.mcc,
                    timestamp: values.timestamp,
                    time_source: values.time_source,
                    card: values.card,
                },
                key_id: context.map_or("", |context| &context.key_id),
            },
            None => RowOutcome::Rejected(RejectedRow {
                ids: some(merchant_id).map(|merchant_id| (merchant_id, transaction_id)),
                violations: next(row.violations_len as usize),
            }),
        };
        RowEvent {
            upload_id: context.map_or_else(UploadId::default, |context| context.upload_id),
            uploaded_at: context.map_or(Timestamp::EPOCH, |context| context.uploaded_at),
            record: row.record,
            line: row.line,
            outcome,
        }
    }
}

/// Identifiers are never empty.
fn some(identifier: &str) -> Option<&str> {
    (!identifier.is_empty()).then_some(identifier)
}

/// A batch of a source is far below 4 GiB.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

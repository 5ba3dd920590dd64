//! The stream of the transactions' table as judgements that are due.
//!
//! A record holds an item before and after one write. A judgement is due for each facts revision
//! that the write made, if a live writer made it: the first acceptance, or a conflict that was newly
//! kept. The item holds all that judging takes, so the deliveries made here are judged exactly as
//! those that the embedded host folds; their positions are those of the events, from the item's
//! history, not the stream's.
//!
//! An item that a replay had written, and that a live writer has written again without a change, was
//! taken over: none of its facts was judged live, so all are due.
//!
//! A record is taken apart as loosely as it can be: what is not known is passed over, and one that
//! makes no sense is poison, beside others that do.

mod image;

use super::attributes::{Fields, Item};
use super::position;
use super::transactions::codec;
use image::item_of;
use serde::Deserialize;
use serde_json::Value;
use txp_domain::event::{Event, RowEvent, RowOutcome};
use txp_domain::id::EventId;
use txp_domain::position::{Bucket, Position, Sequence};
use txp_domain::row::Facts;
use txp_domain::transaction::{
    FIRST_FACTS_REVISION, FirstAccepted, HistoryEvent, Transaction, Writer,
};
use txp_pipeline::batch::Delivery;
use txp_pipeline::port::Poison;
use txp_pipeline::stage::aggregate::Change;

/// The stage, as quarantine names it.
pub const STAGE: &str = "anomaly";

const NEW_IMAGE: &str = "NewImage";

/// A record of the stream, as Lambda delivers it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct StreamRecord(Value);

impl StreamRecord {
    /// By which Lambda is told that the record is to come again; empty if it has none.
    #[must_use]
    pub fn sequence_number(&self) -> &str {
        self.part("SequenceNumber").as_str().unwrap_or_default()
    }

    /// What was done: `INSERT`, `MODIFY`, `REMOVE`.
    fn name(&self) -> &str {
        let name = self.0.get("eventName").and_then(Value::as_str);
        name.unwrap_or_default()
    }

    /// Keys, an image, a number; null if there is none.
    fn part(&self, name: &str) -> &Value {
        let part = self.0.get("dynamodb").and_then(|parts| parts.get(name));
        part.unwrap_or(&Value::Null)
    }
}

/// The judgements that a batch of records makes due, and what of it cannot be read.
#[derive(Debug, Default)]
pub struct Feed {
    items: Vec<FeedItem>,
    /// The records that make no sense, by index.
    pub poison: Vec<(usize, Poison)>,
}

#[derive(Debug)]
struct FeedItem {
    record: usize,
    item: Transaction,
    /// The facts revision before the write.
    before: u32,
}

/// Judgements as the detector takes them; a delivery for each change.
#[derive(Debug, Default)]
pub struct Judgements<'a> {
    /// The rows that are judged.
    pub deliveries: Vec<Delivery<'a>>,
    /// Why.
    pub changes: Vec<Change>,
    /// The index of the record that each delivery comes from.
    pub records: Vec<usize>,
}

impl Feed {
    /// Reads records.
    #[must_use]
    pub fn read(records: &[StreamRecord]) -> Self {
        let mut feed = Self::default();
        for (index, record) in records.iter().enumerate() {
            match read(record) {
                Ok(Some((item, before))) => feed.items.push(FeedItem {
                    record: index,
                    item,
                    before,
                }),
                Ok(None) => {}
                Err(reason) => feed.poison.push((index, poison(record, reason))),
            }
        }
        feed
    }

    /// The judgements that are due, in the order of the records.
    #[must_use]
    pub fn judgements(&self) -> Judgements<'_> {
        let mut judgements = Judgements::default();
        for FeedItem {
            record,
            item,
            before,
        } in &self.items
        {
            for facts_revision in before + 1..=item.facts_revision {
                // That each can be made was seen when the record was read.
                let Some((row, standing)) = judged(item, facts_revision) else {
                    continue;
                };
                judgements.changes.push(Change {
                    delivery: judgements.deliveries.len(),
                    facts_revision,
                    standing,
                });
                judgements.deliveries.push(Delivery {
                    position: position_of(item, row.event_id()),
                    arrival_millis: arrival_of(item, row.event_id()),
                    event: Event::Row(row),
                });
                judgements.records.push(*record);
            }
        }
        judgements
    }
}

/// The item after the write and its facts revision before, if judgements are due.
fn read(record: &StreamRecord) -> Result<Option<(Transaction, u32)>, &'static str> {
    match record.name() {
        "INSERT" | "MODIFY" => {}
        "REMOVE" => return Ok(None),
        _ => return Err("the stream's record says nothing known of what was done"),
    }
    let new = item_of(record.part(NEW_IMAGE))
        .ok_or("the stream's record has no readable image of the item after the write")?;
    if Fields(&new)
        .optional_text("writer")
        .is_ok_and(|writer| writer.is_some_and(|writer| writer != codec::LIVE))
    {
        return Ok(None);
    }
    let item = codec::decode(Fields(&new))
        .map_err(|_| "the image of the item after the write is damaged")?;
    let before = facts_revision_before(record.part("OldImage"), &item)?;
    if item.facts_revision <= before || item.writer != Writer::Live {
        return Ok(None);
    }
    let mut due = before + 1..=item.facts_revision;
    if due.any(|revision| judged(&item, revision).is_none()) {
        return Err("the item does not hold the row that is to be judged");
    }
    Ok(Some((item, before)))
}

fn facts_revision_before(image: &Value, new: &Transaction) -> Result<u32, &'static str> {
    if image.is_null() {
        return Ok(0);
    }
    let old = item_of(image);
    let is_taken_over = old.as_ref().is_some_and(|old| {
        let old = Fields(old);
        let writer = old.optional_text("writer").ok().flatten();
        writer.is_some_and(|writer| writer != codec::LIVE)
            && old.number("revision") == Ok(new.revision)
    });
    if is_taken_over {
        return Ok(0);
    }
    let revision = old.and_then(|old| Fields(&old).number("facts_revision").ok());
    revision.ok_or("the image of the item before the write is damaged")
}

/// The row that made a facts revision, and the one that stands where it is a conflict with it.
fn judged(
    item: &Transaction,
    facts_revision: u32,
) -> Option<(RowEvent<'_>, Option<Box<FirstAccepted>>)> {
    let first = item.first.as_ref()?;
    let facts = first.facts(&item.key.merchant_id, &item.key.transaction_id);
    let key_id = &*first.content.key_id;
    if facts_revision == FIRST_FACTS_REVISION {
        let row = RowEvent {
            upload_id: first.event.upload_id,
            uploaded_at: first.uploaded_at,
            record: first.event.record,
            line: first.line,
            outcome: RowOutcome::Valid { facts, key_id },
        };
        return Some((row, None));
    }
    let at = facts_revision.checked_sub(FIRST_FACTS_REVISION + 1)?;
    let kept = item.conflicts.get(usize::try_from(at).ok()?)?;
    let conflicting = kept.row.as_ref()?;
    // Nothing else of a conflict is judged; the rest is that of the row that stands.
    let facts = Facts {
        kind: conflicting.kind,
        amount: conflicting.amount,
        currency: conflicting.currency,
        timestamp: conflicting.timestamp,
        ..facts
    };
    let row = RowEvent {
        upload_id: conflicting.event.upload_id,
        uploaded_at: conflicting.uploaded_at,
        record: conflicting.event.record,
        line: first.line,
        outcome: RowOutcome::Valid { facts, key_id },
    };
    Some((row, Some(Box::new(first.clone()))))
}

fn entry_of(item: &Transaction, event: EventId) -> Option<&txp_domain::transaction::HistoryEntry> {
    item.history.iter().find(
        |entry| matches!(&entry.what, HistoryEvent::Row { event: known, .. } if *known == event),
    )
}

/// Where an event stands. A full history does not tell; the write was made for the event, so it is
/// where the item stands.
fn position_of(item: &Transaction, event: EventId) -> Position {
    let entry = entry_of(item, event).map(|entry| &entry.position);
    entry.or(item.as_of.as_ref()).cloned().unwrap_or(Position {
        bucket: bucket_of(&item.key.merchant_id, &item.key.transaction_id),
        sequence: Sequence::from(0),
        subsequence: 0,
    })
}

fn arrival_of(item: &Transaction, event: EventId) -> i64 {
    let entry = entry_of(item, event).or(item.history.last());
    entry.map_or(0, |entry| entry.arrival_millis)
}

fn bucket_of(merchant_id: &str, transaction_id: &str) -> Bucket {
    Bucket::of(format!("{merchant_id}/{transaction_id}").as_bytes())
}

/// A record that makes no sense, by the position of the item's last event or, where even that is
/// not to be read, by the stream's own number.
fn poison(record: &StreamRecord, reason: &str) -> Poison {
    let image = record.part(NEW_IMAGE);
    let as_of = image.get("as_of").and_then(|as_of| as_of.get("S"));
    let as_of = as_of.and_then(Value::as_str).and_then(position::read);
    Poison {
        position: as_of.unwrap_or_else(|| position_in_stream(record)),
        stage: STAGE,
        reason: reason.to_owned(),
    }
}

fn position_in_stream(record: &StreamRecord) -> Position {
    let keys: Item = item_of(record.part("Keys")).unwrap_or_default();
    let key = |name| Fields(&keys).text(name).unwrap_or_default();
    Position {
        bucket: bucket_of(key("merchant_id"), key("transaction_id")),
        sequence: Sequence::parse(record.sequence_number()).unwrap_or(Sequence::from(0)),
        subsequence: 0,
    }
}

#[cfg(test)]
mod tests;

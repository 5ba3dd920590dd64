//! A transaction as an item that people and exports read.
//!
//! Names are those of the status document. Absent attributes are absent values, empty lists and
//! false flags. An entry of the history whose position is that of the whole item does not repeat
//! it: this keeps a fresh item under one write unit, however long its identifiers are.

use super::super::attributes::{Damage, Fields, Item, Pen, bytes, text};
use super::super::position;
use super::amount;
use aws_sdk_dynamodb::types::AttributeValue;
use txp_domain::card::{Brand, Fingerprint, Last4};
use txp_domain::event::EventType;
use txp_domain::id::EventId;
use txp_domain::money::{Amount, Currency};
use txp_domain::position::Position;
use txp_domain::row::{Country, Mcc, TimeSource, TransactionType};
use txp_domain::time::Timestamp;
use txp_domain::transaction::{
    Class, ConflictDigest, ConflictingRow, Content, FirstAccepted, Flag, HistoryEntry,
    HistoryEvent, KeptConflict, Rejection, Transaction, Writer,
};

/// The running pipeline as a writer.
pub(in crate::dynamodb) const LIVE: &str = "live";
/// What comes before a replay's id as a writer.
const REPLAY: &str = "replay:";

/// Makes the item.
pub(in crate::dynamodb) fn encode(transaction: &Transaction) -> Item {
    let mut pen = Pen::default();
    pen.text("transaction_id", &*transaction.key.transaction_id);
    pen.text("merchant_id", &*transaction.key.merchant_id);
    pen.text("status", transaction.status().name());
    if let Some(first) = &transaction.first {
        encode_first(&mut pen, first);
    }
    if let Some(rejection) = &transaction.rejection {
        let mut inner = Pen::default();
        inner.text("event", rejection.event.to_string());
        inner.number("line", rejection.line);
        inner.text("reasons", &*rejection.violations);
        pen.put("rejection", inner.into_map());
    }
    let conflicts = transaction.conflicts.iter();
    pen.list("conflicts", conflicts.map(encode_conflict).collect());
    let disputes = transaction.disputes.iter();
    pen.list(
        "disputes",
        disputes.map(|id| text(id.to_string())).collect(),
    );
    let flags = transaction.flags.iter().map(|flag| {
        let mut inner = Pen::default();
        inner.text("event", &*flag.event);
        inner.text("finding", &*flag.finding);
        inner.into_map()
    });
    pen.list("flags", flags.collect());
    let as_of = transaction.as_of.as_ref();
    let history = transaction.history.iter();
    pen.list(
        "history",
        history.map(|entry| encode_entry(entry, as_of)).collect(),
    );
    pen.flag("conflicts_truncated", transaction.conflicts_truncated);
    pen.flag("disputes_truncated", transaction.disputes_truncated);
    pen.flag("history_truncated", transaction.history_truncated);
    pen.number("revision", transaction.revision);
    pen.number("facts_revision", transaction.facts_revision);
    if let Some(as_of) = as_of {
        pen.text("as_of", position::write(as_of));
    }
    match &transaction.writer {
        Writer::Live => pen.text("writer", LIVE),
        Writer::Replay(id) => pen.text("writer", format!("{REPLAY}{id}")),
    }
    pen.0
}

fn encode_first(pen: &mut Pen, first: &FirstAccepted) {
    let content = &first.content;
    let amount = amount::write(content.amount, content.currency);
    pen.put("amount", AttributeValue::N(amount));
    pen.text("currency", content.currency.code());
    pen.text("type", content.kind.name());
    pen.text("timestamp", first.timestamp.to_string());
    pen.text("time_source", first.time_source.name());
    pen.text("card_last4", first.last4.as_str());
    pen.text("brand", first.brand.name());
    pen.text("card_fingerprint", content.fingerprint.to_string());
    pen.text("card_key_id", &*content.key_id);
    pen.optional(
        "original_transaction_id",
        content.original_transaction_id.as_deref(),
    );
    pen.optional("terminal_id", content.terminal_id.as_deref());
    pen.optional("country", content.country.as_ref().map(Country::code));
    pen.optional("mcc", content.mcc.as_ref().map(Mcc::as_str));
    pen.text("upload_id", first.event.upload_id.as_str());
    pen.number("row", first.event.record);
    pen.number("line", first.line);
    pen.text("uploaded_at", first.uploaded_at.to_string());
}

fn encode_conflict(conflict: &KeptConflict) -> AttributeValue {
    let digest = bytes(conflict.digest.0);
    let Some(row) = &conflict.row else {
        return digest;
    };
    let mut pen = Pen::default();
    pen.put("digest", digest);
    pen.text("event", row.event.to_string());
    pen.text("type", row.kind.name());
    let amount = amount::write(row.amount, row.currency);
    pen.put("amount", AttributeValue::N(amount));
    pen.text("currency", row.currency.code());
    pen.text("timestamp", row.timestamp.to_string());
    pen.text("uploaded_at", row.uploaded_at.to_string());
    pen.into_map()
}

fn encode_entry(entry: &HistoryEntry, as_of: Option<&Position>) -> AttributeValue {
    let mut pen = Pen::default();
    pen.text("type", entry.what.event_type().name());
    match &entry.what {
        HistoryEvent::Row { event, class, .. } => {
            pen.text("id", event.to_string());
            pen.text("class", class.name());
        }
        HistoryEvent::Flagged { event } => pen.text("id", &**event),
    }
    if as_of != Some(&entry.position) {
        pen.text("position", position::write(&entry.position));
    }
    // Milliseconds, as Kinesis gives the time of arrival.
    pen.number("arrival_ms", entry.arrival_millis);
    pen.into_map()
}

/// Reads an item.
pub(in crate::dynamodb) fn decode(fields: Fields<'_>) -> Result<Transaction, Damage> {
    let ids = (fields.text("merchant_id")?, fields.text("transaction_id")?);
    let mut item = Transaction::empty(ids.0, ids.1);
    if fields.get("amount").is_some() {
        item.first = Some(decode_first(fields)?);
    }
    if let Some(rejection) = fields.get("rejection") {
        let inner = Fields::of(rejection, "rejection")?;
        item.rejection = Some(Rejection {
            event: inner.parsed("event")?,
            line: inner.number("line")?,
            violations: inner.text("reasons")?.into(),
        });
    }
    for conflict in fields.list("conflicts")? {
        item.conflicts.push(decode_conflict(conflict)?);
    }
    for event in fields.list("disputes")? {
        let event = event
            .as_s()
            .ok()
            .and_then(|id| EventId::parse(id.as_bytes()));
        item.disputes.push(event.ok_or(Damage("disputes"))?);
    }
    for flag in fields.list("flags")? {
        let inner = Fields::of(flag, "flags")?;
        item.flags.push(Flag {
            event: inner.text("event")?.into(),
            finding: inner.text("finding")?.into(),
        });
    }
    item.as_of = match fields.optional_text("as_of")? {
        Some(text) => Some(position::read(text).ok_or(Damage("as_of"))?),
        None => None,
    };
    for entry in fields.list("history")? {
        let entry = decode_entry(Fields::of(entry, "history")?, item.as_of.as_ref())?;
        item.history.push(entry);
    }
    item.conflicts_truncated = fields.flag("conflicts_truncated");
    item.disputes_truncated = fields.flag("disputes_truncated");
    item.history_truncated = fields.flag("history_truncated");
    item.revision = fields.number("revision")?;
    item.facts_revision = fields.number("facts_revision")?;
    let writer = fields.text("writer")?;
    item.writer = match writer.strip_prefix(REPLAY) {
        Some(id) => Writer::Replay(id.into()),
        None if writer == LIVE => Writer::Live,
        None => return Err(Damage("writer")),
    };
    Ok(item)
}

/// A conflict was only its digest at first.
fn decode_conflict(value: &AttributeValue) -> Result<KeptConflict, Damage> {
    let digest_of = |value: &AttributeValue| {
        let digest = value.as_b().ok().and_then(|b| b.as_ref().try_into().ok());
        digest.map(ConflictDigest).ok_or(Damage("conflicts"))
    };
    if value.is_b() {
        let digest = digest_of(value)?;
        return Ok(KeptConflict { digest, row: None });
    }
    let inner = Fields::of(value, "conflicts")?;
    let (amount, currency) = decode_money(inner)?;
    Ok(KeptConflict {
        digest: digest_of(inner.get("digest").ok_or(Damage("conflicts"))?)?,
        row: Some(ConflictingRow {
            event: inner.parsed("event")?,
            kind: decode_kind(inner)?,
            amount,
            currency,
            timestamp: inner.parsed("timestamp")?,
            uploaded_at: inner.parsed("uploaded_at")?,
        }),
    })
}

fn decode_money(fields: Fields<'_>) -> Result<(Amount, Currency), Damage> {
    let currency: Currency = fields.parsed("currency")?;
    let number = fields.get("amount").and_then(|amount| amount.as_n().ok());
    let amount = number.and_then(|number| amount::read(number, currency));
    Ok((amount.ok_or(Damage("amount"))?, currency))
}

fn decode_kind(fields: Fields<'_>) -> Result<TransactionType, Damage> {
    TransactionType::from_name(fields.text("type")?.as_bytes()).ok_or(Damage("type"))
}

fn decode_first(fields: Fields<'_>) -> Result<FirstAccepted, Damage> {
    let (amount, currency) = decode_money(fields)?;
    let time_source = match fields.text("time_source")? {
        "file" => TimeSource::File,
        "upload" => TimeSource::Upload,
        _ => return Err(Damage("time_source")),
    };
    let optional = |name| {
        let text = fields.optional_text(name)?;
        Ok(text.map(Box::<str>::from))
    };
    let content = Content {
        amount,
        currency,
        kind: decode_kind(fields)?,
        fingerprint: Fingerprint::parse(fields.text("card_fingerprint")?.as_bytes())
            .ok_or(Damage("card_fingerprint"))?,
        key_id: fields.text("card_key_id")?.into(),
        original_transaction_id: optional("original_transaction_id")?,
        terminal_id: optional("terminal_id")?,
        country: shaped(fields, "country", Country::parse)?,
        mcc: shaped(fields, "mcc", Mcc::parse)?,
    };
    let event = EventId {
        upload_id: fields.parsed("upload_id")?,
        record: fields.number("row")?,
    };
    Ok(FirstAccepted {
        event,
        line: fields.number("line")?,
        content,
        last4: fields.parsed::<Last4>("card_last4")?,
        brand: Brand::from_name(fields.text("brand")?).ok_or(Damage("brand"))?,
        timestamp: fields.parsed::<Timestamp>("timestamp")?,
        time_source,
        uploaded_at: fields.parsed::<Timestamp>("uploaded_at")?,
    })
}

/// An optional value of a type with a form of its own.
fn shaped<T>(
    fields: Fields<'_>,
    name: &'static str,
    parse: impl Fn(&[u8]) -> Option<T>,
) -> Result<Option<T>, Damage> {
    match fields.optional_text(name)? {
        Some(text) => parse(text.as_bytes()).map(Some).ok_or(Damage(name)),
        None => Ok(None),
    }
}

fn decode_entry(fields: Fields<'_>, as_of: Option<&Position>) -> Result<HistoryEntry, Damage> {
    let what = match EventType::from_name(fields.text("type")?) {
        Some(EventType::AnomalyFlagged) => HistoryEvent::Flagged {
            event: fields.text("id")?.into(),
        },
        Some(kind) => HistoryEvent::Row {
            event: fields.parsed("id")?,
            disputed: kind == EventType::TransactionDisputed,
            class: read_class(fields.text("class")?).ok_or(Damage("class"))?,
        },
        None => return Err(Damage("history")),
    };
    let position = match fields.optional_text("position")? {
        Some(text) => position::read(text),
        None => as_of.cloned(),
    };
    Ok(HistoryEntry {
        what,
        position: position.ok_or(Damage("position"))?,
        arrival_millis: fields.number("arrival_ms")?,
    })
}

fn read_class(name: &str) -> Option<Class> {
    [
        Class::Accepted,
        Class::Rejected,
        Class::Duplicate,
        Class::Conflict,
    ]
    .into_iter()
    .find(|class| class.name() == name)
}

#[cfg(test)]
mod tests;

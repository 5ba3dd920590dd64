//! A transaction as it is stored: compact, and encoded straight from the row at first sight.
//!
//! Layout, version 2: version, flags, revision, facts revision, position; then the parts that the
//! flags name, in their order; then the history. The key is not repeated in the value. Version 1 kept of a conflict
//! its digest only.

use super::codec::{Reader, Writer};
use txp_domain::card::{Brand, Fingerprint, Last4};
use txp_domain::event::RowEvent;
use txp_domain::id::{EventId, UPLOAD_ID_LETTERS, UploadId};
use txp_domain::money::{Amount, Currency};
use txp_domain::position::{Bucket, Position, Sequence};
use txp_domain::row::{Country, Facts, Mcc, TimeSource, TransactionType};
use txp_domain::time::Timestamp;
use txp_domain::transaction::{
    Class, ConflictDigest, ConflictingRow, Content, FIRST_FACTS_REVISION, FirstAccepted, Flag,
    FreshTransaction, HistoryEntry, HistoryEvent, KeptConflict, Rejection, Transaction,
    Writer as Origin,
};

const VERSION: u8 = 2;
const VERSION_WITHOUT_CONFLICTING_ROWS: u8 = 1;

const HAS_FIRST: u8 = 1;
const HAS_REJECTION: u8 = 1 << 1;
const HAS_SETS: u8 = 1 << 2;
const CONFLICTS_TRUNCATED: u8 = 1 << 3;
const DISPUTES_TRUNCATED: u8 = 1 << 4;
const HISTORY_TRUNCATED: u8 = 1 << 5;
const REPLAYED: u8 = 1 << 6;
const HAS_POSITION: u8 = 1 << 7;

const ENTRY_FIRST: u8 = 0;
const ENTRY_ROW: u8 = 1;
const ENTRY_FLAGGED: u8 = 2;
/// The entry stands where the whole item does: its position is not written again.
const ENTRY_IS_LATEST: u8 = 1 << 7;

/// Encodes an item at first sight: the same bytes as [`encode`] of the whole item.
pub(crate) fn encode_fresh(fresh: &FreshTransaction<'_>, out: &mut Vec<u8>) {
    let replay = replay_of(fresh.writer);
    let mut w = Writer(out);
    w.byte(VERSION);
    w.byte(HAS_FIRST | HAS_POSITION | flag(REPLAYED, replay.is_some()));
    w.number(1);
    w.number(u64::from(FIRST_FACTS_REVISION));
    position(&mut w, fresh.position);
    let row = fresh.row();
    first(&mut w, &Row::of(row, fresh.facts, fresh.key_id));
    if let Some(id) = replay {
        w.text(id);
    }
    w.number(1);
    w.byte(ENTRY_FIRST);
    let class = class_byte(row.dispute_link().is_some(), Class::Accepted);
    w.byte(class | ENTRY_IS_LATEST);
    arrival(&mut w, fresh.arrival_millis);
}

/// Encodes an item.
pub(crate) fn encode(item: &Transaction, out: &mut Vec<u8>) {
    let mut w = Writer(out);
    let has_sets =
        !(item.conflicts.is_empty() && item.disputes.is_empty() && item.flags.is_empty());
    let replay = replay_of(&item.writer);
    w.byte(VERSION);
    w.byte(
        flag(HAS_FIRST, item.first.is_some())
            | flag(HAS_REJECTION, item.rejection.is_some())
            | flag(HAS_SETS, has_sets)
            | flag(CONFLICTS_TRUNCATED, item.conflicts_truncated)
            | flag(DISPUTES_TRUNCATED, item.disputes_truncated)
            | flag(HISTORY_TRUNCATED, item.history_truncated)
            | flag(REPLAYED, replay.is_some())
            | flag(HAS_POSITION, item.as_of.is_some()),
    );
    w.number(item.revision);
    w.number(u64::from(item.facts_revision));
    if let Some(as_of) = &item.as_of {
        position(&mut w, as_of);
    }
    if let Some(accepted) = &item.first {
        let ids = (&*item.key.merchant_id, &*item.key.transaction_id);
        first(&mut w, &Row::again(accepted, &accepted.facts(ids.0, ids.1)));
    }
    if let Some(rejection) = &item.rejection {
        event_id(&mut w, rejection.event);
        w.number(rejection.line);
        w.text(&rejection.violations);
    }
    if has_sets {
        sets(&mut w, item);
    }
    if let Some(id) = replay {
        w.text(id);
    }
    history(&mut w, item);
}

/// The replay that wrote it, if one did.
fn replay_of(writer: &Origin) -> Option<&str> {
    match writer {
        Origin::Live => None,
        Origin::Replay(id) => Some(id),
    }
}

fn flag(bit: u8, set: bool) -> u8 {
    if set { bit } else { 0 }
}

fn sets(w: &mut Writer<'_>, item: &Transaction) {
    w.number(item.conflicts.len() as u64);
    for conflict in &item.conflicts {
        w.bytes(&conflict.digest.0);
        w.byte(u8::from(conflict.row.is_some()));
        if let Some(row) = &conflict.row {
            conflicting_row(w, row);
        }
    }
    w.number(item.disputes.len() as u64);
    for dispute in &item.disputes {
        event_id(w, *dispute);
    }
    w.number(item.flags.len() as u64);
    for found in &item.flags {
        w.text(&found.event);
        w.text(&found.finding);
    }
}

fn conflicting_row(w: &mut Writer<'_>, row: &ConflictingRow) {
    event_id(w, row.event);
    w.byte(row.kind as u8);
    w.number(row.amount.0);
    w.bytes(row.currency.code().as_bytes());
    w.bytes(&row.timestamp.0.to_le_bytes());
    w.bytes(&row.uploaded_at.0.to_le_bytes());
}

fn history(w: &mut Writer<'_>, item: &Transaction) {
    w.number(item.history.len() as u64);
    let first = item.first.as_ref().map(|first| first.event);
    for entry in &item.history {
        let is_latest = item.as_of.as_ref() == Some(&entry.position);
        let latest = flag(ENTRY_IS_LATEST, is_latest);
        match &entry.what {
            HistoryEvent::Row {
                event,
                disputed,
                class,
            } if Some(*event) == first => {
                w.byte(ENTRY_FIRST);
                w.byte(class_byte(*disputed, *class) | latest);
            }
            HistoryEvent::Row {
                event,
                disputed,
                class,
            } => {
                w.byte(ENTRY_ROW);
                w.byte(class_byte(*disputed, *class) | latest);
                event_id(w, *event);
            }
            HistoryEvent::Flagged { event } => {
                w.byte(ENTRY_FLAGGED);
                w.byte(latest);
                w.text(event);
            }
        }
        if !is_latest {
            position(w, &entry.position);
        }
        arrival(w, entry.arrival_millis);
    }
}

/// What is stored of the first accepted row.
struct Row<'a> {
    event: EventId,
    line: u64,
    facts: Facts<'a>,
    key_id: &'a str,
    uploaded_at: Timestamp,
}

impl<'a> Row<'a> {
    fn of(row: &RowEvent<'_>, facts: &Facts<'a>, key_id: &'a str) -> Self {
        let (line, uploaded_at) = (row.line, row.uploaded_at);
        Self {
            event: row.event_id(),
            line,
            facts: *facts,
            key_id,
            uploaded_at,
        }
    }

    fn again(first: &'a FirstAccepted, facts: &Facts<'a>) -> Self {
        let (line, uploaded_at) = (first.line, first.uploaded_at);
        Self {
            event: first.event,
            line,
            facts: *facts,
            key_id: &first.content.key_id,
            uploaded_at,
        }
    }
}

fn first(w: &mut Writer<'_>, row: &Row<'_>) {
    let facts = &row.facts;
    event_id(w, row.event);
    w.number(row.line);
    w.number(facts.amount.0);
    w.bytes(facts.currency.code().as_bytes());
    w.byte(facts.kind as u8);
    w.bytes(&facts.card.fingerprint.0);
    w.bytes(&facts.card.last4.0);
    w.byte(facts.card.brand as u8);
    w.text(row.key_id);
    w.optional(facts.original_transaction_id);
    w.optional(facts.terminal_id);
    w.optional(facts.country.as_ref().map(Country::code));
    w.optional(facts.mcc.as_ref().map(Mcc::as_str));
    w.bytes(&facts.timestamp.0.to_le_bytes());
    w.byte(facts.time_source as u8);
    w.bytes(&row.uploaded_at.0.to_le_bytes());
}

fn event_id(w: &mut Writer<'_>, event: EventId) {
    w.bytes(event.upload_id.as_bytes());
    w.number(event.record);
}

fn position(w: &mut Writer<'_>, position: &Position) {
    w.byte(position.bucket.0);
    match position.sequence.as_u64() {
        Some(sequence) => {
            w.number(sequence);
            w.optional(None);
        }
        None => {
            w.number(0);
            w.text(&position.sequence.to_string());
        }
    }
    w.number(position.subsequence);
}

fn arrival(w: &mut Writer<'_>, arrival_millis: i64) {
    w.number(u64::try_from(arrival_millis).unwrap_or(0));
}

fn class_byte(disputed: bool, class: Class) -> u8 {
    class as u8 | flag(1 << 4, disputed)
}

/// Decodes an item; `None` if the value is damaged or of a version that is not known.
pub(crate) fn decode(merchant_id: &str, transaction_id: &str, value: &[u8]) -> Option<Transaction> {
    let mut r = Reader(value);
    let has_rows = match r.byte()? {
        VERSION => true,
        VERSION_WITHOUT_CONFLICTING_ROWS => false,
        _ => return None,
    };
    let flags = r.byte()?;
    let has = |bit: u8| flags & bit != 0;
    let mut item = Transaction::empty(merchant_id, transaction_id);
    item.revision = r.number()?;
    item.facts_revision = u32::try_from(r.number()?).ok()?;
    if has(HAS_POSITION) {
        item.as_of = Some(read_position(&mut r)?);
    }
    if has(HAS_FIRST) {
        item.first = Some(read_first(&mut r)?);
    }
    if has(HAS_REJECTION) {
        let event = read_event_id(&mut r)?;
        item.rejection = Some(Rejection {
            event,
            line: r.number()?,
            violations: r.text()?.into(),
        });
    }
    if has(HAS_SETS) {
        read_sets(&mut r, &mut item, has_rows)?;
    }
    if has(REPLAYED) {
        item.writer = Origin::Replay(r.text()?.into());
    }
    item.conflicts_truncated = has(CONFLICTS_TRUNCATED);
    item.disputes_truncated = has(DISPUTES_TRUNCATED);
    item.history_truncated = has(HISTORY_TRUNCATED);
    let first = item.first.as_ref().map(|first| first.event);
    for _ in 0..r.number()? {
        let entry = read_entry(&mut r, first, item.as_of.as_ref())?;
        item.history.push(entry);
    }
    r.0.is_empty().then_some(item)
}

fn read_first(r: &mut Reader<'_>) -> Option<FirstAccepted> {
    let event = read_event_id(r)?;
    let line = r.number()?;
    let amount = Amount(r.number()?);
    let currency = Currency::from_code(r.bytes(3)?)?;
    let kind = read_kind(r)?;
    let fingerprint = Fingerprint(r.array()?);
    let last4 = Last4(r.array()?);
    let brand_byte = r.byte()?;
    let brand = Brand::ALL
        .into_iter()
        .find(|brand| *brand as u8 == brand_byte)?;
    let content = Content {
        amount,
        currency,
        kind,
        fingerprint,
        key_id: r.text()?.into(),
        original_transaction_id: r.optional()?.map(Into::into),
        terminal_id: r.optional()?.map(Into::into),
        country: r
            .optional()?
            .and_then(|code| Country::parse(code.as_bytes())),
        mcc: r.optional()?.and_then(|code| Mcc::parse(code.as_bytes())),
    };
    let timestamp = Timestamp(i64::from_le_bytes(r.array()?));
    let time_source = if r.byte()? == 0 {
        TimeSource::File
    } else {
        TimeSource::Upload
    };
    let uploaded_at = Timestamp(i64::from_le_bytes(r.array()?));
    Some(FirstAccepted {
        event,
        line,
        content,
        last4,
        brand,
        timestamp,
        time_source,
        uploaded_at,
    })
}

fn read_kind(r: &mut Reader<'_>) -> Option<TransactionType> {
    match r.byte()? {
        0 => Some(TransactionType::Sale),
        1 => Some(TransactionType::Refund),
        2 => Some(TransactionType::Chargeback),
        _ => None,
    }
}

fn read_conflicting_row(r: &mut Reader<'_>) -> Option<ConflictingRow> {
    Some(ConflictingRow {
        event: read_event_id(r)?,
        kind: read_kind(r)?,
        amount: Amount(r.number()?),
        currency: Currency::from_code(r.bytes(3)?)?,
        timestamp: Timestamp(i64::from_le_bytes(r.array()?)),
        uploaded_at: Timestamp(i64::from_le_bytes(r.array()?)),
    })
}

fn read_sets(r: &mut Reader<'_>, item: &mut Transaction, has_rows: bool) -> Option<()> {
    for _ in 0..r.number()? {
        let digest = ConflictDigest(r.array()?);
        let row = match has_rows && r.byte()? != 0 {
            true => Some(read_conflicting_row(r)?),
            false => None,
        };
        item.conflicts.push(KeptConflict { digest, row });
    }
    for _ in 0..r.number()? {
        item.disputes.push(read_event_id(r)?);
    }
    for _ in 0..r.number()? {
        item.flags.push(Flag {
            event: r.text()?.into(),
            finding: r.text()?.into(),
        });
    }
    Some(())
}

fn read_entry(
    r: &mut Reader<'_>,
    first: Option<EventId>,
    as_of: Option<&Position>,
) -> Option<HistoryEntry> {
    let tag = r.byte()?;
    let byte = r.byte()?;
    let what = match tag {
        ENTRY_FIRST | ENTRY_ROW => {
            let class = match byte & 0x0f {
                0 => Class::Accepted,
                1 => Class::Rejected,
                2 => Class::Duplicate,
                3 => Class::Conflict,
                _ => return None,
            };
            let event = if tag == ENTRY_FIRST {
                first?
            } else {
                read_event_id(r)?
            };
            HistoryEvent::Row {
                event,
                disputed: byte & (1 << 4) != 0,
                class,
            }
        }
        ENTRY_FLAGGED => HistoryEvent::Flagged {
            event: r.text()?.into(),
        },
        _ => return None,
    };
    let position = if byte & ENTRY_IS_LATEST == 0 {
        read_position(r)?
    } else {
        as_of?.clone()
    };
    Some(HistoryEntry {
        what,
        position,
        arrival_millis: i64::try_from(r.number()?).ok()?,
    })
}

fn read_event_id(r: &mut Reader<'_>) -> Option<EventId> {
    Some(EventId {
        upload_id: UploadId::parse(r.bytes(UPLOAD_ID_LETTERS)?)?,
        record: r.number()?,
    })
}

fn read_position(r: &mut Reader<'_>) -> Option<Position> {
    let bucket = Bucket(r.byte()?);
    let small = r.number()?;
    let sequence = match r.optional()? {
        Some(digits) => Sequence::parse(digits)?,
        None => Sequence::from(small),
    };
    Some(Position {
        bucket,
        sequence,
        subsequence: r.number()?,
    })
}

#[cfg(test)]
mod tests;

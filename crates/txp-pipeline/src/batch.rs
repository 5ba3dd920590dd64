//! Events on their way, in batches: encoded in one buffer, and rows also as typed values beside
//! it, so that nothing is decoded or copied between reading a row and folding it.

use std::borrow::Cow;
use std::sync::Arc;
use txp_domain::card::Fingerprint;
use txp_domain::event::{self, EncodedRow, Event, RejectedRow, RowEvent, RowOutcome};
use txp_domain::id::UploadId;
use txp_domain::money::{Amount, Currency};
use txp_domain::position::{BUCKET_LANES, Bucket, Position, Sequence, buckets_of};
use txp_domain::row::{CardFacts, Country, Facts, Mcc, TimeSource, TransactionType};
use txp_domain::time::Timestamp;
use txp_domain::upload::Watermarks;

/// What all rows of an upload share.
#[derive(Clone, Debug, Default)]
pub struct UploadContext {
    /// The upload.
    pub upload_id: UploadId,
    /// When it arrived.
    pub uploaded_at: Timestamp,
    /// The key that fingerprints are made under.
    pub key_id: Box<str>,
}

/// One event of a batch.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The bucket of its partition key.
    pub bucket: Bucket,
    /// Where its JSON starts in the batch's bytes.
    pub start: u32,
    /// Where its JSON ends.
    pub end: u32,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    Row(RowEntry),
    Other(Box<Event<'static>>),
}

/// A row's values; its identifiers are found in the batch's own, its violations in the encoded event.
#[derive(Clone, Copy, Debug)]
struct RowEntry {
    record: u64,
    line: u64,
    at: EncodedRow,
    identifiers_at: u32,
    merchant_len: u8,
    transaction_len: u8,
    original_len: u8,
    terminal_len: u8,
    values: Option<RowValues>,
}

#[derive(Clone, Copy, Debug)]
struct RowValues {
    amount: Amount,
    currency: Currency,
    kind: TransactionType,
    time_source: TimeSource,
    country: Option<Country>,
    mcc: Option<Mcc>,
    timestamp: Timestamp,
    card: CardFacts,
}

/// A batch of events: rows of one upload, or a few other events.
#[derive(Clone, Debug, Default)]
pub struct EventBatch {
    /// The encoded events, back to back.
    pub bytes: Vec<u8>,
    /// The identifiers of rows, back to back: `{merchant_id}/{transaction_id}`, the original's, the
    /// terminal's. Folding needs no other texts, and these are a tenth of the events.
    identifiers: Vec<u8>,
    entries: Vec<Entry>,
    /// How many entries are settled: the rows behind them have no bucket yet.
    settled: usize,
    upload: Arc<UploadContext>,
}

/// One event as a stage sees it: where it stands, when it was appended, what it says.
#[derive(Clone, Debug)]
pub struct Delivery<'a> {
    /// Its position.
    pub position: Position,
    /// When it was appended, Unix milliseconds.
    pub arrival_millis: i64,
    /// The event.
    pub event: Event<'a>,
}

impl EventBatch {
    /// Empties the batch for rows of an upload, keeping its room.
    pub fn restart(&mut self, upload: &Arc<UploadContext>) {
        self.clear();
        self.upload = Arc::clone(upload);
    }

    /// Empties the batch, keeping its room and its upload.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.identifiers.clear();
        self.entries.clear();
        self.settled = 0;
    }

    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries, in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        debug_assert_eq!(self.unsettled(), 0, "rows are settled before they are seen");
        &self.entries
    }

    /// The JSON of an entry.
    #[must_use]
    pub fn json(&self, entry: &Entry) -> &[u8] {
        self.bytes
            .get(entry.start as usize..entry.end as usize)
            .unwrap_or_default()
    }

    /// The partition key of an entry: borrowed for rows with usable ids, which nearly all have.
    #[must_use]
    pub fn partition_key(&self, entry: &Entry) -> Cow<'_, str> {
        match std::str::from_utf8(partition_key(&self.identifiers, entry)) {
            Ok(key) if !key.is_empty() && has_ids(entry) => Cow::Borrowed(key),
            _ => Cow::Owned(self.event(entry).partition_key()),
        }
    }

    /// Takes in a valid row, encoded at the end of [`Self::bytes`] from `start`. Its bucket, and the
    /// card's fingerprint if it is not known, come with [`Self::settle`].
    pub fn push_valid<T: AsRef<[u8]> + ?Sized>(
        &mut self,
        start: usize,
        record: u64,
        line: u64,
        facts: &Facts<'_, T>,
        at: EncodedRow,
    ) {
        let identifiers_at = offset(self.identifiers.len());
        self.identifiers
            .extend_from_slice(facts.merchant_id.as_ref());
        self.identifiers.push(b'/');
        for identifier in [
            Some(facts.transaction_id),
            facts.original_transaction_id,
            facts.terminal_id,
        ] {
            self.identifiers
                .extend_from_slice(identifier.map_or(&[], AsRef::as_ref));
        }
        let row = RowEntry {
            record,
            line,
            at,
            identifiers_at,
            merchant_len: short(facts.merchant_id),
            transaction_len: short(facts.transaction_id),
            original_len: facts.original_transaction_id.map_or(0, short),
            terminal_len: facts.terminal_id.map_or(0, short),
            values: Some(RowValues {
                amount: facts.amount,
                currency: facts.currency,
                kind: facts.kind,
                time_source: facts.time_source,
                country: facts.country,
                mcc: facts.mcc,
                timestamp: facts.timestamp,
                card: facts.card,
            }),
        };
        self.push(Bucket(0), start, Body::Row(row));
    }

    /// Takes in an invalid row, encoded at the end of [`Self::bytes`] from `start`.
    pub fn push_rejected(
        &mut self,
        start: usize,
        record: u64,
        line: u64,
        ids: Option<(&str, &str)>,
        at: EncodedRow,
    ) {
        let (merchant_len, transaction_len) = ids.map_or((0, 0), |(m, t)| (short(m), short(t)));
        let identifiers_at = offset(self.identifiers.len());
        if let Some((merchant_id, transaction_id)) = ids {
            self.identifiers.extend_from_slice(merchant_id.as_bytes());
            self.identifiers.push(b'/');
            self.identifiers
                .extend_from_slice(transaction_id.as_bytes());
        }
        let row = RowEntry {
            record,
            line,
            at,
            identifiers_at,
            merchant_len,
            transaction_len,
            original_len: 0,
            terminal_len: 0,
            values: None,
        };
        self.push(Bucket(0), start, Body::Row(row));
    }

    /// How many rows wait for [`Self::settle`].
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.entries.len() - self.settled
    }

    /// Gives the rows that were pushed since the last call their buckets, all at once, and the valid
    /// ones the fingerprints of their cards, in order. Every row must be settled before the batch is
    /// handed on.
    pub fn settle(
        &mut self,
        mut fingerprints: impl Iterator<Item = Fingerprint>,
        mut settled: impl FnMut(Bucket, u64),
    ) {
        let Self {
            bytes,
            identifiers,
            entries,
            upload,
            ..
        } = self;
        let fresh = entries.get_mut(self.settled..).unwrap_or_default();
        for group in fresh.chunks_mut(BUCKET_LANES) {
            set_buckets(identifiers, upload.upload_id, group);
            for entry in group {
                let Body::Row(row) = &mut entry.body else {
                    continue;
                };
                settled(entry.bucket, row.record);
                let Some(values) = &mut row.values else {
                    continue;
                };
                let Some(fingerprint) = fingerprints.next() else {
                    continue;
                };
                values.card.fingerprint = fingerprint;
                let at = entry.start as usize + row.at.fingerprint_at as usize;
                let letters = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut);
                if let Some(letters) = letters {
                    *letters = fingerprint.letters();
                }
            }
        }
        self.settled = self.entries.len();
    }

    /// Takes in any other event and encodes it.
    ///
    /// # Errors
    /// The event cannot be written as JSON.
    pub fn push_event(&mut self, event: Event<'static>) -> Result<(), serde_json::Error> {
        let start = self.bytes.len();
        event::encode(&event, &mut self.bytes)?;
        let bucket = Bucket::of(event.partition_key().as_bytes());
        let is_settled = self.unsettled() == 0;
        self.push(bucket, start, Body::Other(Box::new(event)));
        self.settled += usize::from(is_settled);
        Ok(())
    }

    fn push(&mut self, bucket: Bucket, start: usize, body: Body) {
        let (start, end) = (offset(start), offset(self.bytes.len()));
        self.entries.push(Entry {
            bucket,
            start,
            end,
            body,
        });
    }

    /// Takes the last row, which is settled, out again if an earlier try of its upload has folded it.
    pub fn drop_last_if_folded(&mut self, folded: &Watermarks) {
        let Some(Entry {
            bucket,
            start,
            body: Body::Row(row),
            ..
        }) = self.entries.last()
        else {
            return;
        };
        if row.record <= folded.last(*bucket) {
            self.bytes.truncate(*start as usize);
            self.identifiers.truncate(row.identifiers_at as usize);
            self.entries.pop();
            self.settled = self.entries.len();
        }
    }

    /// The events as stages see them, once the log has given the first of them its sequence.
    pub fn deliveries(
        &self,
        first_sequence: u64,
        arrival_millis: i64,
    ) -> impl Iterator<Item = Delivery<'_>> {
        let identifiers = self.identifiers();
        (first_sequence..)
            .zip(&self.entries)
            .map(move |(sequence, entry)| Delivery {
                position: Position {
                    bucket: entry.bucket,
                    sequence: Sequence::from(sequence),
                    subsequence: 0,
                },
                arrival_millis,
                event: self.event_in(identifiers, entry),
            })
    }

    /// The event of an entry, borrowed.
    #[must_use]
    pub fn event(&self, entry: &Entry) -> Event<'_> {
        self.event_in(self.identifiers(), entry)
    }

    /// Checked once for the whole batch: identifiers are then slices of text.
    fn identifiers(&self) -> &str {
        simdutf8::basic::from_utf8(&self.identifiers).unwrap_or_default()
    }

    fn event_in<'a>(&'a self, identifiers: &'a str, entry: &Entry) -> Event<'a> {
        match &entry.body {
            Body::Row(row) => Event::Row(self.row(identifiers, entry, row)),
            Body::Other(event) => Event::clone(event),
        }
    }

    fn row<'a>(&'a self, identifiers: &'a str, entry: &Entry, row: &RowEntry) -> RowEvent<'a> {
        let merchant_at = row.identifiers_at as usize;
        let transaction_at = merchant_at + usize::from(row.merchant_len) + 1;
        let original_at = transaction_at + usize::from(row.transaction_len);
        let terminal_at = original_at + usize::from(row.original_len);
        let text = |at: usize, len: u8| {
            identifiers
                .get(at..at + usize::from(len))
                .unwrap_or_default()
        };
        let optional = |at: usize, len: u8| (len > 0).then(|| text(at, len));
        let merchant_id = text(merchant_at, row.merchant_len);
        let transaction_id = text(transaction_at, row.transaction_len);
        let outcome = match &row.values {
            Some(values) => RowOutcome::Valid {
                facts: Facts {
                    transaction_id,
                    merchant_id,
                    amount: values.amount,
                    currency: values.currency,
                    kind: values.kind,
                    original_transaction_id: optional(original_at, row.original_len),
                    terminal_id: optional(terminal_at, row.terminal_len),
                    country: values.country,
                    mcc: values.mcc,
                    timestamp: values.timestamp,
                    time_source: values.time_source,
                    card: values.card,
                },
                key_id: &self.upload.key_id,
            },
            None => RowOutcome::Rejected(RejectedRow {
                ids: (row.merchant_len > 0).then_some((merchant_id, transaction_id)),
                violations: self.violations(entry, row),
            }),
        };
        RowEvent {
            upload_id: self.upload.upload_id,
            uploaded_at: self.upload.uploaded_at,
            record: row.record,
            line: row.line,
            outcome,
        }
    }

    fn violations(&self, entry: &Entry, row: &RowEntry) -> &str {
        let start = entry.start as usize + row.at.violations_at as usize;
        let json = self
            .bytes
            .get(start..start + row.at.violations_len as usize);
        simdutf8::basic::from_utf8(json.unwrap_or_default()).unwrap_or_default()
    }
}

/// Sets the buckets of rows: of one by itself if it is alone.
fn set_buckets(identifiers: &[u8], upload_id: UploadId, entries: &mut [Entry]) {
    let mut keys: [&[u8]; BUCKET_LANES] = [&[]; BUCKET_LANES];
    for (key, entry) in keys.iter_mut().zip(entries.iter()) {
        *key = partition_key(identifiers, entry);
    }
    let buckets = match (&*entries, keys) {
        ([_], [alone, ..]) => [Bucket::of(alone); BUCKET_LANES],
        _ => buckets_of(&keys),
    };
    for (entry, bucket) in entries.iter_mut().zip(buckets) {
        match &entry.body {
            Body::Row(row) if row.merchant_len > 0 => entry.bucket = bucket,
            Body::Row(row) => {
                let key = event::rejected_partition_key(upload_id, row.record);
                entry.bucket = Bucket::of(key.as_bytes());
            }
            Body::Other(_) => {}
        }
    }
}

/// The partition key of a row with usable ids.
#[inline]
fn partition_key<'b>(identifiers: &'b [u8], entry: &Entry) -> &'b [u8] {
    let Body::Row(row) = &entry.body else {
        return &[];
    };
    let start = row.identifiers_at as usize;
    let length = usize::from(row.merchant_len) + 1 + usize::from(row.transaction_len);
    identifiers.get(start..start + length).unwrap_or_default()
}

fn has_ids(entry: &Entry) -> bool {
    matches!(&entry.body, Body::Row(row) if row.merchant_len > 0)
}

/// Identifiers have at most 64 bytes.
fn short<T: AsRef<[u8]> + ?Sized>(text: &T) -> u8 {
    u8::try_from(text.as_ref().len()).unwrap_or(u8::MAX)
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;

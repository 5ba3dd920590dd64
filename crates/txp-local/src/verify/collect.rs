//! The history's side: one record per event that touches an item, in the order of the state's keys.
//!
//! A record is the item that its event alone makes of nothing, in the stored form. That is what nearly
//! every item is; and where an item has more events, each is read back from such a record.

use super::VerifyError;
use super::lanes::{Lanes, Parsed, lanes};
use super::read::{Damage, read};
use crate::host::HostError;
use crate::sorter::{Sorted, Sorter};
use crate::state::{item, transaction_key};
use std::collections::BTreeMap;
use std::path::Path;
use std::thread::JoinHandle;
use txp_domain::event::{AnomalyFlagged, Event, RowEvent};
use txp_domain::id::UploadId;
use txp_domain::position::{BUCKET_COUNT, Position};
use txp_domain::transaction::{FreshTransaction, Transaction, Writer};
use txp_pipeline::batch::Delivery;
use txp_pipeline::port::{ErrorKind, EventSource, Progress, SourceBatch};
use txp_pipeline::replay::ReadBatch;
use txp_pipeline::verify::{Incomplete, Report, UploadsSeen};

/// Begins a record that is the whole item unless more events follow.
pub(super) const PLAIN: u8 = 0;
/// Begins any other record.
pub(super) const OTHER: u8 = 1;

/// Threads that decode. What is decoded is recorded by one, in half the time: more than two would wait.
const PARSERS: usize = 2;

/// Missing records that are named, of one upload.
const MISSING_NAMED_MAX: usize = 20;

/// A history, collected.
#[derive(Debug)]
pub struct Collected {
    /// In order, the lower half of the hashes and the upper.
    pub(super) records: [Sorted; 2],
    /// What is known so far.
    pub report: Report,
    pub(super) last_by_bucket: Vec<Option<Position>>,
    /// The sequences that damage has taken, of a directory's history: first and last.
    pub(super) lost: Vec<(u64, u64)>,
}

/// What is done with a history while it is read.
struct Collector {
    sorter: Sorter,
    uploads: UploadsSeen,
    writer: Writer,
    through: Option<u64>,
    last_by_bucket: Vec<Option<Position>>,
    events: u64,
    unreadable: u64,
    key: Vec<u8>,
}

/// Reads a history to its end, for now, or through event `through` of a directory's; its rows are
/// recorded as `writer` would have stored them. `watch` is told how many events were read, and says
/// whether to go on: without it, `None` is given. Damage is passed over and told of.
///
/// # Errors
/// The history cannot be read, or files in `work` cannot be written.
pub async fn collect<S: EventSource>(
    source: &mut S,
    through: Option<u64>,
    writer: Writer,
    work: &Path,
    watch: impl FnMut(u64) -> bool,
) -> Result<Option<Collected>, VerifyError> {
    let sorter = Sorter::new(work, "history");
    collect_into(sorter, source, through, writer, watch).await
}

/// The same with a sorter that is given.
pub(super) async fn collect_into<S: EventSource>(
    sorter: Sorter,
    source: &mut S,
    through: Option<u64>,
    writer: Writer,
    mut watch: impl FnMut(u64) -> bool,
) -> Result<Option<Collected>, VerifyError> {
    let starting = sorter.dir().to_path_buf();
    let starting = || HostError::io("starting a thread for", starting.clone());
    let collector = Collector {
        sorter,
        uploads: UploadsSeen::default(),
        writer,
        through,
        last_by_bucket: vec![None; BUCKET_COUNT],
        events: 0,
        unreadable: 0,
        key: Vec::new(),
    };
    let (mut to_parse, parsing, parsed) = lanes(PARSERS).map_err(starting())?;
    let collecting = std::thread::Builder::new()
        .name("collect".to_owned())
        .spawn(move || collector.all(parsed))
        .map_err(starting())?;
    let mut damage = Damage::default();
    let is_whole = read(source, through, &mut to_parse, &mut damage, &mut watch).await;
    let collector = ended(to_parse, parsing, collecting)?;
    match is_whole? {
        true => Ok(Some(collector.finish(damage)?)),
        false => Ok(None),
    }
}

/// Waits for the threads, once nothing more is read. One that ended by a panic looks to the next one
/// like the end of the history: it is asked for first.
fn ended(
    to_parse: Lanes,
    parsing: Vec<JoinHandle<()>>,
    collecting: JoinHandle<Result<Collector, VerifyError>>,
) -> Result<Collector, VerifyError> {
    drop(to_parse);
    let parsed: Vec<_> = parsing.into_iter().map(JoinHandle::join).collect();
    let collected = collecting.join();
    if parsed.iter().any(Result::is_err) {
        return Err(HostError::Panicked("parse").into());
    }
    collected.map_err(|_| HostError::Panicked("collect"))?
}

impl Collector {
    /// Takes all that was parsed, in order.
    fn all(mut self, mut parsed: Parsed) -> Result<Self, VerifyError> {
        while let Some(batch) = parsed.next() {
            for delivery in batch.deliveries() {
                self.take(&delivery)?;
            }
            let within = |position: &Position| !self.is_beyond(position);
            let poisons = batch.poisons().iter();
            let unreadable = poisons.filter(|poison| within(&poison.position)).count() as u64;
            self.unreadable += unreadable;
            self.events += unreadable;
            parsed.give_back(batch);
        }
        Ok(self)
    }

    fn is_beyond(&self, position: &Position) -> bool {
        self.through.is_some_and(|through| {
            let sequence = position.sequence.as_u64();
            sequence.is_none_or(|sequence| sequence > through)
        })
    }

    fn take(&mut self, delivery: &Delivery<'_>) -> Result<(), VerifyError> {
        if self.is_beyond(&delivery.position) {
            return Ok(());
        }
        self.events += 1;
        let bucket = delivery.position.bucket;
        if let Some(last) = self.last_by_bucket.get_mut(bucket.index()) {
            *last = Some(delivery.position.clone());
        }
        match &delivery.event {
            Event::Row(row) => {
                if !self.uploads.is_repeat(row, bucket) {
                    self.row(row, delivery)?;
                }
            }
            Event::AnomalyFlagged(flagged) => self.flag(flagged, delivery)?,
            Event::Upload(event) => self.uploads.apply(event),
            Event::AnomalyShadowed(_) | Event::RulesetActivated(_) | Event::RulesetShadowed(_) => {}
        }
        Ok(())
    }

    fn row(&mut self, row: &RowEvent<'_>, delivery: &Delivery<'_>) -> Result<(), VerifyError> {
        let Some((merchant_id, transaction_id)) = row.ids() else {
            return Ok(());
        };
        let fresh = FreshTransaction::of(row, &delivery.position, delivery.arrival_millis);
        let Some(fresh) = fresh else {
            let mut alone = Transaction::empty(merchant_id, transaction_id);
            alone.apply_row(row, &delivery.position, delivery.arrival_millis);
            return self.push(merchant_id, transaction_id, &alone);
        };
        let kind = match row.dispute_link() {
            None => PLAIN,
            Some(_) => OTHER,
        };
        self.key.clear();
        let hash = transaction_key(merchant_id, transaction_id, &mut self.key);
        let fresh = fresh.written_by(&self.writer);
        self.sorter.push(hash, &self.key, |out| {
            out.push(kind);
            item::encode_fresh(&fresh, out);
        })?;
        Ok(())
    }

    fn flag(
        &mut self,
        flagged: &AnomalyFlagged,
        delivery: &Delivery<'_>,
    ) -> Result<(), VerifyError> {
        let (merchant_id, transaction_id) = flagged.ids();
        let finding = serde_json::to_string(flagged).map_err(HostError::Encode)?;
        let mut alone = Transaction::empty(merchant_id, transaction_id);
        alone.apply_flag(
            flagged.id(),
            &finding,
            &delivery.position,
            delivery.arrival_millis,
        );
        self.push(merchant_id, transaction_id, &alone)
    }

    fn push(
        &mut self,
        merchant_id: &str,
        transaction_id: &str,
        alone: &Transaction,
    ) -> Result<(), VerifyError> {
        self.key.clear();
        let hash = transaction_key(merchant_id, transaction_id, &mut self.key);
        self.sorter.push(hash, &self.key, |out| {
            out.push(OTHER);
            item::encode(alone, out);
        })?;
        Ok(())
    }

    fn finish(self, damage: Damage) -> Result<Collected, VerifyError> {
        Ok(Collected {
            records: self.sorter.finish_halves()?,
            report: Report {
                events: self.events,
                unreadable: self.unreadable,
                uploads: self.uploads.parsed(),
                incomplete: self.uploads.incomplete().collect(),
                damage: damage.told.clone(),
                ..Report::default()
            },
            last_by_bucket: self.last_by_bucket,
            lost: damage.lost(),
        })
    }
}

/// Reads a history once more and names the records that incomplete uploads lack.
///
/// # Errors
/// The history cannot be read.
pub async fn missing_records<S: EventSource>(
    source: &mut S,
    report: &mut Report,
) -> Result<(), VerifyError> {
    let mut held: BTreeMap<UploadId, Vec<bool>> = BTreeMap::new();
    for upload in &report.incomplete {
        // A record takes a byte; an upload of a billion of them is not looked into.
        if let Some(records) = records_of(upload) {
            held.insert(upload.upload_id, records);
        }
    }
    let (mut raw, mut batch) = (SourceBatch::default(), ReadBatch::default());
    loop {
        let progress = match source.next(&mut raw).await {
            Err(error) if error.kind == ErrorKind::Corrupt => match source.pass_damage() {
                Ok(true) => continue,
                Ok(false) | Err(_) => Progress::Ended,
            },
            progress => progress?,
        };
        batch.read(&raw, String::new());
        for delivery in batch.deliveries() {
            if let Event::Row(row) = &delivery.event
                && let Some(held) = held.get_mut(&row.upload_id)
                && let Some(held) = usize::try_from(row.record)
                    .ok()
                    .and_then(|record| held.get_mut(record.wrapping_sub(1)))
            {
                *held = true;
            }
        }
        if progress != Progress::More {
            break;
        }
    }
    for upload in &mut report.incomplete {
        let held = held.remove(&upload.upload_id).unwrap_or_default();
        upload.missing = ranges(&held);
    }
    Ok(())
}

/// The records of an upload, from 1 on, those held that it need not have; `None` if they are too many.
fn records_of(upload: &Incomplete) -> Option<Vec<bool>> {
    let of = |count: u64| {
        let count = usize::try_from(count).ok();
        count.filter(|count| *count <= RECORDS_LOOKED_INTO_MAX)
    };
    let Some(named) = &upload.named else {
        return Some(vec![false; of(upload.records)?]);
    };
    let last = named.stretches().last().map_or(0, |(_, last)| last);
    let mut held = vec![true; of(last)?];
    for (first, last) in named.stretches() {
        let stretch = of(first)?.saturating_sub(1)..of(last)?;
        held.get_mut(stretch)?.fill(false);
    }
    Some(held)
}

/// The most records of an upload whose missing ones are named.
const RECORDS_LOOKED_INTO_MAX: usize = 64 << 20;

fn ranges(held: &[bool]) -> Vec<String> {
    let mut named = Vec::new();
    let mut at = 0;
    for same in held.chunk_by(|a, b| a == b) {
        let (first, last) = (at + 1, at + same.len());
        at = last;
        if same.first() == Some(&false) {
            if named.len() == MISSING_NAMED_MAX {
                named.push("and more".to_owned());
                break;
            }
            named.push(match first == last {
                true => first.to_string(),
                false => format!("{first}-{last}"),
            });
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;
    use txp_domain::event::RecordSpans;

    #[test]
    fn only_records_that_there_should_be_are_missing() {
        let mut upload = Incomplete {
            upload_id: UploadId::default(),
            records: 3,
            found: 0,
            named: None,
            missing: Vec::new(),
        };
        let missing = |upload: &Incomplete| ranges(&records_of(upload).unwrap());
        assert_eq!(missing(&upload), ["1-3"]);
        upload.named = Some(RecordSpans::of([2, 4, 5]));
        assert_eq!(missing(&upload), ["2", "4-5"]);
        upload.named = Some(RecordSpans::default());
        assert_eq!(missing(&upload), [""; 0]);
        // As a damaged history may say.
        upload.named = Some(RecordSpans::of([u64::MAX]));
        assert_eq!(records_of(&upload), None);
        upload.named = serde_json::from_str("[[0,2],[9,5]]").unwrap();
        assert_eq!(records_of(&upload), None);
    }

    #[test]
    fn missing_records_are_told_as_ranges() {
        let of = |text: &str| ranges(&text.bytes().map(|b| b == b'x').collect::<Vec<_>>());
        assert_eq!(of("xxx"), [""; 0]);
        assert_eq!(of(".xx..x"), ["1", "4-5"]);
        assert_eq!(of("x..."), ["2-4"]);
        let many = of(&".x".repeat(30));
        assert_eq!(many.len(), MISSING_NAMED_MAX + 1);
        assert_eq!(many.last().unwrap(), "and more");
    }
}

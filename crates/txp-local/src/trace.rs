//! All that a data directory knows of one transaction: the file and line of its rows, where its
//! events stand, the rules that judged, what they found, who was told and when.
//!
//! Quick on a large directory: the item's history says where its events stand, the log's indexes
//! lead there, the alert table is halved. Searched is only what lies behind the last event that a
//! full history keeps; or, where it is asked for, all of it: duplicates change no item, so nothing
//! but the log knows of them.
//!
//! Reads only, beside a writer or without one.

use crate::alerts::{Trace, Trail};
use crate::host::{ALERTS_DIR, HostError, LOG_DIR};
use crate::log::LogReader;
use crate::snapshot::Snapshot;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use txp_domain::event::{AnomalyShadowed, Decoded, RulesetActivated, RulesetShadowed, decode};
use txp_domain::finding::Finding;
use txp_domain::id::UploadId;
use txp_domain::position::{Bucket, Position, Sequence};
use txp_domain::transaction::{HistoryEvent, Transaction};
use txp_pipeline::document::{
    AlertTraceDocument, AsOfDocument, Audience, EventDocument, FileDocument, FindingDocument,
    HistoryDocument, PositionDocument, RevisionDocument, RuleSetDocument, TraceDocument, class_of,
    transaction_document,
};
use txp_pipeline::history::arrival;
use txp_pipeline::rulefile;

/// The most events of one transaction that a search adds; more are told of and left out.
pub const SEARCHED_EVENTS_MAX: usize = 1000;

/// What is traced, and how far.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The data directory.
    pub dir: &'a Path,
    /// The item.
    pub transaction: &'a Transaction,
    /// Whether the whole log is searched: duplicates, what rules found that were only tried, and the
    /// activation of rules are found then.
    pub scan: bool,
}

/// One event of the log.
struct Stored {
    bucket: Bucket,
    arrival_ms: u64,
    bytes: Vec<u8>,
}

/// An activation of rules.
struct Activation {
    sequence: u64,
    activated: RulesetActivated,
}

/// From here on rules are tried.
struct Shadowing {
    sequence: u64,
    shadowed: RulesetShadowed,
}

/// What was read of the log.
#[derive(Default)]
struct Read {
    events: BTreeMap<u64, Stored>,
    /// By sequence, ascending.
    activations: Vec<Activation>,
    /// The same.
    shadowings: Vec<Shadowing>,
    is_cut: bool,
}

/// All that is known of a transaction.
///
/// # Errors
/// The directory cannot be read or is damaged.
pub fn trace(asked: &Asked<'_>, snapshot: &mut Snapshot) -> Result<TraceDocument, HostError> {
    let transaction = asked.transaction;
    let as_of = AsOfDocument::new(snapshot.as_of.sequence, snapshot.as_of.arrival_millis);
    let base = transaction_document(transaction, None, as_of.clone(), Audience::Operator);
    let read = read(asked, snapshot.as_of.sequence)?;
    let mut notes = Vec::new();
    if read.is_cut {
        notes.push(format!(
            "more events than {SEARCHED_EVENTS_MAX} were found: the later ones are left out"
        ));
    }
    let events = events(transaction, &base.history, &read, &mut notes);
    let files = files(transaction, &events, snapshot)?;
    let findings = findings(asked, snapshot, &events, &read, &mut notes)?;
    let shadow_findings = shadow_findings(&read);
    if !asked.scan && snapshot.has_tried {
        notes.push(
            "rules were tried beside those that judged: --scan searches the log for what they found"
                .to_owned(),
        );
    }
    Ok(TraceDocument {
        transaction_id: base.transaction_id,
        merchant_id: base.merchant_id,
        status: base.status,
        amount: base.amount,
        currency: base.currency.map(|currency| currency.code().to_owned()),
        files,
        events,
        findings,
        shadow_findings,
        state: RevisionDocument {
            revision: base.revision,
            facts_revision: base.facts_revision,
            links: transaction.disputes.len() as u64,
            writer: base.writer,
            as_of,
        },
        history_truncated: base.history_truncated,
        scanned: asked.scan,
        notes,
    })
}

/// Reads the events that the item's history names, and searches for those that it cannot name.
fn read(asked: &Asked<'_>, through: u64) -> Result<Read, HostError> {
    let transaction = asked.transaction;
    let log = asked.dir.join(LOG_DIR);
    let mut read = Read::default();
    let mut last = 0;
    for entry in &transaction.history {
        if let Some(sequence) = entry.position.sequence.as_u64() {
            read.take(&log, sequence)?;
            last = last.max(sequence);
        }
    }
    if asked.scan {
        read.search(&log, 1, through, transaction)?;
    } else if transaction.history_truncated {
        read.search(&log, last + 1, through, transaction)?;
    }
    if read.activations.is_empty() && !transaction.flags.is_empty() {
        // The rules of a new directory are activated by its first event.
        read.take(&log, 1)?;
        read.note_change_of_rules(1);
    }
    Ok(read)
}

impl Read {
    /// One event, by where it stands.
    fn take(&mut self, log: &Path, sequence: u64) -> Result<(), HostError> {
        let mut reader = LogReader::from_sequence(log, sequence)?.known_durable(sequence);
        if let Some(frame) = reader.next_frame()?
            && let Some(event) = frame.events.clone().next()
            && event.sequence == sequence
        {
            let stored = Stored {
                bucket: event.bucket,
                arrival_ms: event.arrival_ms,
                bytes: event.bytes.to_vec(),
            };
            self.events.insert(sequence, stored);
        }
        Ok(())
    }

    /// Every event about the transaction, and every change of rules, between two places. Bytes are
    /// looked at before they are decoded, and only those of two buckets.
    fn search(
        &mut self,
        log: &Path,
        from: u64,
        through: u64,
        transaction: &Transaction,
    ) -> Result<(), HostError> {
        let key = &transaction.key;
        let subject = format!("{}/{}", key.merchant_id, key.transaction_id);
        let attribute = format!("\"subject\":\"{subject}\"");
        let finder = memchr::memmem::Finder::new(&attribute);
        let bucket = Bucket::of(subject.as_bytes());
        let of_rules = Bucket::of(RulesetActivated::PARTITION_KEY.as_bytes());
        let (known, mut added) = (self.events.len(), Vec::new());
        let mut reader = LogReader::from_sequence(log, from)?.known_durable(through);
        while let Some(frame) = reader.next_frame()? {
            for event in frame.events {
                if event.sequence > through {
                    return Ok(());
                }
                let is_its = event.bucket == bucket && finder.find(event.bytes).is_some();
                let is_rules = event.bucket == of_rules && is_change_of_rules(event.bytes);
                if !is_its && !is_rules {
                    continue;
                }
                if is_its && self.events.len() >= known + SEARCHED_EVENTS_MAX {
                    self.is_cut = true;
                    continue;
                }
                let stored = Stored {
                    bucket: event.bucket,
                    arrival_ms: event.arrival_ms,
                    bytes: event.bytes.to_vec(),
                };
                self.events.entry(event.sequence).or_insert(stored);
                added.extend(is_rules.then_some(event.sequence));
            }
        }
        for at in added {
            self.note_change_of_rules(at);
        }
        Ok(())
    }

    /// Takes an event that changes rules out of the transaction's own.
    fn note_change_of_rules(&mut self, sequence: u64) {
        let Some(stored) = self.events.get(&sequence) else {
            return;
        };
        match decode(&stored.bytes) {
            Ok(Decoded::RulesetActivated(activated)) => self.activations.push(Activation {
                sequence,
                activated: *activated,
            }),
            Ok(Decoded::RulesetShadowed(shadowed)) => self.shadowings.push(Shadowing {
                sequence,
                shadowed: *shadowed,
            }),
            _ => return,
        }
        self.events.remove(&sequence);
    }
}

/// Both types' names begin so.
fn is_change_of_rules(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"\"ruleset.").is_some()
}

/// The events in their order: as the item's history has them, and what a search found beside.
fn events(
    transaction: &Transaction,
    history: &[HistoryDocument],
    read: &Read,
    notes: &mut Vec<String>,
) -> Vec<EventDocument> {
    let mut found = BTreeMap::new();
    let mut kept = BTreeSet::new();
    for (index, (entry, document)) in transaction.history.iter().zip(history).enumerate() {
        let Some(sequence) = entry.position.sequence.as_u64() else {
            continue;
        };
        kept.insert(sequence);
        let event = read
            .events
            .get(&sequence)
            .and_then(|stored| decode(&stored.bytes).ok());
        if event.is_none() {
            notes.push(format!("event {sequence} cannot be read from the log"));
        }
        // A link of a chargeback makes a revision without an event of the item's own.
        let revision = transaction.disputes.is_empty().then_some(index as u64 + 1);
        let document = EventDocument::of(document.clone(), event.as_ref(), revision);
        found.insert(sequence, document);
    }
    for (sequence, stored) in &read.events {
        if kept.contains(sequence) {
            continue;
        }
        match decode(&stored.bytes) {
            Ok(event) => {
                let entry = entry_of(transaction, &event, *sequence, stored);
                found.insert(*sequence, EventDocument::of(entry, Some(&event), None));
            }
            Err(error) => notes.push(format!(
                "event {sequence} is about this transaction and cannot be read: {error}; `txp redrive quarantine list`"
            )),
        }
    }
    found.into_values().collect()
}

fn entry_of(
    transaction: &Transaction,
    event: &Decoded<'_>,
    sequence: u64,
    stored: &Stored,
) -> HistoryDocument {
    let position = position(stored.bucket, sequence);
    let form = event.event();
    HistoryDocument {
        id: form.id(),
        kind: form.event_type().name().to_owned(),
        time: arrival(i64::try_from(stored.arrival_ms).unwrap_or(i64::MAX)),
        position: PositionDocument::from(&position),
        class: class_of(transaction, event),
    }
}

fn position(bucket: Bucket, sequence: u64) -> Position {
    Position {
        bucket,
        sequence: Sequence::from(sequence),
        subsequence: 0,
    }
}

/// The files of all rows that are known, in the order of their events.
fn files(
    transaction: &Transaction,
    events: &[EventDocument],
    snapshot: &mut Snapshot,
) -> Result<Vec<FileDocument>, HostError> {
    let mut ids: Vec<UploadId> = Vec::new();
    let first = transaction
        .first
        .as_ref()
        .map(|first| first.event.upload_id);
    let of_rows = events.iter().filter_map(|event| event.upload_id);
    // A placeholder has no row of its own: its chargebacks have.
    let of_links = transaction.disputes.iter().map(|event| event.upload_id);
    for id in first.into_iter().chain(of_rows).chain(of_links) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let mut files = Vec::new();
    for id in ids {
        files.extend(snapshot.state.upload(id)?.as_ref().map(FileDocument::of));
    }
    Ok(files)
}

fn findings(
    asked: &Asked<'_>,
    snapshot: &Snapshot,
    events: &[EventDocument],
    read: &Read,
    notes: &mut Vec<String>,
) -> Result<Vec<FindingDocument>, HostError> {
    let dir = asked.dir.join(ALERTS_DIR);
    let reading = |source| HostError::io("reading the alert table in", &dir)(source);
    let trail = Trail::open(&dir).map_err(reading)?;
    let mut documents = Vec::new();
    for flag in &asked.transaction.flags {
        let Ok(finding) = serde_json::from_str::<Finding>(&flag.finding) else {
            notes.push(format!(
                "the finding {} was written by a later version: use a newer txp",
                flag.event
            ));
            continue;
        };
        let mut document = FindingDocument::of(finding);
        let at = asked.transaction.history.iter().find(
            |entry| matches!(&entry.what, HistoryEvent::Flagged { event } if *event == flag.event),
        );
        document.position = match at {
            Some(entry) => Some(PositionDocument::from(&entry.position)),
            None => events
                .iter()
                .find(|event| event.entry.id == *flag.event)
                .map(|event| event.entry.position.clone()),
        };
        let sequence = document.position.as_ref();
        let sequence = sequence.and_then(|position| position.sequence.parse().ok());
        if let Some(rules) = rules_of(&document.rule_set.version, sequence, read, snapshot) {
            document.rule_set = rules;
        }
        if let (Some(trail), Some(sequence)) = (&trail, sequence) {
            let found = trail.of(&document.id, sequence).map_err(reading)?;
            document.alert = found.map(alert_of);
        }
        documents.push(document);
    }
    Ok(documents)
}

/// What rules found that were only tried, as far as the log was searched.
fn shadow_findings(read: &Read) -> Vec<FindingDocument> {
    let decoded =
        read.events
            .iter()
            .filter_map(|(sequence, stored)| match decode(&stored.bytes).ok()? {
                Decoded::AnomalyShadowed(shadowed) => Some((*sequence, stored.bucket, shadowed)),
                _ => None,
            });
    let document = |(sequence, bucket, shadowed): (u64, Bucket, Box<AnomalyShadowed>)| {
        let mut document = FindingDocument::of(shadowed.finding().clone());
        document.position = Some(PositionDocument::from(&position(bucket, sequence)));
        let mut before = read.shadowings.iter().rev();
        let of_version = before.find(|shadowing| {
            let is_its = shadowing.shadowed.version == document.rule_set.version;
            is_its && shadowing.shadowed.rules.is_some() && shadowing.sequence < sequence
        });
        if let Some(Shadowing { sequence, shadowed }) = of_version {
            let bucket = Bucket::of(RulesetActivated::PARTITION_KEY.as_bytes());
            document.rule_set = RuleSetDocument {
                version: shadowed.version.clone(),
                sha256: Some(shadowed.sha256.clone()),
                activated_by: Some(shadowed.shadowed_by.clone()),
                activated_at: Some(shadowed.shadowed_at),
                position: Some(PositionDocument::from(&position(bucket, *sequence))),
            };
        }
        document
    };
    decoded.map(document).collect()
}

fn alert_of(trace: Trace) -> AlertTraceDocument {
    let (message_id, digest_findings) = match (trace.digest, trace.handed_at) {
        (Some((id, count)), _) => (Some(id), Some(count)),
        (None, Some(_)) => (Some(trace.record.flagged.id().to_owned()), None),
        (None, None) => (None, None),
    };
    AlertTraceDocument {
        delivery: trace.delivery.name().to_owned(),
        recorded_at: trace.record.decided_at,
        handed_at: trace.handed_at,
        message_id,
        digest_findings,
    }
}

/// The rules of a version: as activated last before a finding, where that was found; else as they
/// judge now, if those are of this version.
fn rules_of(
    version: &str,
    before: Option<u64>,
    read: &Read,
    snapshot: &Snapshot,
) -> Option<RuleSetDocument> {
    let before = before.unwrap_or(u64::MAX);
    let found =
        read.activations.iter().rev().find(|activation| {
            activation.activated.version == version && activation.sequence < before
        });
    if let Some(Activation {
        sequence,
        activated,
    }) = found
    {
        let bucket = Bucket::of(RulesetActivated::PARTITION_KEY.as_bytes());
        return Some(RuleSetDocument {
            version: version.to_owned(),
            sha256: Some(activated.sha256.clone()),
            activated_by: Some(activated.activated_by.clone()),
            activated_at: Some(activated.activated_at),
            position: Some(PositionDocument::from(&position(bucket, *sequence))),
        });
    }
    let active = snapshot.rules.as_ref()?.to_string();
    let checked = rulefile::parse(active.as_bytes()).ok()?;
    (checked.rules.version() == version).then(|| RuleSetDocument {
        version: version.to_owned(),
        sha256: Some(hexadecimal(checked.rules.sha256())),
        ..RuleSetDocument::default()
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! What must hold of a directory: its state is the model's, its quarantine is what was planted, and
//! each finding is one alert that somebody was told of.

use super::foreign;
use super::node::{Node, chain};
use crate::sim::check::{Broken, Left, compare};
use crate::sim::run::at_once;
use crate::sim::store::{Store, key_of};
use crate::workload::{Workload, fingerprinter};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};
use txp_domain::alert::{Decision, Notice};
use txp_domain::card::CardNumber;
use txp_domain::event::{Decoded, decode};
use txp_domain::finding::Finding;
use txp_domain::money::Currency;
use txp_local::alerts::{AlertEntry, Delivery, Newest};
use txp_local::host::read_quarantine;
use txp_local::log::LogSource;
use txp_local::scratch::Scratch;
use txp_local::snapshot::Snapshot;
use txp_local::state::{State, UploadPage};
use txp_pipeline::backtest::parity::{Outcome, Parity};
use txp_pipeline::port::{
    EventSource as _, ProfileKey, ProfileStore, Progress, SourceBatch, Window,
};
use txp_pipeline::rulefile::default_rules;

const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;
const CURRENCIES: [&str; 3] = ["USD", "EUR", "JPY"];

/// What a whole run left.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    pub(super) events: usize,
    pub(super) findings: usize,
    pub(super) shadowed: usize,
    pub(super) messages: usize,
    pub(super) digests: usize,
}

/// Holds a process that has just started to the model: all that its log has is folded.
pub(super) fn started(node: &mut Node, workload: &Workload) -> Vec<String> {
    match read_live(node, workload).and_then(|store| Ok((foreign::events(&node.log())?, store))) {
        Ok((events, store)) => {
            compare(&left(node, &events, &store, &[], false), workload)
                .0
                .0
        }
        Err(error) => vec![error],
    }
}

/// Holds a directory whose process has stopped to the model.
pub(super) fn stopped(node: &Node, workload: &Workload) -> Result<Counted, Vec<String>> {
    let (events, store, findings_counted) = read_stopped(node, workload).map_err(|e| vec![e])?;
    let told = node.tape.borrow().told.clone();
    let (mut broken, findings) = compare(&left(node, &events, &store, &told, true), workload);
    // The count is a part of the checkpoint's description: it relies on a position as old as it.
    if !node.was_rewound {
        broken.equal("findings counted", findings_counted, findings.len() as u64);
    }
    let (messages, digests) = alerts(node, &findings, &mut broken);
    broken.0.extend(parity(node));
    let shadowed = shadowed(&events, &mut broken);
    if !broken.0.is_empty() {
        return Err(broken.0);
    }
    Ok(Counted {
        events: events.len(),
        findings: findings.len(),
        shadowed,
        messages,
        digests,
    })
}

/// How many findings the log has of rules that were tried, each once.
fn shadowed(events: &[Vec<u8>], broken: &mut Broken) -> usize {
    let mut ids = BTreeSet::new();
    for event in events {
        if let Ok(Decoded::AnomalyShadowed(shadowed)) = decode(event)
            && !ids.insert(shadowed.id().to_owned())
        {
            broken.say(format!("finding {} is in the log twice", shadowed.id()));
        }
    }
    ids.len()
}

/// Judged again from its log by the rules that the log names, every finding is as it is recorded.
fn parity(node: &Node) -> Vec<String> {
    let judged = || -> Result<Outcome, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut scratch = Scratch::create(folder.path()).map_err(|error| chain(&error))?;
        let source = LogSource::open(&node.log(), Window::default(), 0);
        let mut source = source.map_err(|error| chain(&error))?;
        let (mut parity, mut batch) = (Parity::new(true), SourceBatch::default());
        loop {
            let progress = at_once(source.next(&mut batch)).map_err(|error| chain(&error))?;
            let events: Vec<_> = batch.events().collect();
            at_once(parity.take(&mut scratch.state, &events)).map_err(|error| chain(&error))?;
            if progress != Progress::More {
                return Ok(parity.end(|_, _| false));
            }
        }
    };
    match judged() {
        Ok(outcome) => {
            let named = outcome.named.iter();
            let told = named.map(|named| format!("finding {} {}", named.id, named.difference));
            told.collect()
        }
        Err(error) => vec![format!("the history cannot be judged again: {error}")],
    }
}

fn left<'a>(
    node: &Node,
    events: &'a [Vec<u8>],
    store: &'a Store,
    told: &'a [String],
    is_whole: bool,
) -> Left<'a> {
    Left {
        log: events.iter().map(Vec::as_slice).collect(),
        poison: node.poison.clone(),
        store,
        told,
        is_ordered: true,
        is_one_content: true,
        is_found_once: true,
        is_whole,
    }
}

fn quarantined(node: &Node) -> Result<BTreeSet<u64>, String> {
    let events = read_quarantine(&node.dir).map_err(|error| error.to_string())?;
    let sequences: BTreeSet<_> = events.iter().map(|event| event.sequence - 1).collect();
    if sequences.len() < events.len() {
        return Err("an event is in quarantine twice".to_owned());
    }
    Ok(sequences)
}

/// The state as the process says it is.
fn read_live(node: &mut Node, workload: &Workload) -> Result<Store, String> {
    let mut store = Store {
        quarantined: quarantined(node)?,
        ..Store::default()
    };
    let host = node.process().host();
    let keys = workload.rows().filter_map(|row| row.key.as_ref());
    let originals = workload
        .rows()
        .filter_map(|row| row.outcome.as_ref().ok()?.original.as_ref());
    let ids: BTreeSet<_> = keys
        .map(|(_, transaction)| transaction)
        .chain(originals)
        .collect();
    for id in ids {
        let (items, _) = host.transactions(id).map_err(|error| chain(&error))?;
        store
            .items
            .extend(items.into_iter().map(|item| (key_of(&item), item)));
    }
    for upload in &workload.uploads {
        let found = host.upload(upload.id).map_err(|error| chain(&error))?;
        store.uploads.extend(found.map(|found| (found.id, found)));
    }
    Ok(store)
}

/// Log, state and count of findings as a reader finds them.
fn read_stopped(node: &Node, workload: &Workload) -> Result<(Vec<Vec<u8>>, Store, u64), String> {
    let events = foreign::events(&node.log())?;
    let mut store = Store {
        quarantined: quarantined(node)?,
        ..Store::default()
    };
    let mut snapshot = Snapshot::open(&node.dir).map_err(|error| chain(&error))?;
    let each = |item| drop(store.items.insert(key_of(&item), item));
    let read = snapshot.state.for_each_transaction(each);
    read.map_err(|error| chain(&error))?;
    let page = UploadPage {
        client_id: None,
        before: None,
        limit: usize::MAX,
    };
    let uploads = snapshot
        .state
        .uploads(page)
        .map_err(|error| chain(&error))?;
    store
        .uploads
        .extend(uploads.into_iter().map(|upload| (upload.id, upload)));

    let mut state = State::open(&node.state()).map_err(|error| chain(&error))?;
    for card in &workload.planted {
        let number = CardNumber::parse(card.as_bytes()).unwrap();
        for (key, currency) in [0, 1].into_iter().flat_map(|k| CURRENCIES.map(|c| (k, c))) {
            let key = ProfileKey {
                fingerprint: fingerprinter(key).fingerprint(&number),
                currency: Currency::from_code(currency.as_bytes()).unwrap(),
            };
            let profile = at_once(ProfileStore::load(&mut state, key));
            let profile = profile.map_err(|error| chain(&error))?;
            if profile.revision() > 0 {
                store.profiles.insert(key, profile);
            }
        }
    }
    Ok((events, store, snapshot.findings))
}

/// One message of the outbox.
struct Sent {
    id: String,
    about: (String, String),
    /// Of a digest: its first and last finding, and how many they are.
    digest: Option<(String, String, u64)>,
}

fn outbox(node: &Node, broken: &mut Broken) -> Vec<Sent> {
    let bytes = fs::read(node.dir.join("alerts/outbox.jsonl")).unwrap_or_default();
    let mut sent = Vec::new();
    for line in String::from_utf8_lossy(&bytes).lines() {
        let Ok(json) = serde_json::from_str::<Value>(line) else {
            broken.say(format!(
                "the outbox has a line that nobody can read: {line}"
            ));
            continue;
        };
        let text = |json: &Value| json.as_str().unwrap_or_default().to_owned();
        let body = text(&json["body"]);
        let (_, inner) = body.rsplit_once("\n\n").unwrap_or_default();
        let inner: Value = serde_json::from_str(inner).unwrap_or_default();
        let digest = inner["first"].is_object().then(|| {
            let (first, last) = (text(&inner["first"]["id"]), text(&inner["last"]["id"]));
            (first, last, inner["count"].as_u64().unwrap_or(0))
        });
        sent.push(Sent {
            id: text(&json["id"]),
            about: (text(&json["merchant_id"]), text(&json["rule"])),
            digest,
        });
    }
    sent
}

fn about(entry: &AlertEntry) -> (String, String) {
    let notice = Notice::of(&entry.record.flagged.finding);
    (notice.merchant_id, notice.rule)
}

fn alerts(
    node: &Node,
    findings: &BTreeMap<String, Finding>,
    broken: &mut Broken,
) -> (usize, usize) {
    let entries = match in_order(&node.dir.join("alerts")) {
        Ok(entries) => entries,
        Err(error) => {
            broken.say(format!("the alert table cannot be read: {error}"));
            return (0, 0);
        }
    };
    let recorded: Vec<_> = entries
        .iter()
        .map(|entry| entry.record.flagged.id())
        .collect();
    let different: BTreeSet<_> = recorded.iter().copied().collect();
    broken.equal("alerts recorded once", recorded.len(), different.len());
    let expected: BTreeSet<_> = findings.keys().map(String::as_str).collect();
    broken.equal("alerts recorded", different, expected);
    for pair in entries.windows(2) {
        if pair[0].record.position.sequence >= pair[1].record.position.sequence {
            broken.say(format!("alerts out of order: {pair:?}"));
        }
    }
    decisions(&entries, broken);
    let sent = outbox(node, broken);
    for entry in &entries {
        let id = entry.record.flagged.id();
        if entry.delivery == Delivery::Pending {
            broken.say(format!("alert {id} still waits"));
        }
        let times = match entry.record.decision {
            Decision::RecordOnly | Decision::Suppressed => continue,
            Decision::Send => sent.iter().filter(|sent| sent.id == id).count(),
            Decision::Digest => digests_of(entry, &entries, &sent).count(),
        };
        if times == 0 {
            broken.say(format!("nobody was told of finding {id}"));
        } else if times > 1 && node.is_undisturbed {
            broken.say(format!("finding {id} was told {times} times"));
        }
    }
    counts(&entries, &sent, broken);
    let digests = sent.iter().filter(|sent| sent.digest.is_some()).count();
    (sent.len(), digests)
}

/// When an alert is sent by itself, waits for a digest, or is recorded only.
fn decisions(entries: &[AlertEntry], broken: &mut Broken) {
    let rules = default_rules().unwrap().rules;
    let policy = rules.alerts();
    let mut alone = BTreeMap::new();
    for entry in entries {
        let record = &entry.record;
        let at = record.decided_at.0;
        let age = at - record.flagged.finding.event_time().0;
        let is_old = age > i64::from(policy.alert_max_age_seconds) * NANOSECONDS_PER_SECOND;
        let id = record.flagged.id();
        broken.equal(
            &format!("finding {id} is too old"),
            record.decision == Decision::RecordOnly,
            is_old,
        );
        if is_old {
            continue;
        }
        let before = alone.get(&about(entry)).copied();
        if record.decision == Decision::Send {
            let cooldown = i64::from(policy.cooldown_seconds) * NANOSECONDS_PER_SECOND;
            if before.is_some_and(|before| at < before + cooldown) {
                broken.say(format!(
                    "finding {id} is sent by itself while it cools down"
                ));
            }
            alone.insert(about(entry), at);
        } else if before.is_none() {
            broken.say(format!("finding {id} waits for a digest of nothing"));
        }
    }
}

/// Where a finding stands in the table.
fn place(entries: &[AlertEntry], id: &str) -> Option<usize> {
    entries
        .iter()
        .position(|entry| entry.record.flagged.id() == id)
}

/// The digests that an alert is in.
fn digests_of<'a>(
    entry: &AlertEntry,
    entries: &'a [AlertEntry],
    sent: &'a [Sent],
) -> impl Iterator<Item = &'a Sent> {
    let (about, at) = (about(entry), place(entries, entry.record.flagged.id()));
    sent.iter().filter(move |sent| {
        let ends = sent.digest.as_ref().filter(|_| sent.about == about);
        ends.is_some_and(|(first, last, _)| {
            place(entries, first) <= at && at <= place(entries, last)
        })
    })
}

/// What is sent is about what is recorded, and a digest counts what it stands for.
fn counts(entries: &[AlertEntry], sent: &[Sent], broken: &mut Broken) {
    for sent in sent {
        let Some((first, last, count)) = &sent.digest else {
            if place(entries, &sent.id).is_none() {
                broken.say(format!("message {} is about no finding", sent.id));
            }
            continue;
        };
        let (Some(first), Some(last)) = (place(entries, first), place(entries, last)) else {
            broken.say(format!("digest {} is about no finding", sent.id));
            continue;
        };
        let inside = entries[first..=last].iter().filter(|entry| {
            entry.record.decision == Decision::Digest && about(entry) == sent.about
        });
        broken.equal(
            &format!("digest {}: count", sent.id),
            *count,
            inside.count() as u64,
        );
    }
}

/// All alerts of a table, oldest first.
fn in_order(dir: &Path) -> io::Result<Vec<AlertEntry>> {
    let mut newest = Newest::open(dir)?;
    let mut entries = Vec::new();
    while let Some(entry) = newest.next_entry()? {
        entries.push(entry);
    }
    entries.reverse();
    Ok(entries)
}

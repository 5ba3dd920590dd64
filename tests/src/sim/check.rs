//! What must hold when all is delivered: the state is the model's, every finding was told, and no
//! card number is anywhere.

use super::store::Store;
use super::world::World;
use crate::model::{CONFLICTS_KEPT, DISPUTES_KEPT, HISTORY_KEPT};
use crate::model::{
    Class, Event, ExpectedFinding, ExpectedHit, Item, Key, Model, NAMES_NEEDING_ORDER,
};
use crate::workload::{Workload, fingerprinter};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use txp_domain::card::CardNumber;
use txp_domain::event::{Decoded, decode};
use txp_domain::finding::{Finding, Numbers};
use txp_domain::id::EventId;
use txp_domain::rule::reevaluate;
use txp_domain::transaction::{HistoryEvent, Transaction};
use txp_domain::upload::UploadState;
use txp_pipeline::rulefile::default_rules;

/// What a run left, as far as it is held to the model.
pub(super) struct Left<'a> {
    /// The log's events, in order.
    pub(super) log: Vec<&'a [u8]>,
    /// Where in it events stand that nobody can read.
    pub(super) poison: BTreeSet<u64>,
    /// The state.
    pub(super) store: &'a Store,
    /// What was told to people.
    pub(super) told: &'a [String],
    /// Every judgement was made in the order of the log.
    pub(super) is_ordered: bool,
    /// One id of a finding has one content.
    pub(super) is_one_content: bool,
    /// Each finding is in the log once.
    pub(super) is_found_once: bool,
    /// All is read and folded; else only what is there is compared: without findings that are still
    /// to come, without profiles, and without a look for card numbers.
    pub(super) is_whole: bool,
}

/// What is wrong in the simulated world, each in a line.
pub(super) fn check(world: &World, workload: &Workload) -> Vec<String> {
    let left = Left {
        log: world.log.iter().map(|entry| &*entry.json).collect(),
        poison: world.poison.iter().copied().collect(),
        store: &world.store,
        told: &world.told,
        is_ordered: world.is_ordered,
        // Only a judgement out of order that a crash undid may be made otherwise again.
        is_one_content: world.is_ordered || !world.is_embedded(),
        is_found_once: false,
        is_whole: true,
    };
    let (mut broken, findings) = compare(&left, workload);
    check_alerts(world, &findings, &mut broken);
    broken.0
}

/// Holds what is left to the model. Gives what is wrong, and the findings by id.
pub(super) fn compare(left: &Left<'_>, workload: &Workload) -> (Broken, BTreeMap<String, Finding>) {
    let mut broken = Broken(Vec::new());
    let first_at = first_places(left);
    let mut rows: Vec<_> = workload.rows().collect();
    if left.is_whole {
        for row in &rows {
            if !first_at.contains_key(&row.event) {
                broken.say(format!("row {:?} is not in the log", row.event));
            }
        }
    } else {
        rows.retain(|row| first_at.contains_key(&row.event));
    }
    rows.sort_by_key(|row| first_at.get(&row.event).copied().unwrap_or(usize::MAX));
    let model = Model::of(rows);
    let findings = findings(left, &mut broken);
    check_findings(left, &model, &findings, &mut broken);
    check_items(left, &model, &findings, &mut broken);
    check_uploads(left, &model, workload, &mut broken);
    check_quarantine(left, &mut broken);
    if left.is_whole {
        check_profiles(left, &model, &mut broken);
        check_card_numbers(left, workload, &mut broken);
    }
    (broken, findings)
}

/// What is wrong, each in a line.
pub(super) struct Broken(pub(super) Vec<String>);

impl Broken {
    pub(super) fn say(&mut self, what: String) {
        self.0.push(what);
    }

    pub(super) fn equal<T: PartialEq + std::fmt::Debug>(
        &mut self,
        what: &str,
        found: T,
        expected: T,
    ) {
        if found != expected {
            self.say(format!("{what}: {found:?}, and should be {expected:?}"));
        }
    }
}

/// Where each row's event stands first. Read without the code under test.
fn first_places(left: &Left<'_>) -> HashMap<Event, usize> {
    let mut places = HashMap::new();
    for (event, at) in left.log.iter().zip(0..) {
        if left.poison.contains(&(at as u64)) {
            continue;
        }
        let json: Value = serde_json::from_slice(event).unwrap();
        let is_row = matches!(
            json["type"].as_str(),
            Some("transaction.accepted" | "transaction.disputed" | "row.rejected")
        );
        let id = json["id"].as_str().and_then(|id| id.split_once(':'));
        if let (true, Some((upload, record))) = (is_row, id) {
            let event = (upload.to_owned(), record.parse().unwrap());
            places.entry(event).or_insert(at);
        }
    }
    places
}

/// The findings in the log by id. One id, one content.
fn findings(left: &Left<'_>, broken: &mut Broken) -> BTreeMap<String, Finding> {
    let mut findings = BTreeMap::new();
    for event in &left.log {
        if let Ok(Decoded::AnomalyFlagged(flagged)) = decode(event) {
            let finding = flagged.finding;
            let known = findings.insert(finding.id.clone(), finding.clone());
            if left.is_found_once && known.is_some() {
                broken.say(format!("finding {} is in the log twice", finding.id));
            }
            if left.is_one_content && known.is_some_and(|known| known != finding) {
                broken.say(format!("finding {} is there with two contents", finding.id));
            }
        }
    }
    findings
}

fn event_of(id: EventId) -> Event {
    (id.upload_id.to_string(), id.record)
}

fn as_expected(finding: &Finding) -> ExpectedFinding {
    let rules = [
        "amount_high",
        "amount_low",
        "card_velocity",
        "amount_deviation",
        "conflicting_resubmission",
    ];
    let hits = finding.hits.iter().map(|hit| ExpectedHit {
        rule: rules.into_iter().find(|r| *r == hit.rule).unwrap_or("?"),
        counted: match hit.numbers {
            Numbers::CardVelocity { observed, .. } => Some(observed.into()),
            Numbers::AmountDeviation { sales, .. } => Some(sales),
            _ => None,
        },
    });
    ExpectedFinding {
        event: event_of(finding.event_id),
        facts_revision: finding.facts_revision,
        hits: hits.collect(),
    }
}

/// A finding without what depends on the order between buckets.
fn without_order(finding: ExpectedFinding) -> Option<ExpectedFinding> {
    let mut finding = finding;
    finding
        .hits
        .retain(|hit| !NAMES_NEEDING_ORDER.contains(&hit.rule));
    (!finding.hits.is_empty()).then_some(finding)
}

fn check_findings(
    left: &Left<'_>,
    model: &Model,
    findings: &BTreeMap<String, Finding>,
    broken: &mut Broken,
) {
    let found = findings.values().map(as_expected);
    let expected = model.findings.iter().cloned();
    let (found, expected): (BTreeSet<_>, BTreeSet<_>) = if left.is_ordered {
        (found.collect(), expected.collect())
    } else {
        (
            found.filter_map(without_order).collect(),
            expected.filter_map(without_order).collect(),
        )
    };
    for extra in found.difference(&expected) {
        broken.say(format!("a finding too many: {extra:?}"));
    }
    for missing in expected.difference(&found).filter(|_| left.is_whole) {
        broken.say(format!("a finding is missing: {missing:?}"));
    }
    let rules = default_rules().unwrap().rules;
    for finding in findings.values() {
        for difference in reevaluate(&rules, finding) {
            broken.say(format!(
                "finding {} does not stand: {difference}",
                finding.id
            ));
        }
        if finding.id != as_expected(finding).id() {
            broken.say(format!("finding {} has an id of another", finding.id));
        }
        let event = event_of(finding.event_id);
        let first = model.items.values().find_map(|item| {
            let (first, _) = item.first.as_ref()?;
            (*first == event).then(|| item.facts_revision())
        });
        if first.is_none_or(|latest| finding.facts_revision > latest) {
            broken.say(format!("finding {} is about nothing", finding.id));
        }
    }
}

fn check_items(
    left: &Left<'_>,
    model: &Model,
    findings: &BTreeMap<String, Finding>,
    broken: &mut Broken,
) {
    let mut flags: HashMap<Key, BTreeSet<String>> = HashMap::new();
    for finding in findings.values() {
        let key = (finding.merchant_id.clone(), finding.transaction_id.clone());
        flags.entry(key).or_default().insert(finding.id.clone());
    }
    let found: BTreeSet<_> = left.store.items.keys().collect();
    let expected: BTreeSet<_> = model.items.keys().collect();
    broken.equal("the transactions", found, expected);
    for (key, expected) in &model.items {
        let Some(item) = left.store.items.get(key) else {
            continue;
        };
        let mut expected = expected.clone();
        expected.flags = flags.remove(key).unwrap_or_default().into_iter().collect();
        check_item(item, &expected, broken);
    }
    for (key, ids) in flags {
        broken.say(format!(
            "findings {ids:?} are about {key:?}, which is nothing"
        ));
    }
}

fn check_item(item: &Transaction, expected: &Item, broken: &mut Broken) {
    let name = format!("{}/{}", item.key.merchant_id, item.key.transaction_id);
    let mut equal = |what: &str, found: String, expected: String| {
        broken.equal(&format!("{name}: {what}"), found, expected);
    };
    equal(
        "status",
        item.status().name().into(),
        expected.status().into(),
    );
    equal("first", first_of(item), model_first(expected));
    let rejection = item.rejection.as_ref().map(|rejection| {
        let violations: Value = serde_json::from_str(&rejection.violations).unwrap();
        let codes = violations.as_array().unwrap().iter();
        let codes: Vec<_> = codes
            .filter_map(|v| v["code"].as_str())
            .map(str::to_owned)
            .collect();
        (event_of(rejection.event), codes)
    });
    equal(
        "rejection",
        format!("{rejection:?}"),
        format!("{:?}", expected.rejection),
    );
    let conflicts = (item.conflicts.len(), item.conflicts_truncated);
    let model_conflicts = (
        expected.conflicts.len().min(CONFLICTS_KEPT),
        expected.conflicts.len() > CONFLICTS_KEPT,
    );
    equal(
        "conflicts",
        format!("{conflicts:?}"),
        format!("{model_conflicts:?}"),
    );
    let disputes: Vec<_> = item.disputes.iter().copied().map(event_of).collect();
    let smallest: Vec<_> = expected.disputes.iter().take(DISPUTES_KEPT).collect();
    equal("disputes", format!("{disputes:?}"), format!("{smallest:?}"));
    equal(
        "disputes_truncated",
        item.disputes_truncated.to_string(),
        (expected.disputes.len() > DISPUTES_KEPT).to_string(),
    );
    let flags: BTreeSet<_> = item
        .flags
        .iter()
        .map(|flag| flag.event.to_string())
        .collect();
    let model_flags: BTreeSet<_> = expected.flags.iter().cloned().collect();
    equal("flags", format!("{flags:?}"), format!("{model_flags:?}"));
    equal(
        "facts_revision",
        item.facts_revision.to_string(),
        expected.facts_revision().to_string(),
    );
    equal("history", history(item), model_history(item, expected));
}

/// What of the first accepted row is compared.
fn first_of(item: &Transaction) -> String {
    let first = item.first.as_ref().map(|first| {
        let content = &first.content;
        (
            event_of(first.event),
            content.amount.0,
            content.currency.code().to_owned(),
            content.kind.name(),
            first.last4.as_str().to_owned(),
            content
                .original_transaction_id
                .as_deref()
                .map(str::to_owned),
            first.timestamp.unix_millis(),
        )
    });
    format!("{first:?}")
}

fn model_first(expected: &Item) -> String {
    let first = expected.first.as_ref().map(|(event, content)| {
        (
            event.clone(),
            content.amount,
            content.currency.to_owned(),
            content.kind,
            content.card[content.card.len() - 4..].to_owned(),
            content.original.clone(),
            content.event_seconds() as i64 * 1000,
        )
    });
    format!("{first:?}")
}

/// The rows of an item's history, and whether more is missing than may be.
fn history(item: &Transaction) -> String {
    let rows = item.history.iter().filter_map(|entry| match &entry.what {
        HistoryEvent::Row { event, class, .. } => Some((event_of(*event), class.name())),
        HistoryEvent::Flagged { .. } => None,
    });
    let is_short = item.history_truncated && item.history.len() < HISTORY_KEPT;
    format!("{:?}, {is_short}", rows.collect::<Vec<_>>())
}

fn model_history(item: &Transaction, expected: &Item) -> String {
    let kept = item.history.iter();
    let flagged = kept.filter(|entry| matches!(entry.what, HistoryEvent::Flagged { .. }));
    let room = HISTORY_KEPT - flagged.count();
    let rows = expected.history.iter().take(room).map(|(event, class)| {
        let name = match class {
            Class::Accepted => "accepted",
            Class::Rejected => "rejected",
            Class::Duplicate => "duplicate",
            Class::Conflict => "conflict",
        };
        (event.clone(), name)
    });
    format!("{:?}, false", rows.collect::<Vec<_>>())
}

fn check_uploads(left: &Left<'_>, model: &Model, workload: &Workload, broken: &mut Broken) {
    if left.is_whole {
        broken.equal("uploads", left.store.uploads.len(), workload.uploads.len());
    }
    for expected in &workload.uploads {
        let id = expected.id;
        let Some(upload) = left.store.uploads.get(&id) else {
            if model.counts.contains_key(id.as_str()) {
                broken.say(format!("{id}: has rows and is not there"));
            }
            continue;
        };
        let counts = model.counts.get(id.as_str()).cloned().unwrap_or_default();
        let count = |class| counts.get(&class).copied().unwrap_or(0);
        let found = &upload.counts;
        broken.equal(
            &format!("{id}: accepted, rejected, duplicates, conflicts"),
            [
                found.accepted,
                found.rejected,
                found.duplicates,
                found.conflicts,
            ],
            [
                count(Class::Accepted),
                count(Class::Rejected),
                count(Class::Duplicate),
                count(Class::Conflict),
            ],
        );
        if !left.is_whole {
            continue;
        }
        broken.equal(
            &format!("{id}: state"),
            upload.state(),
            UploadState::Completed,
        );
        let records = upload.ending.as_ref().map(|ending| ending.tally().records);
        broken.equal(&format!("{id}: records"), records, Some(found.total()));
        broken.equal(
            &format!("{id}: rows"),
            records,
            Some(expected.rows.len() as u64),
        );
    }
}

/// Every sale was judged once: how many and how much they were does not depend on the order.
fn check_profiles(left: &Left<'_>, model: &Model, broken: &mut Broken) {
    let expected: BTreeSet<_> = model
        .sales()
        .into_iter()
        .map(|((key, card, currency), (sales, sum))| {
            let number = CardNumber::parse(card.as_bytes()).unwrap();
            let fingerprint = fingerprinter(key).fingerprint(&number);
            (format!("{fingerprint:?}"), currency.to_owned(), sales, sum)
        })
        .collect();
    let found: BTreeSet<_> = left
        .store
        .profiles
        .iter()
        .map(|(key, profile)| {
            (
                format!("{:?}", key.fingerprint),
                key.currency.code().to_owned(),
                profile.revision(),
                profile.sum(),
            )
        })
        .collect();
    if found != expected {
        let differ: Vec<_> = found.symmetric_difference(&expected).collect();
        broken.say(format!("profiles differ: {differ:?}"));
    }
}

fn check_alerts(world: &World, findings: &BTreeMap<String, Finding>, broken: &mut Broken) {
    for id in findings.keys() {
        match world.sink.get(id) {
            None => broken.say(format!("finding {id} was not handed to the sink")),
            Some(times) if *times > 1 && world.is_undisturbed => {
                broken.say(format!("finding {id} was handed to the sink {times} times"));
            }
            Some(_) => {}
        }
    }
    for id in world.sink.keys().filter(|id| !findings.contains_key(*id)) {
        broken.say(format!("alert {id} is about no finding"));
    }
}

fn check_quarantine(left: &Left<'_>, broken: &mut Broken) {
    let found = &left.store.quarantined;
    for index in found.difference(&left.poison) {
        let json = left.log.get(*index as usize);
        let why = json.map(|json| (String::from_utf8_lossy(json), decode(json).map(|_| ())));
        broken.say(format!(
            "quarantine has event {index} without a reason: {why:?}"
        ));
    }
    broken.equal("quarantine", found, &left.poison);
}

fn check_card_numbers(left: &Left<'_>, workload: &Workload, broken: &mut Broken) {
    let mut look = |place: &str, text: &str| {
        let mut plain = text.to_owned();
        plain.retain(|c| !matches!(c, ' ' | '-'));
        if workload.planted.iter().any(|n| plain.contains(n.as_str())) {
            broken.say(format!("a card number is in {place}"));
        }
    };
    for event in &left.log {
        look("an event", &String::from_utf8_lossy(event));
    }
    for item in left.store.items.values() {
        look("an item", &format!("{item:?}"));
    }
    for upload in left.store.uploads.values() {
        look("an upload", &format!("{upload:?}"));
    }
    for told in left.told {
        look("an alert", told);
    }
}

//! What a host does around the stages: deliver, fold, judge, append what was found, alert, and
//! remember how far it got.

use super::bug::PlantedBug;
use super::port::{Port, write_held_links};
use super::producer::{arrival_millis, events_of};
use super::run::wait;
use super::world::{FEEDS, Shared, World};
use std::rc::Rc;
use txp_domain::alert::Message;
use txp_domain::event::{AnomalyFlagged, Decoded, Event, RowOutcome, decode};
use txp_domain::position::{Position, Sequence};
use txp_domain::transaction::FreshTransaction;
use txp_pipeline::batch::{Delivery, EventBatch};
use txp_pipeline::rulefile::default_rules;
use txp_pipeline::stage::aggregate::{Aggregator, Change, Outcome};
use txp_pipeline::stage::detect::{Detector, Found};

/// One event to be delivered: its place in the log and in its bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pick {
    pub(super) index: usize,
    pub(super) in_bucket: usize,
}

fn json_of(shared: &Shared, index: usize) -> Rc<[u8]> {
    Rc::clone(&shared.borrow().log[index].json)
}

fn position_of(world: &World, index: usize) -> Position {
    Position {
        bucket: world.log[index].bucket,
        sequence: Sequence::from(index as u64 + 1),
        subsequence: 0,
    }
}

fn delivery<'a>(shared: &Shared, index: usize, decoded: &'a Decoded<'_>) -> Delivery<'a> {
    Delivery {
        position: position_of(&shared.borrow(), index),
        arrival_millis: arrival_millis(index),
        event: decoded.event(),
    }
}

/// Folds a batch, and hands on what comes of it.
pub(super) async fn fold(shared: Shared, picks: Vec<Pick>) {
    let json: Vec<_> = picks.iter().map(|p| json_of(&shared, p.index)).collect();
    let mut readable = Vec::new();
    let mut skips_next = false;
    for (pick, json) in picks.iter().zip(&json) {
        match decode(json) {
            Ok(_) if std::mem::take(&mut skips_next) => {}
            Ok(decoded) => readable.push((*pick, decoded)),
            Err(_) => {
                wait().await;
                let world = &mut *shared.borrow_mut();
                world.store.quarantined.insert(pick.index as u64);
                skips_next = world.has(PlantedBug::QuarantineDropsGood);
            }
        }
    }
    let deliveries: Vec<_> = readable
        .iter()
        .map(|(pick, decoded)| delivery(&shared, pick.index, decoded))
        .collect();
    write_held_links(&mut shared.borrow_mut());
    let mut aggregator = shared.borrow_mut().aggregators.pop().unwrap_or_default();
    let outcome = aggregator
        .fold(&mut Port(Rc::clone(&shared)), &deliveries)
        .await;
    finish(&shared, &deliveries, &outcome, aggregator);
    if shared.borrow().is_embedded() {
        judge(&shared, &deliveries, &outcome.changes).await;
        for at in &outcome.flagged {
            if let Event::AnomalyFlagged(flagged) = &deliveries[*at].event {
                alert(&shared, flagged).await;
            }
        }
    }
    let failed_at = outcome.failed.as_ref().map(|(at, _)| {
        // A batch of nothing but poison can fail, too.
        let failed = readable.get(*at).map(|(pick, _)| pick.index);
        failed.unwrap_or(picks[0].index)
    });
    let first_failed = failed_at.and_then(|index| picks.iter().position(|p| p.index == index));
    move_on(&mut shared.borrow_mut(), &picks, first_failed);
}

/// What must hold of an outcome.
fn finish(shared: &Shared, deliveries: &[Delivery<'_>], outcome: &Outcome, aggregator: Aggregator) {
    let world = &mut *shared.borrow_mut();
    world.aggregators.push(aggregator);
    for change in &outcome.changes {
        if !matches!(&deliveries[change.delivery].event, Event::Row(_)) {
            world.say("a judgement is due for something else than a row");
        }
    }
    if let Some((failed, error)) = &outcome.failed {
        if !error.is_retryable() {
            world.say(format!("an error that does not go away: {error}"));
        }
        if outcome.changes.iter().any(|c| c.delivery > *failed) {
            world.is_ordered = false;
        }
    }
    for delivery in deliveries {
        remember_last_row(world, delivery);
    }
}

fn remember_last_row(world: &mut World, delivery: &Delivery<'_>) {
    let Event::Row(row) = &delivery.event else {
        return;
    };
    let RowOutcome::Valid { facts, .. } = &row.outcome else {
        return;
    };
    if !world.has(PlantedBug::ClassFromLast) {
        return;
    }
    let key = (
        facts.merchant_id.to_owned(),
        facts.transaction_id.to_owned(),
    );
    let fresh = FreshTransaction::of(row, &delivery.position, delivery.arrival_millis);
    let first = fresh.and_then(|fresh| fresh.to_transaction().first);
    world.last_rows.extend(first.map(|first| (key, first)));
}

/// Moves the cursors behind what was done; what failed, and all behind it, comes again.
fn move_on(world: &mut World, picks: &[Pick], first_failed: Option<usize>) {
    let end = first_failed
        .filter(|_| !world.has(PlantedBug::FailureIgnored))
        .unwrap_or(picks.len());
    let (done, again) = picks.split_at(end);
    if world.is_embedded() {
        let next = again.iter().map(|p| p.index).min();
        let behind = done.iter().map(|p| p.index + 1).max();
        world.cursors.at = next.or(behind).unwrap_or(world.cursors.at);
        return;
    }
    for pick in done {
        let bucket = world.log[pick.index].bucket.index();
        let cursor = &mut world.cursors.by_bucket[bucket];
        *cursor = (*cursor).max(pick.in_bucket + 1);
    }
    for pick in again {
        let bucket = world.log[pick.index].bucket.index();
        let cursor = &mut world.cursors.by_bucket[bucket];
        *cursor = (*cursor).min(pick.in_bucket);
    }
}

/// Judges what the stored feed says, in the cloud.
pub(super) async fn detect(shared: Shared, part: usize, most: usize) {
    let entries: Vec<_> = {
        let world = &shared.borrow();
        let from = world.cursors.feed[part % FEEDS];
        let feed = world.feed[part % FEEDS].iter();
        feed.skip(from).take(most).cloned().collect()
    };
    let json: Vec<_> = entries.iter().map(|e| json_of(&shared, e.index)).collect();
    let decoded: Vec<_> = json.iter().map(|json| decode(json).unwrap()).collect();
    let deliveries: Vec<_> = entries
        .iter()
        .zip(&decoded)
        .map(|(entry, decoded)| delivery(&shared, entry.index, decoded))
        .collect();
    let changes = entries.iter().zip(0..).map(|(entry, delivery)| Change {
        delivery,
        facts_revision: entry.facts_revision,
        standing: entry.standing.clone(),
    });
    let changes: Vec<_> = changes.collect();
    judge(&shared, &deliveries, &changes).await;
    shared.borrow_mut().cursors.feed[part % FEEDS] += entries.len();
}

async fn judge(shared: &Shared, deliveries: &[Delivery<'_>], changes: &[Change]) {
    if !shared.borrow().judges {
        return;
    }
    let mut changes = changes.to_vec();
    if !changes.is_empty() && shared.borrow_mut().strikes(PlantedBug::LostChange, 100) {
        changes.pop();
    }
    let rules = default_rules().unwrap().rules;
    let mut detector = Detector::default();
    let found = loop {
        let mut port = Port(Rc::clone(shared));
        match detector
            .judge(&mut port, &rules, deliveries, &changes)
            .await
        {
            Ok(found) => break found,
            Err(error) if error.is_retryable() => {}
            Err(error) => {
                shared.borrow_mut().say(format!("judging fails: {error}"));
                return;
            }
        }
    };
    append(shared, &found).await;
    if !shared.borrow().is_embedded() {
        for found in &found {
            if let Some(flagged) = found.verdict.flagged() {
                alert(shared, flagged).await;
            }
        }
    }
}

/// Appends findings, again and again until it is known that all of them are in the log.
async fn append(shared: &Shared, found: &[Found]) {
    let mut batch = EventBatch::default();
    for found in found {
        let Some(mut flagged) = found.verdict.flagged().cloned() else {
            continue;
        };
        push(&mut batch, &flagged);
        if shared.borrow_mut().strikes(PlantedBug::FindingTwice, 100) {
            flagged.finding.facts_revision += 1;
            let finding = &mut flagged.finding;
            finding.id = format!(
                "{}:{}:{}",
                finding.event_id, finding.rule_set, finding.facts_revision
            );
            push(&mut batch, &flagged);
        }
    }
    if batch.is_empty() {
        return;
    }
    loop {
        wait().await;
        let world = &mut *shared.borrow_mut();
        if world.append(events_of(&batch)).is_ok() {
            world.sync();
            return;
        }
    }
}

fn push(batch: &mut EventBatch, flagged: &AnomalyFlagged) {
    let event = Event::AnomalyFlagged(Box::new(flagged.clone()));
    batch.push_event(event).unwrap();
}

/// Tells people of a finding: recorded before, marked after it is handed over.
async fn alert(shared: &Shared, flagged: &AnomalyFlagged) {
    let id = flagged.id().to_owned();
    wait().await;
    let is_marked = *shared
        .borrow_mut()
        .alerts
        .entry(id.clone())
        .or_insert(false);
    if is_marked {
        return;
    }
    if shared.borrow().has(PlantedBug::MarkedBeforeHanded) {
        shared.borrow_mut().alerts.insert(id.clone(), true);
    }
    wait().await;
    loop {
        let world = &mut *shared.borrow_mut();
        let is_lost = world.fault(world.plan.port_faults_permille);
        if is_lost && world.random.permille(500) {
            continue;
        }
        *world.sink.entry(id.clone()).or_default() += 1;
        let message = Message::of(&flagged.finding);
        world.told.push(message.subject + &message.body);
        if !is_lost {
            break;
        }
        world.is_undisturbed = false;
    }
    wait().await;
    shared.borrow_mut().alerts.insert(id, true);
}

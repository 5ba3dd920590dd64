//! The change feed judged, where it comes in batches that may come again: what is found is told to
//! people and appended to the history before the batch is acknowledged.
//!
//! The order: profiles are read and written, alerts recorded, handed on and marked, findings
//! appended. A crash anywhere in it leaves a batch that is not acknowledged; when that comes again,
//! the profiles recognise what they have judged and give the same findings, under the same ids, and
//! each step after it knows its own from the id.
//!
//! Deliberately absent: where the feed comes from, and folding (the aggregator's).

use crate::batch::{Delivery, EventBatch};
use crate::port::{AlertLedger, AlertSink, ErrorKind, EventSink, PortError, ProfileStore};
use crate::stage::aggregate::Change;
use crate::stage::alert::{Alerting, CooldownStore};
use crate::stage::detect::{Detector, Found, Part};
use crate::stage::rulebook::InForce;
use crate::telemetry::{Metric, count, shadow_found};
use std::collections::BTreeSet;
use txp_domain::event::Verdict;
use txp_domain::position::Position;
use txp_domain::time::Timestamp;

/// What judging needs of the world.
pub struct Ports<'p, P, L, S, E> {
    /// What is remembered of cards.
    pub profiles: &'p mut P,
    /// The alert table.
    pub ledger: &'p mut L,
    /// Who is told.
    pub sink: &'p mut S,
    /// The history.
    pub events: &'p mut E,
}

/// How far a batch got.
#[derive(Debug, Default)]
#[must_use]
pub struct Outcome {
    /// Findings, told and appended.
    pub findings: usize,
    /// Findings of rules that are only tried, appended.
    pub shadowed: usize,
    /// Deliveries that cannot be judged, ever, and why; in their order. They are to be put aside
    /// before the batch is acknowledged.
    pub damaged: Vec<(usize, String)>,
    /// Where the batch is to be delivered again from; `None` if all of it is done.
    pub undone: Option<Undone>,
}

/// The first delivery that is not wholly done.
#[derive(Debug)]
pub struct Undone {
    /// Its index.
    pub delivery: usize,
    /// Why; `None` if nothing failed and what comes before is to be acknowledged first.
    pub error: Option<PortError>,
}

/// The stage.
#[derive(Debug, Default)]
pub struct Anomaly<C> {
    detector: Detector,
    alerting: Alerting<C>,
}

impl<C: CooldownStore> Anomaly<C> {
    /// With cooldowns kept there.
    pub fn new(cooldowns: C) -> Self {
        Self {
            detector: Detector::default(),
            alerting: Alerting::new(cooldowns),
        }
    }

    /// Telling people, for what is not asked for by a batch: digests that are due, alerts that a
    /// crash left behind.
    pub fn alerting(&mut self) -> &mut Alerting<C> {
        &mut self.alerting
    }

    /// Judges changes from the first on, as many as are judged the same when they come again, and
    /// does all that follows from what is found.
    pub async fn judge<P: ProfileStore, L: AlertLedger, S: AlertSink, E: EventSink>(
        &mut self,
        ports: &mut Ports<'_, P, L, S, E>,
        rules: &InForce,
        deliveries: &[Delivery<'_>],
        changes: &[Change],
        now: Timestamp,
    ) -> Outcome {
        let Some(first) = changes.first() else {
            return Outcome::default();
        };
        let judged = self
            .detector
            .judge_part(ports.profiles, rules, deliveries, changes)
            .await;
        let Part {
            found,
            judged,
            damaged,
        } = match judged {
            Ok(judged) => judged,
            Err(error) => return Outcome::failed(first.delivery, error),
        };
        let findings = found.iter();
        let findings = findings.filter(|found| found.verdict.flagged().is_some());
        let findings = findings.count();
        let shadowed = found.len() - findings;
        if let Some(first_found) = found.first() {
            // What was judged before it, and nothing found, is done.
            let delivery = first_found.delivery;
            let found = with_positions(deliveries, found);
            if let Err(error) = self.tell(ports, rules, found, now).await {
                return Outcome {
                    damaged,
                    ..Outcome::failed(delivery, error)
                };
            }
        }
        let undone = changes.get(judged).map(|change| Undone {
            delivery: change.delivery,
            error: None,
        });
        Outcome {
            findings,
            shadowed,
            damaged,
            undone,
        }
    }

    async fn tell<P, L: AlertLedger, S: AlertSink, E: EventSink>(
        &mut self,
        ports: &mut Ports<'_, P, L, S, E>,
        rules: &InForce,
        found: Vec<(Position, Verdict)>,
        now: Timestamp,
    ) -> Result<(), PortError> {
        let mut batch = EventBatch::default();
        for (_, verdict) in &found {
            batch.push_event(verdict.to_event()).map_err(|error| {
                let context = "a finding cannot be written as JSON";
                PortError::caused(ErrorKind::Permanent, context, error)
            })?;
        }
        // Nobody is told of what rules find that are only tried.
        let (mut findings, mut shadowed) = (Vec::new(), Vec::new());
        for (position, verdict) in found {
            match verdict {
                Verdict::Flagged(flagged) => findings.push((position, flagged)),
                Verdict::Shadowed(finding) => shadowed.push(finding),
            }
        }
        let policy = rules.active.rules.alerts();
        self.alerting
            .handle(ports.ledger, ports.sink, policy, findings, now)
            .await?;
        let events = batch.len() as u64;
        ports.events.append(&mut batch).await?;
        ports.events.flush().await?;
        count(Metric::EventsEmitted, events);
        // What is delivered again once it was done counts again: no table remembers them. Profiles
        // remember what was judged, not what was appended, and nothing of conflicts; by them, what a
        // crash cut short would never be counted.
        shadowed.iter().for_each(|one| shadow_found(one.finding()));
        Ok(())
    }
}

impl Outcome {
    fn failed(delivery: usize, error: PortError) -> Self {
        Self {
            findings: 0,
            shadowed: 0,
            damaged: Vec::new(),
            undone: Some(Undone {
                delivery,
                error: Some(error),
            }),
        }
    }
}

/// Findings with the positions of the events that caused them, each once: a batch may hold a change
/// twice.
fn with_positions(deliveries: &[Delivery<'_>], found: Vec<Found>) -> Vec<(Position, Verdict)> {
    let mut ids = BTreeSet::new();
    let mut findings = Vec::with_capacity(found.len());
    for Found { delivery, verdict } in found {
        if let Some(delivery) = deliveries.get(delivery)
            && ids.insert(verdict.id().to_owned())
        {
            findings.push((delivery.position.clone(), verdict));
        }
    }
    findings
}

#[cfg(test)]
mod tests;

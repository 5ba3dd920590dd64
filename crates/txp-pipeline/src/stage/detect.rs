//! Judging what has changed, in the order of the history.
//!
//! The judgements of a batch are taken card by card: one read and one conditional write per card
//! and batch, however many of its sales are judged. A profile recognises what it has judged before,
//! so judging again after a lost answer or a lost race gives the same findings.

use crate::batch::Delivery;
use crate::port::{PortError, ProfileKey, ProfileStore};
use crate::stage::aggregate::Change;
use txp_domain::event::{AnomalyFlagged, Event, RowEvent, RowOutcome};
use txp_domain::profile::Profile;
use txp_domain::row::{Facts, TransactionType};
use txp_domain::rule::{Conflict, Judged, Occasion, RuleSet, judge};

/// A finding, and the delivery that caused it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The delivery's index in its batch.
    pub delivery: usize,
    /// What is to be appended to the history.
    pub flagged: AnomalyFlagged,
}

/// The stage, with its buffers.
#[derive(Debug, Default)]
pub struct Detector {
    order: Vec<(ProfileKey, usize)>,
}

impl Detector {
    /// Judges the changes of a batch. What is found comes in the order of the deliveries.
    ///
    /// # Errors
    /// A port failed. No finding is handed out; judging the same changes again gives all of them.
    pub async fn judge<P: ProfileStore>(
        &mut self,
        profiles: &mut P,
        rules: &RuleSet,
        deliveries: &[Delivery<'_>],
        changes: &[Change],
    ) -> Result<Vec<Found>, PortError> {
        let mut found = Vec::new();
        self.order.clear();
        for (index, change) in changes.iter().enumerate() {
            let Some((row, judged)) = judged_of(deliveries, change) else {
                continue;
            };
            if sees_profile(&judged) {
                let facts = &judged.facts;
                let key = ProfileKey {
                    fingerprint: facts.card.fingerprint,
                    currency: facts.currency,
                };
                self.order.push((key, index));
            } else {
                let finding = judge(rules, &judged, &mut Default::default());
                found.extend(finding.map(|finding| Found {
                    delivery: change.delivery,
                    flagged: AnomalyFlagged {
                        finding,
                        time: row.uploaded_at,
                    },
                }));
            }
        }
        self.order.sort_unstable();
        for card in self.order.chunk_by(|a, b| a.0 == b.0) {
            judge_card(profiles, rules, deliveries, changes, card, &mut found).await?;
        }
        found.sort_by_key(|f| f.delivery);
        Ok(found)
    }
}

/// Whether a judgement looks at the card's past: the first acceptance of a sale.
fn sees_profile(judged: &Judged<'_>) -> bool {
    matches!(judged.occasion, Occasion::FirstAccepted) && judged.facts.kind == TransactionType::Sale
}

async fn judge_card<P: ProfileStore>(
    profiles: &mut P,
    rules: &RuleSet,
    deliveries: &[Delivery<'_>],
    changes: &[Change],
    card: &[(ProfileKey, usize)],
    found: &mut Vec<Found>,
) -> Result<(), PortError> {
    let Some((key, _)) = card.first() else {
        return Ok(());
    };
    let found_before = found.len();
    let judge_all = |profile: &mut Profile| {
        found.truncate(found_before);
        for change in card.iter().filter_map(|(_, index)| changes.get(*index)) {
            let Some((row, judged)) = judged_of(deliveries, change) else {
                continue;
            };
            found.extend(judge(rules, &judged, profile).map(|finding| Found {
                delivery: change.delivery,
                flagged: AnomalyFlagged {
                    finding,
                    time: row.uploaded_at,
                },
            }));
        }
    };
    profiles.update(*key, judge_all).await
}

/// What is to be judged about a change.
fn judged_of<'a>(
    deliveries: &'a [Delivery<'_>],
    change: &'a Change,
) -> Option<(&'a RowEvent<'a>, Judged<'a>)> {
    let Event::Row(row) = &deliveries.get(change.delivery)?.event else {
        return None;
    };
    let RowOutcome::Valid { facts, .. } = &row.outcome else {
        return None;
    };
    let facts_revision = change.facts_revision;
    let judged = match &change.standing {
        None => Judged {
            event_id: row.event_id(),
            facts: *facts,
            facts_revision,
            occasion: Occasion::FirstAccepted,
        },
        Some(first) => Judged {
            event_id: first.event,
            facts: first.facts(facts.merchant_id, facts.transaction_id),
            facts_revision,
            occasion: Occasion::Conflict(conflict_of(row, facts)),
        },
    };
    Some((row, judged))
}

fn conflict_of(row: &RowEvent<'_>, facts: &Facts<'_>) -> Conflict {
    Conflict {
        event_id: row.event_id(),
        kind: facts.kind,
        amount: facts.amount,
        currency: facts.currency,
        timestamp: facts.timestamp,
    }
}

#[cfg(test)]
mod tests;

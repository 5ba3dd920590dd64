//! Judging what has changed, in the order of the history.
//!
//! The judgements of a batch are taken card by card: one read and one conditional write per card
//! and batch, however many of its sales are judged. A profile recognises what it has judged before,
//! so judging again after a lost answer or a lost race gives the same findings, as long as no more
//! of a card were judged than its profile recognises. A batch is judged in parts for that: who must
//! expect its batches again acknowledges each part before the next, and then all that can come
//! again is recognised. Where others judge the same cards at the same time, what they judge counts
//! towards what a profile recognises.

use crate::batch::Delivery;
use crate::port::{PortError, ProfileKey, ProfileStore};
use crate::stage::aggregate::Change;
use txp_domain::event::{AnomalyFlagged, AnomalyShadowed, Event, RowEvent, RowOutcome, Verdict};
use txp_domain::finding::Finding;
use txp_domain::profile::{Profile, RECOGNISED_MAX};
use txp_domain::row::{Facts, TransactionType};
use txp_domain::rule::{Conflict, Judged, Occasion, RuleSet, Seen, see};

/// The rules that are asked of each change, all from the same past.
#[derive(Clone, Copy, Debug)]
pub struct Judging<'r> {
    /// The rules that judge.
    pub active: &'r RuleSet,
    /// Rules that are tried: what they find is recorded, and that is all.
    pub shadow: Option<&'r RuleSet>,
}

impl<'r> From<&'r RuleSet> for Judging<'r> {
    fn from(active: &'r RuleSet) -> Self {
        Self {
            active,
            shadow: None,
        }
    }
}

/// A finding, and the delivery that caused it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The delivery's index in its batch.
    pub delivery: usize,
    /// What is to be appended to the history.
    pub verdict: Verdict,
}

/// What judging the first changes of a batch gave.
#[derive(Debug, Default, PartialEq)]
pub struct Part<T = Found> {
    /// What was found, in the order of the deliveries.
    pub found: Vec<T>,
    /// How many changes were judged.
    pub judged: usize,
    /// Deliveries that cannot be judged, because the profile of their card is damaged, and why; in
    /// their order.
    pub damaged: Vec<(usize, String)>,
}

/// The change that is looked at.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// The index of its delivery in its batch.
    pub delivery: usize,
    /// The row that changed the transaction.
    pub row: &'a RowEvent<'a>,
}

/// The stage, with its buffers.
#[derive(Debug, Default)]
pub struct Detector {
    /// The start of the card's fingerprint above the change's index, in one number: cheap to sort.
    order: Vec<u128>,
    /// The cards of some judgements, and how many judgements each has.
    cards: Vec<(ProfileKey, usize)>,
    keys: Vec<ProfileKey>,
}

/// Cards whose profiles are fetched together.
const CARDS_TOGETHER: usize = 64;

impl Detector {
    /// Judges the changes of a batch. What is found comes in the order of the deliveries.
    ///
    /// # Errors
    /// A port failed, and no finding is handed out. The host has to go back to the profiles as they
    /// were before, or to judge by [`Self::judge_part`].
    pub async fn judge<'r, P: ProfileStore>(
        &mut self,
        profiles: &mut P,
        rules: impl Into<Judging<'r>>,
        deliveries: &[Delivery<'_>],
        changes: &[Change],
    ) -> Result<Vec<Found>, PortError> {
        let rules = rules.into();
        self.look(profiles, deliveries, changes, |at, seen| {
            Found::by(rules, at, seen)
        })
        .await
    }

    /// Judges changes from the first on, as many as can come again as a whole and are then judged
    /// the same: at least one, and of no card more than its profile recognises. A card whose profile
    /// is damaged does not keep the others waiting.
    ///
    /// # Errors
    /// A port failed. No finding is handed out; judging the same changes again gives all of them.
    pub async fn judge_part<'r, P: ProfileStore>(
        &mut self,
        profiles: &mut P,
        rules: impl Into<Judging<'r>>,
        deliveries: &[Delivery<'_>],
        changes: &[Change],
    ) -> Result<Part, PortError> {
        let rules = rules.into();
        let judge = |at: At<'_>, seen: &Seen<'_>| Found::by(rules, at, seen);
        self.look_first(profiles, deliveries, changes, Some(RECOGNISED_MAX), judge)
            .await
    }

    /// Looks at every change of a batch with the past that it has. What is seen in them comes in the
    /// order of the deliveries.
    ///
    /// # Errors
    /// A port failed; as for [`Self::judge`].
    pub async fn look<P: ProfileStore, T, I: IntoIterator<Item = T>>(
        &mut self,
        profiles: &mut P,
        deliveries: &[Delivery<'_>],
        changes: &[Change],
        look: impl FnMut(At<'_>, &Seen<'_>) -> I,
    ) -> Result<Vec<T>, PortError> {
        let part = self
            .look_first(profiles, deliveries, changes, None, look)
            .await?;
        Ok(part.found)
    }

    async fn look_first<P: ProfileStore, T, I: IntoIterator<Item = T>>(
        &mut self,
        profiles: &mut P,
        deliveries: &[Delivery<'_>],
        changes: &[Change],
        of_a_card_max: Option<usize>,
        mut look: impl FnMut(At<'_>, &Seen<'_>) -> I,
    ) -> Result<Part<T>, PortError> {
        let end = self.sort_by_card(deliveries, changes, of_a_card_max.unwrap_or(usize::MAX));
        let mut found: Vec<(usize, T)> = Vec::new();
        let mut damaged = Vec::new();
        let mut look_at = |change: &Change, profile: &mut Profile, found: &mut Vec<(usize, T)>| {
            if let Some((row, judged)) = judged_of(deliveries, change) {
                let delivery = change.delivery;
                let seen = see(&judged, profile, |seen| look(At { delivery, row }, seen));
                found.extend(seen.into_iter().map(|seen| (delivery, seen)));
            }
        };
        for change in changes.iter().take(end) {
            if profile_of(deliveries, change).is_none() {
                look_at(change, &mut Profile::default(), &mut found);
            }
        }
        let change_at = |at: &u128| changes.get(index_of(at));
        let mut rest = self.order.as_slice();
        let mut found_of: Vec<Vec<_>> = Vec::new();
        for cards in self.cards.chunks(CARDS_TOGETHER) {
            self.keys.clear();
            self.keys.extend(cards.iter().map(|(key, _)| *key));
            profiles.prepare(&self.keys).await?;
            let mut of_cards = Vec::with_capacity(cards.len());
            for (_, judgements) in cards {
                let (card, others) = rest.split_at_checked(*judgements).unwrap_or((rest, &[]));
                rest = others;
                of_cards.push(card);
            }
            found_of.resize_with(of_cards.len(), Vec::new);
            let look_at_card = |at: usize, profile: &mut Profile| {
                let (Some(card), Some(found)) = (of_cards.get(at), found_of.get_mut(at)) else {
                    return;
                };
                // What was found before was found on a profile that another has changed meanwhile.
                found.clear();
                for change in card.iter().filter_map(change_at) {
                    look_at(change, profile, found);
                }
            };
            for (at, error) in profiles.update_all(&self.keys, look_at_card).await? {
                if of_a_card_max.is_none() {
                    return Err(error);
                }
                found_of.get_mut(at).into_iter().for_each(Vec::clear);
                let reason = error.reason();
                let card = of_cards.get(at).copied().unwrap_or_default();
                let of_card = card.iter().filter_map(change_at);
                damaged.extend(of_card.map(|change| (change.delivery, reason.clone())));
            }
            for found_of_card in &mut found_of {
                found.append(found_of_card);
            }
        }
        found.sort_by_key(|(delivery, _)| *delivery);
        damaged.sort();
        Ok(Part {
            found: found.into_iter().map(|(_, seen)| seen).collect(),
            judged: end,
            damaged,
        })
    }

    /// Puts the judgements that look at a card side by side, those of one card in their order. Says
    /// where the changes end of which no card has more than `of_a_card_max`.
    fn sort_by_card(
        &mut self,
        deliveries: &[Delivery<'_>],
        changes: &[Change],
        of_a_card_max: usize,
    ) -> usize {
        self.order.clear();
        for (index, change) in changes.iter().enumerate() {
            if let Some(key) = profile_of(deliveries, change) {
                let card = key.fingerprint.0.first_chunk::<8>().unwrap_or(&[0; 8]);
                self.order
                    .push(u128::from(u64::from_be_bytes(*card)) << 64 | index as u128);
            }
        }
        self.order.sort_unstable();
        // Of each card, whatever the currencies, changes stand in their order: one too many ends
        // the part.
        let cards = self.order.chunk_by(|a, b| a >> 64 == b >> 64);
        let end = cards
            .filter_map(|card| card.get(of_a_card_max).map(index_of))
            .min()
            .unwrap_or(changes.len());
        if end < changes.len() {
            self.order.retain(|at| index_of(at) < end);
        }
        let key_at = |at: &u128| profile_of(deliveries, changes.get(index_of(at))?);
        self.cards.clear();
        for card in self.order.chunk_by(|a, b| key_at(a) == key_at(b)) {
            if let Some(key) = card.first().and_then(key_at) {
                self.cards.push((key, card.len()));
            }
        }
        end
    }
}

/// The index of the change, in a number of [`Detector::order`].
fn index_of(at: &u128) -> usize {
    usize::try_from(at & u128::from(u64::MAX)).unwrap_or(usize::MAX)
}

impl Found {
    /// What the rules find, those that judge first.
    fn by(rules: Judging<'_>, at: At<'_>, seen: &Seen<'_>) -> impl Iterator<Item = Self> + use<> {
        let flagged = seen.judge(rules.active);
        let flagged = flagged.map(|finding| Verdict::Flagged(at.flagged(finding)));
        let shadowed = rules.shadow.and_then(|rules| seen.judge(rules));
        let shadowed = shadowed.map(|finding| Verdict::Shadowed(at.shadowed(finding)));
        let delivery = at.delivery;
        let verdicts = flagged.into_iter().chain(shadowed);
        verdicts.map(move |verdict| Self { delivery, verdict })
    }
}

impl At<'_> {
    /// What is recorded of a finding in it.
    #[must_use]
    pub fn flagged(&self, finding: Finding) -> AnomalyFlagged {
        AnomalyFlagged {
            finding,
            time: self.row.uploaded_at,
        }
    }

    /// What is recorded of a finding in it of rules that are tried.
    #[must_use]
    pub fn shadowed(&self, finding: Finding) -> AnomalyShadowed {
        AnomalyShadowed::new(finding, self.row.uploaded_at)
    }
}

/// The profile that a judgement looks at: the first acceptance of a sale looks at its card's.
fn profile_of(deliveries: &[Delivery<'_>], change: &Change) -> Option<ProfileKey> {
    let Event::Row(row) = &deliveries.get(change.delivery)?.event else {
        return None;
    };
    match &row.outcome {
        RowOutcome::Valid { facts, .. }
            if change.standing.is_none() && facts.kind == TransactionType::Sale =>
        {
            Some(ProfileKey {
                fingerprint: facts.card.fingerprint,
                currency: facts.currency,
            })
        }
        _ => None,
    }
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

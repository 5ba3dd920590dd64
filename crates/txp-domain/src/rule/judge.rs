//! The judgement of one transaction.

use super::measure::{Assessment, Past, Subject, assess, severity_of};
use super::scorecard::{Scorecard, deviation_milli};
use super::{RuleSet, Test};
use crate::finding::{ConflictSeen, Content, Finding, Inputs, ProfileSeen, Total, WindowSeen};
use crate::id::EventId;
use crate::money::{Amount, Currency};
use crate::profile::{Before, Profile, Sale};
use crate::row::{Facts, TransactionType};
use crate::time::Timestamp;

/// From so many sales on, a card's mean says what is usual on it.
const MEAN_AFTER: u64 = 3;

/// What is known of a transaction when a judgement is due.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// Id of the event that first accepted the transaction, on every occasion.
    pub event_id: EventId,
    /// The transaction as first accepted.
    pub facts: Facts<'a>,
    /// The transaction's facts revision after the change.
    pub facts_revision: u32,
    /// Why the judgement is due.
    pub occasion: Occasion,
}

/// Why a judgement is due.
#[derive(Clone, Copy, Debug)]
pub enum Occasion {
    /// The transaction was accepted for the first time.
    FirstAccepted,
    /// It was sent again with other content, and that is kept as a new conflict.
    Conflict(Conflict),
}

/// What conflicts with the transaction as first accepted.
#[derive(Clone, Copy, Debug)]
pub struct Conflict {
    /// Id of the event that brought it.
    pub event_id: EventId,
    /// Its type.
    pub kind: TransactionType,
    /// Its amount.
    pub amount: Amount,
    /// Its currency.
    pub currency: Currency,
    /// Its event time.
    pub timestamp: Timestamp,
}

/// Judges a transaction.
///
/// On first acceptance every rule but those for conflicts is asked, and a sale enters `profile`,
/// which is that of its card and currency, unless the profile recognises it as judged before. A
/// conflict asks only the rules for conflicts and neither reads nor changes the profile.
///
/// Allocates only where something is found or the profile grows.
#[must_use]
pub fn judge(rules: &RuleSet, judged: &Judged<'_>, profile: &mut Profile) -> Option<Finding> {
    see(judged, profile, |seen| seen.judge(rules))
}

/// Judges like [`judge`], and scores the transaction even if nothing is found: how near it came.
#[must_use]
pub fn judge_scored(
    rules: &RuleSet,
    judged: &Judged<'_>,
    profile: &mut Profile,
) -> (u16, Option<Finding>) {
    see(judged, profile, |seen| seen.judge_scored(rules))
}

/// Looks at a transaction and the past that it has, as often as `look` wants to; then a sale enters
/// the profile, once. Several rule sets judge so from the same past.
pub fn see<R>(judged: &Judged<'_>, profile: &mut Profile, look: impl FnOnce(&Seen<'_>) -> R) -> R {
    match judged.occasion {
        Occasion::Conflict(conflict) => {
            let conflict = ConflictSeen {
                event_id: conflict.event_id,
                content: Content::new(conflict.kind, conflict.amount, conflict.currency),
                event_time: conflict.timestamp,
            };
            look(&Seen::new(judged, None, Some(conflict)))
        }
        Occasion::FirstAccepted if judged.facts.kind == TransactionType::Sale => {
            let sale = Sale::of(judged.event_id, judged.facts.timestamp, judged.facts.amount);
            let place = profile.recognise(&sale);
            let before = profile.before(&sale, place);
            let outcome = look(&Seen::new(judged, Some(before), None));
            if place.is_none() {
                profile.push(sale);
            }
            outcome
        }
        Occasion::FirstAccepted => look(&Seen::new(judged, None, None)),
    }
}

/// A transaction as rules see it: with its card's past, or with what conflicts with it.
#[derive(Debug)]
pub struct Seen<'a> {
    judged: &'a Judged<'a>,
    before: Option<Before<'a>>,
    conflict: Option<ConflictSeen>,
}

impl<'a> Seen<'a> {
    fn new(
        judged: &'a Judged<'a>,
        before: Option<Before<'a>>,
        conflict: Option<ConflictSeen>,
    ) -> Self {
        Self {
            judged,
            before,
            conflict,
        }
    }

    /// What is judged.
    #[must_use]
    pub fn judged(&self) -> &Judged<'a> {
        self.judged
    }

    /// What a rule set finds.
    #[must_use]
    pub fn judge(&self, rules: &RuleSet) -> Option<Finding> {
        let (_, finding) = self.judge_by::<false>(rules);
        finding
    }

    /// The same, and the score even if nothing is found. The one place where the score of a
    /// transaction is made, for whoever ranks.
    #[must_use]
    pub fn judge_scored(&self, rules: &RuleSet) -> (u16, Option<Finding>) {
        self.judge_by::<true>(rules)
    }

    /// The amount as thousandths of the card's mean, once the card had a few sales.
    #[must_use]
    pub fn deviation_milli(&self) -> Option<u64> {
        let before = self.before.as_ref()?;
        let has_mean = before.count() >= MEAN_AFTER;
        deviation_milli(self.judged.facts.amount, before).filter(|_| has_mean)
    }

    /// What the card's past is worth by a scorecard; nothing where a card has no part in it.
    #[must_use]
    pub fn card_points(&self, scorecard: &Scorecard) -> i32 {
        let before = self.before.as_ref();
        before.map_or(0, |before| {
            scorecard.of_card(self.judged.facts.amount, before)
        })
    }

    /// What tests are held against.
    pub(super) fn subject(&self) -> Subject<'_, Before<'a>> {
        let facts = &self.judged.facts;
        Subject {
            content: Content::new(facts.kind, facts.amount, facts.currency),
            past: self.before.as_ref(),
            conflict: self.conflict.as_ref().map(|conflict| conflict.content),
        }
    }

    fn judge_by<const SCORED: bool>(&self, rules: &RuleSet) -> (u16, Option<Finding>) {
        let seeing = rules.seeing(self.judged.facts.kind);
        let assessment = assess::<_, SCORED>(seeing, &self.subject());
        let score = assessment.score;
        if assessment.hits.is_empty() {
            return (score, None);
        }
        let (before, conflict) = (self.before.as_ref(), self.conflict.clone());
        let finding = finding_of(rules, self.judged, before, conflict, assessment);
        (score, Some(finding))
    }
}

fn finding_of(
    rules: &RuleSet,
    judged: &Judged<'_>,
    before: Option<&Before<'_>>,
    conflict: Option<ConflictSeen>,
    assessment: Assessment,
) -> Finding {
    let Assessment { hits, score, .. } = assessment;
    Finding {
        id: Finding::id_of(judged.event_id, rules.version(), judged.facts_revision),
        event_id: judged.event_id,
        rule_set: rules.version().into(),
        facts_revision: judged.facts_revision,
        transaction_id: judged.facts.transaction_id.into(),
        merchant_id: judged.facts.merchant_id.into(),
        card: judged.facts.card.into(),
        score,
        severity: severity_of(&hits, score, rules.alerts().critical_score),
        hits,
        inputs: Inputs {
            content: Content::new(
                judged.facts.kind,
                judged.facts.amount,
                judged.facts.currency,
            ),
            event_time: judged.facts.timestamp,
            profile: before.map(|before| ProfileSeen {
                revision: before.count(),
                sum: Total {
                    minor: before.sum(),
                    currency: judged.facts.currency,
                },
            }),
            windows: before.map_or_else(Vec::new, |before| {
                windows_seen(rules, judged.facts.kind, before)
            }),
            conflict,
        },
    }
}

/// What every window held that a rule asked for, hit or not, each once.
fn windows_seen(rules: &RuleSet, kind: TransactionType, before: &Before<'_>) -> Vec<WindowSeen> {
    let mut windows: Vec<WindowSeen> = Vec::new();
    for rule in rules.seeing(kind) {
        let Test::CardVelocity { window_seconds, .. } = rule.test else {
            continue;
        };
        if windows
            .iter()
            .any(|seen| seen.window_seconds == window_seconds)
        {
            continue;
        }
        windows.extend(
            Past::within(before, window_seconds).map(|earlier| WindowSeen {
                window_seconds,
                earlier,
            }),
        );
    }
    windows
}

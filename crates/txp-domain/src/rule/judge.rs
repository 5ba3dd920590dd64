//! The judgement of one transaction.

use super::measure::{Assessment, Past, Subject, assess, severity_of};
use super::{RuleSet, Test};
use crate::finding::{ConflictSeen, Content, Finding, Inputs, ProfileSeen, Total, WindowSeen};
use crate::id::EventId;
use crate::money::{Amount, Currency};
use crate::profile::{Before, Profile, Sale};
use crate::row::{Facts, TransactionType};
use crate::time::Timestamp;

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
    let (_, finding) = judge_by::<false>(rules, judged, profile);
    finding
}

/// Judges like [`judge`], and scores the transaction even if nothing is found: how near it came.
#[must_use]
pub fn judge_scored(
    rules: &RuleSet,
    judged: &Judged<'_>,
    profile: &mut Profile,
) -> (u16, Option<Finding>) {
    judge_by::<true>(rules, judged, profile)
}

fn judge_by<const SCORED: bool>(
    rules: &RuleSet,
    judged: &Judged<'_>,
    profile: &mut Profile,
) -> (u16, Option<Finding>) {
    match judged.occasion {
        Occasion::Conflict(conflict) => {
            let conflict = ConflictSeen {
                event_id: conflict.event_id,
                content: Content::new(conflict.kind, conflict.amount, conflict.currency),
                event_time: conflict.timestamp,
            };
            of_past::<SCORED>(rules, judged, None, Some(conflict))
        }
        Occasion::FirstAccepted if judged.facts.kind == TransactionType::Sale => {
            let sale = Sale::of(judged.event_id, judged.facts.timestamp, judged.facts.amount);
            let place = profile.recognise(&sale);
            let before = profile.before(&sale, place);
            let outcome = of_past::<SCORED>(rules, judged, Some(&before), None);
            if place.is_none() {
                profile.push(sale);
            }
            outcome
        }
        Occasion::FirstAccepted => of_past::<SCORED>(rules, judged, None, None),
    }
}

fn of_past<const SCORED: bool>(
    rules: &RuleSet,
    judged: &Judged<'_>,
    before: Option<&Before<'_>>,
    conflict: Option<ConflictSeen>,
) -> (u16, Option<Finding>) {
    let subject = Subject {
        content: Content::new(
            judged.facts.kind,
            judged.facts.amount,
            judged.facts.currency,
        ),
        past: before,
        conflict: conflict.as_ref().map(|conflict| conflict.content),
    };
    let assessment = assess::<_, SCORED>(rules.seeing(judged.facts.kind), &subject);
    let score = assessment.score;
    if assessment.hits.is_empty() {
        return (score, None);
    }
    let finding = finding_of(rules, judged, before, conflict, assessment);
    (score, Some(finding))
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

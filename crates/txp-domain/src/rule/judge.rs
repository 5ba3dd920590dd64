//! The judgement of one transaction.

use super::measure::{Assessment, Past, Subject, assess, severity_of};
use super::{RuleSet, Test};
use crate::card::{Brand, Fingerprint, Last4};
use crate::finding::{
    CardSeen, ConflictSeen, Content, Finding, Inputs, ProfileSeen, Total, WindowSeen,
};
use crate::money::{Amount, Currency};
use crate::profile::{Before, Profile, Sale};
use crate::row::TransactionType;
use crate::time::Timestamp;

/// What is known of a transaction when a judgement is due.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// Id of the event that first accepted the transaction, on every occasion.
    pub event_id: &'a str,
    /// The transaction's id.
    pub transaction_id: &'a str,
    /// The merchant's id.
    pub merchant_id: &'a str,
    /// The type, as first accepted.
    pub kind: TransactionType,
    /// The amount, as first accepted.
    pub amount: Amount,
    /// The currency, as first accepted.
    pub currency: Currency,
    /// The event time, as first accepted.
    pub event_time: Timestamp,
    /// The card's fingerprint.
    pub fingerprint: Fingerprint,
    /// The end of the card number.
    pub last4: Last4,
    /// The card's brand.
    pub brand: Brand,
    /// The transaction's facts revision after the change.
    pub facts_revision: u32,
    /// Why the judgement is due.
    pub occasion: Occasion<'a>,
}

/// Why a judgement is due.
#[derive(Clone, Copy, Debug)]
pub enum Occasion<'a> {
    /// The transaction was accepted for the first time.
    FirstAccepted,
    /// It was sent again with other content, and that is kept as a new conflict.
    Conflict(Conflict<'a>),
}

/// What conflicts with the transaction as first accepted.
#[derive(Clone, Copy, Debug)]
pub struct Conflict<'a> {
    /// Id of the event that brought it.
    pub event_id: &'a str,
    /// Its type.
    pub kind: TransactionType,
    /// Its amount.
    pub amount: Amount,
    /// Its currency.
    pub currency: Currency,
    /// Its event time.
    pub event_time: Timestamp,
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
                event_id: conflict.event_id.into(),
                content: Content::new(conflict.kind, conflict.amount, conflict.currency),
                event_time: conflict.event_time,
            };
            of_past::<SCORED>(rules, judged, None, Some(conflict))
        }
        Occasion::FirstAccepted if judged.kind == TransactionType::Sale => {
            let sale = Sale::of(judged.event_id, judged.event_time, judged.amount);
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
        content: Content::new(judged.kind, judged.amount, judged.currency),
        past: before,
        conflict: conflict.as_ref().map(|conflict| conflict.content),
    };
    let assessment = assess::<_, SCORED>(rules.seeing(judged.kind), &subject);
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
        event_id: judged.event_id.into(),
        rule_set: rules.version().into(),
        facts_revision: judged.facts_revision,
        transaction_id: judged.transaction_id.into(),
        merchant_id: judged.merchant_id.into(),
        card: CardSeen {
            fingerprint: judged.fingerprint,
            last4: judged.last4,
            brand: judged.brand,
        },
        score,
        severity: severity_of(&hits, score, rules.alerts().critical_score),
        hits,
        inputs: Inputs {
            content: Content::new(judged.kind, judged.amount, judged.currency),
            event_time: judged.event_time,
            profile: before.map(|before| ProfileSeen {
                revision: before.count(),
                sum: Total {
                    minor: before.sum(),
                    currency: judged.currency,
                },
            }),
            windows: before.map_or_else(Vec::new, |before| {
                windows_seen(rules, judged.kind, before)
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
        if windows.iter().any(|seen| seen.window_seconds == window_seconds) {
            continue;
        }
        windows.extend(Past::within(before, window_seconds).map(|earlier| WindowSeen {
            window_seconds,
            earlier,
        }));
    }
    windows
}

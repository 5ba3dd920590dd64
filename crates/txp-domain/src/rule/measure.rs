//! One rule against one transaction: what was observed, what it was compared with, and whether it
//! is a hit.
//!
//! Live the card's past is a profile; when a finding is evaluated again it is the numbers that the
//! finding carries. Both go through here.

use super::score::{self, strength};
use super::{Rule, Severity, Test};
use crate::finding::{Content, Hit, Money, Numbers, Total};
use crate::money::Amount;
use crate::profile::Before;

/// The strength of a conflict: there is no number to compare.
const CONFLICT_STRENGTH: u16 = 750;

/// A card's past as tests ask for it.
pub(super) trait Past {
    /// How many sales were judged before.
    fn count(&self) -> u64;
    /// Their amounts in minor units.
    fn sum(&self) -> u128;
    /// How many of them lie in the window; `None` if that is not known any more.
    fn within(&self, window_seconds: u32) -> Option<u32>;
}

impl Past for Before<'_> {
    fn count(&self) -> u64 {
        Before::count(self)
    }

    fn sum(&self) -> u128 {
        Before::sum(self)
    }

    fn within(&self, window_seconds: u32) -> Option<u32> {
        Some(Before::within(self, window_seconds))
    }
}

/// What a rule is held against.
pub(super) struct Subject<'a, P> {
    /// The transaction as first accepted.
    pub content: Content,
    /// The card's past, for sales on their first acceptance.
    pub past: Option<&'a P>,
    /// What was sent under the same id later, if that is why judgement is due.
    pub conflict: Option<Content>,
}

/// The outcome of a test.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    /// No hit; how near it came, 0 unless asked for.
    Quiet(u16),
    /// A hit, how strong, and by which numbers.
    Hit(u16, Numbers),
    /// The rule asks for a number that is not there.
    Unknown,
}

const NOTHING: Outcome = Outcome::Quiet(0);

/// Tests a subject. How near a miss was costs divisions, so it is worked out only if `SCORED`.
pub(super) fn measure<P: Past, const SCORED: bool>(
    test: &Test,
    subject: &Subject<'_, P>,
) -> Outcome {
    if let Some(second) = subject.conflict {
        return match test {
            Test::ConflictingResubmission => Outcome::Hit(
                CONFLICT_STRENGTH,
                Numbers::ConflictingResubmission {
                    first: subject.content,
                    second,
                },
            ),
            _ => NOTHING,
        };
    }
    let money = subject.content.money;
    match test {
        Test::AmountHigh(thresholds) => {
            let Some(threshold) = thresholds.get(money.currency) else {
                return NOTHING;
            };
            let strength = || strength(money.amount.0.into(), threshold.0.into());
            if money.amount > threshold {
                let threshold = money.with(threshold);
                return Outcome::Hit(
                    strength(),
                    Numbers::AmountHigh {
                        observed: money,
                        threshold,
                    },
                );
            }
            quiet::<SCORED>(strength)
        }
        Test::AmountLow(thresholds) => {
            let Some(threshold) = thresholds.get(money.currency) else {
                return NOTHING;
            };
            let strength = || strength(threshold.0.into(), money.amount.0.into());
            if money.amount < threshold {
                let threshold = money.with(threshold);
                return Outcome::Hit(
                    strength(),
                    Numbers::AmountLow {
                        observed: money,
                        threshold,
                    },
                );
            }
            quiet::<SCORED>(strength)
        }
        Test::CardVelocity {
            count,
            window_seconds,
        } => match subject.past {
            Some(past) => velocity::<P, SCORED>(past, *count, *window_seconds),
            None => NOTHING,
        },
        Test::AmountDeviation { times, after } => match subject.past {
            Some(past) => deviation::<P, SCORED>(past, money, *times, *after),
            None => NOTHING,
        },
        Test::ConflictingResubmission => NOTHING,
    }
}

fn quiet<const SCORED: bool>(strength: impl Fn() -> u16) -> Outcome {
    if SCORED {
        Outcome::Quiet(strength())
    } else {
        NOTHING
    }
}

fn velocity<P: Past, const SCORED: bool>(past: &P, count: u32, window_seconds: u32) -> Outcome {
    // A card with fewer sales than the threshold cannot hit, whatever the window holds.
    if !SCORED && past.count() < u64::from(count) {
        return NOTHING;
    }
    let Some(observed) = past.within(window_seconds) else {
        return Outcome::Unknown;
    };
    let strength = || strength(observed.into(), count.into());
    if observed >= count {
        return Outcome::Hit(
            strength(),
            Numbers::CardVelocity {
                observed,
                threshold: count,
                window_seconds,
            },
        );
    }
    quiet::<SCORED>(strength)
}

fn deviation<P: Past, const SCORED: bool>(
    past: &P,
    money: Money,
    times: u32,
    after: u32,
) -> Outcome {
    let sales = past.count();
    if sales < u64::from(after) {
        return NOTHING;
    }
    // amount > times * sum / sales, without the division.
    let sum = past.sum();
    let amount = u128::from(money.amount.0).saturating_mul(sales.into());
    let limit = sum.saturating_mul(times.into());
    if amount > limit {
        let numbers = Numbers::AmountDeviation {
            observed: money,
            times,
            after,
            sales,
            sum: Total {
                minor: sum,
                currency: money.currency,
            },
        };
        return Outcome::Hit(strength(amount, limit), numbers);
    }
    quiet::<SCORED>(|| strength(amount, limit))
}

/// The hits of the rules that see a subject, and the score; `Err` names the rules that ask for
/// numbers that are not there.
pub(super) struct Assessment {
    pub hits: Vec<Hit>,
    pub score: u16,
    pub unknown: Vec<Box<str>>,
}

pub(super) fn assess<'r, P: Past, const SCORED: bool>(
    rules: impl Iterator<Item = &'r Rule>,
    subject: &Subject<'_, P>,
) -> Assessment {
    let mut nearest = 0;
    let mut score = 0;
    let mut hits = Vec::new();
    let mut unknown = Vec::new();
    for rule in rules {
        match measure::<P, SCORED>(&rule.test, subject) {
            Outcome::Quiet(strength) => {
                nearest = nearest.max(score::of_quiet(strength, rule.severity));
            }
            Outcome::Hit(strength, numbers) => {
                score = score::combine(score, score::of_hit(strength, rule.severity));
                hits.push(Hit::new(rule, strength, numbers));
            }
            Outcome::Unknown => unknown.push(rule.id.clone()),
        }
    }
    if hits.is_empty() {
        score = nearest;
    }
    Assessment {
        hits,
        score,
        unknown,
    }
}

/// The severity of a finding: its gravest hit's, or critical by score.
pub(super) fn severity_of(hits: &[Hit], score: u16, critical_score: u16) -> Severity {
    if score >= critical_score {
        return Severity::Critical;
    }
    hits.iter()
        .map(|hit| hit.severity)
        .max()
        .unwrap_or(Severity::Low)
}

impl Money {
    fn with(self, amount: Amount) -> Self {
        Self { amount, ..self }
    }
}

//! A finding's score: 0 to 1000, in integers, for ranking.
//!
//! The strength of one test is 500 at its threshold, approaches 1000 as what was observed leaves
//! the threshold behind, and 0 as it stays away from it. A rule's severity weighs how far above 500
//! its hits come. Several hits are combined like independent evidence.
//!
//! It orders findings for a person and is no probability.

use super::Severity;

/// The highest score.
pub const SCORE_MAX: u16 = 1000;

/// The strength at a threshold.
const STRENGTH_AT_THRESHOLD: u16 = 500;

/// How far `observed` is beyond `threshold`: 500 where they are equal.
pub(super) fn strength(observed: u128, threshold: u128) -> u16 {
    let half = u128::from(STRENGTH_AT_THRESHOLD);
    let whole = u128::from(SCORE_MAX);
    let value = if observed <= threshold {
        ratio(observed, threshold, half).unwrap_or(half)
    } else {
        whole - ratio(threshold, observed, half).unwrap_or(0)
    };
    u16::try_from(value).unwrap_or(SCORE_MAX)
}

/// `part * scale / whole`, at most `scale`; `None` if the whole is nothing.
fn ratio(part: u128, whole: u128, scale: u128) -> Option<u128> {
    // Both are brought into 64 bits, where the product cannot overflow and division is quick.
    let shift = u64::BITS.saturating_sub(whole.leading_zeros());
    (part >> shift)
        .saturating_mul(scale)
        .checked_div(whole >> shift)
        .map(|value| value.min(scale))
}

/// What a rule's hit adds: from 500 up, by the rule's severity.
pub(super) fn of_hit(strength: u16, severity: Severity) -> u16 {
    let beyond = strength.clamp(STRENGTH_AT_THRESHOLD, SCORE_MAX) - STRENGTH_AT_THRESHOLD;
    STRENGTH_AT_THRESHOLD + weigh(beyond, severity)
}

/// What a rule that did not hit adds: below 500.
pub(super) fn of_quiet(strength: u16, severity: Severity) -> u16 {
    weigh(strength.min(STRENGTH_AT_THRESHOLD - 1), severity)
}

fn weigh(value: u16, severity: Severity) -> u16 {
    let percent: u32 = match severity {
        Severity::Low => 40,
        Severity::Medium => 70,
        Severity::High | Severity::Critical => 100,
    };
    u16::try_from(u32::from(value) * percent / 100).unwrap_or(SCORE_MAX)
}

/// The score of two hits together: what both leave open is the product of what each leaves open.
pub(super) fn combine(a: u16, b: u16) -> u16 {
    let open = |score: u16| u32::from(SCORE_MAX.saturating_sub(score));
    let left = open(a) * open(b) / u32::from(SCORE_MAX);
    SCORE_MAX - u16::try_from(left).unwrap_or(0)
}

//! The numbers of a hit in words for a person.

use super::{Content, Money, Numbers, Total};
use crate::profile::PREDECESSORS_MAX;
use crate::row::TransactionType;
use std::fmt;

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::AmountHigh {
                observed,
                threshold,
            } => {
                write!(f, "amount {observed} is above {threshold}")
            }
            Self::AmountLow {
                observed,
                threshold,
            } => {
                write!(f, "amount {observed} is below {threshold}")
            }
            Self::CardVelocity {
                observed,
                threshold,
                window_seconds,
            } => {
                let or_more = if observed as usize >= PREDECESSORS_MAX {
                    " or more"
                } else {
                    ""
                };
                let sales = if observed == 1 { "sale" } else { "sales" };
                let window = Span(window_seconds);
                write!(
                    f,
                    "{observed}{or_more} {sales} on the card in the {window} before; {threshold} or more are unusual"
                )
            }
            Self::AmountDeviation {
                observed,
                times,
                sales,
                sum,
                ..
            } => deviation(f, observed, times, sales, sum),
            Self::ConflictingResubmission { first, second } if first == second => {
                write!(
                    f,
                    "sent again with other content: {first} both times, but other details"
                )
            }
            Self::ConflictingResubmission { first, second } => {
                write!(
                    f,
                    "sent again with other content: first {first}, then {second}"
                )
            }
        }
    }
}

fn deviation(
    f: &mut fmt::Formatter<'_>,
    observed: Money,
    times: u32,
    sales: u64,
    sum: Total,
) -> fmt::Result {
    let mean = Total {
        minor: rounded(sum.minor, u128::from(sales)).unwrap_or(0),
        ..sum
    };
    let product = u128::from(observed.amount.0).saturating_mul(u128::from(sales));
    // In tenths, rounded down: what is above the limit never reads as below it.
    let tenths = product.saturating_mul(10).checked_div(sum.minor);
    match tenths {
        Some(tenths) => write!(
            f,
            "amount {observed} is {}.{} times the card's mean of {mean}",
            tenths / 10,
            tenths % 10
        )?,
        None => write!(f, "amount {observed} is above the card's mean of {mean}")?,
    }
    let plural = if sales == 1 { "sale" } else { "sales" };
    write!(
        f,
        " over {sales} {plural}; more than {times} times is unusual"
    )
}

/// A quotient rounded to the nearest whole.
fn rounded(part: u128, whole: u128) -> Option<u128> {
    part.saturating_add(whole / 2).checked_div(whole)
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            TransactionType::Sale => "a sale",
            TransactionType::Refund => "a refund",
            TransactionType::Chargeback => "a chargeback",
        };
        write!(f, "{kind} of {}", self.money)
    }
}

/// A span of time in its largest whole unit: `10 minutes`, and `hour` for one hour.
struct Span(u32);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u32, &str); 3] = [(86_400, "day"), (3600, "hour"), (60, "minute")];
        let whole = UNITS
            .into_iter()
            .find(|(seconds, _)| self.0 >= *seconds && self.0.is_multiple_of(*seconds));
        let (seconds, unit) = whole.unwrap_or((1, "second"));
        match self.0 / seconds {
            1 => f.write_str(unit),
            count => write!(f, "{count} {unit}s"),
        }
    }
}

//! Seeded files of card transactions, for the demo, the benchmarks and everyone's first try.
//!
//! The same rows, seed and options make the same bytes for ever: the random numbers are our own
//! ([`Random`]), there is no float and no clock. What a file must come to is counted while it is
//! made ([`Expected`]), by construction: the validator is deliberately not asked, so that the two
//! can be held against each other. Memory does not grow with the file: cards are computed from
//! their number, and repeats and disputes name one of the last [`RECENT_COUNT`] sales.

mod bad;
mod card;
mod random;
mod recent;
mod text;
mod writer;

pub use random::Random;
pub use recent::RECENT_COUNT;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// The header of every generated file.
pub const HEADER: &str = "transaction_id,timestamp,amount,currency,card_number,merchant_id,terminal_id,type,original_transaction_id";

/// Cards in use: 50,000 for each million of rows.
pub const ROWS_PER_CARD: u64 = 20;

/// Event times of a file up to [`ROWS_FULL_SPAN`] rows spread over this span; beyond it the rate
/// stays and the span grows.
pub const SPAN_SECONDS: i64 = 30 * DAY_SECONDS;

/// The most that event times spread over, however many the rows.
pub const SPAN_MAX_SECONDS: i64 = 300 * DAY_SECONDS;

/// The span of a file that ends at a given moment: under the 48 hours after which a finding is
/// recorded without an alert, with time left for the run.
pub const SPAN_RECENT_SECONDS: i64 = 40 * 60 * 60;

/// Rows that fill [`SPAN_SECONDS`].
pub const ROWS_FULL_SPAN: u64 = 1_000_000;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Where the event times of a file without `ending_at` end at the latest: 2025-12-31T00:00:00Z.
const END_SECONDS: i64 = 1_767_139_200;

/// By how many days the seed moves that end back.
const END_SPREAD_DAYS: u64 = 28;

/// What may be chosen beside rows and seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The last event time, in seconds since 1970; without it the seed fixes the end. A file that
    /// ends now has findings that are new enough to alert.
    pub ending_at_seconds: Option<i64>,
}

/// What a generated file must come to when it is processed into an empty directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Expected {
    /// Records in the file.
    pub rows: u64,
    /// Rows that are accepted: the first good row of each transaction, chargebacks included.
    pub accepted: u64,
    /// Rows that break a rule.
    pub rejected: u64,
    /// Rows that repeat an accepted one with the same content.
    pub duplicates: u64,
    /// Rows that repeat an accepted one with other content.
    pub conflicts: u64,
    /// Rejected rows by violation code; every bad row has one code.
    pub rejected_by_code: BTreeMap<String, u64>,
    /// Transactions that an accepted chargeback names.
    pub disputed: u64,
}

/// Writes a file of `rows` records and tells what it must come to.
///
/// # Errors
/// What `out` fails with.
pub fn generate(
    rows: u64,
    seed: u64,
    options: Options,
    out: &mut impl Write,
) -> io::Result<Expected> {
    let mut writer = writer::RowWriter::new(rows, seed, Span::of(rows, seed, options));
    let mut buffer = Vec::with_capacity(BUFFER_BYTES + BUFFER_BYTES / 2);
    buffer.extend_from_slice(HEADER.as_bytes());
    buffer.push(b'\n');
    for number in 0..rows {
        writer.row(number, &mut buffer);
        if buffer.len() >= BUFFER_BYTES {
            out.write_all(&buffer)?;
            buffer.clear();
        }
    }
    out.write_all(&buffer)?;
    out.flush()?;
    Ok(writer.finish())
}

/// How much is written at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// When the first and the last row happen, in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Span {
    start_ms: i64,
    end_ms: i64,
}

impl Span {
    fn of(rows: u64, seed: u64, options: Options) -> Self {
        let (end, span) = match options.ending_at_seconds {
            Some(end) => (end, SPAN_RECENT_SECONDS),
            None => (seeded_end(seed), span_seconds(rows)),
        };
        Self {
            start_ms: end.saturating_sub(span).max(0) * 1000,
            end_ms: end.max(0) * 1000,
        }
    }
}

fn seeded_end(seed: u64) -> i64 {
    let days = Random::new(seed ^ 0x656e_6400).below(END_SPREAD_DAYS);
    END_SECONDS - i64::try_from(days).unwrap_or(0) * DAY_SECONDS
}

fn span_seconds(rows: u64) -> i64 {
    let per_mille = rows.saturating_mul(1000) / ROWS_FULL_SPAN;
    let grown = SPAN_SECONDS.saturating_mul(i64::try_from(per_mille).unwrap_or(i64::MAX)) / 1000;
    grown.clamp(SPAN_SECONDS, SPAN_MAX_SECONDS)
}

#[cfg(test)]
mod tests;

//! What is measured: one list for the functions, the embedded host, dashboards and alarms, and how
//! code counts. What collects is behind the `metrics` facade: CloudWatch's embedded format on
//! Lambda, a registry per host elsewhere.
//!
//! Each combination of dimensions is a metric of its own that costs money, so every dimension takes
//! few values: names of ours (codes, rules, classes, routes), or names of users as far as the
//! operator listed them ([`list_names`]); the others are together, as [`OTHER`].

mod metric;
mod names;
mod table;

pub use metric::{Function, Kind, Metric};
pub use names::{LISTED_MAX, OTHER, list_names};
pub use table::{DOCUMENT_PATH, TABLE_PATH, document, table};

use metrics::{counter, describe_counter, describe_histogram, histogram};
use std::time::Duration;
use txp_domain::alert::Notice;
use txp_domain::event::UploadReceived;
use txp_domain::finding::Finding;
use txp_domain::redact::{needs_redaction, redact};
use txp_domain::time::Timestamp;
use txp_domain::upload::ClassCounts;

/// The most dimensions that a metric has.
const DIMENSIONS_MAX: usize = 2;

const MICROS_PER_MILLI: f64 = 1000.0;

/// The share of files completed within this time is what merchants are promised.
pub const IN_TIME_SECONDS: u64 = 300;

/// Tells the recorder of the process what each metric is. Once, after it is installed.
pub fn describe() {
    for metric in Metric::ALL {
        let (name, unit, meaning) = (metric.name(), metric.unit(), metric.meaning());
        match metric.kind() {
            Kind::Counter => describe_counter!(name, unit, meaning),
            Kind::Gauge | Kind::Histogram => describe_histogram!(name, unit, meaning),
        }
    }
}

/// Counts.
pub fn count(metric: Metric, by: u64) {
    counter!(metric.name()).increment(by);
}

/// Counts under one more dimension, of few values: a code, a rule, a class.
pub fn count_of(metric: Metric, dimension: &'static str, value: String, by: u64) {
    count_by(metric, vec![(dimension, value)], by);
}

/// Counts under more dimensions. One that the metric does not have is left out, so that no
/// identifier becomes a metric by mistake.
pub fn count_by(metric: Metric, mut dimensions: Vec<(&'static str, String)>, by: u64) {
    dimensions.retain(|(name, _)| {
        let is_known = metric.dimensions().contains(name);
        debug_assert!(is_known, "{} has no dimension {name}", metric.name());
        is_known
    });
    debug_assert!(dimensions.len() <= DIMENSIONS_MAX);
    for (name, value) in &mut dimensions {
        if names::is_of_users(name) && !names::is_listed(value) {
            OTHER.clone_into(value);
        } else if needs_redaction(value) {
            *value = redact(value).into_owned();
        }
    }
    counter!(metric.name(), &dimensions).increment(by);
}

/// Records one value of many: once per batch, since a function keeps 100 of an invocation.
pub fn observe(metric: Metric, value: f64) {
    // What is no number has no place in JSON.
    if value.is_finite() {
        histogram!(metric.name()).record(value);
    }
}

/// Records how long something took.
#[expect(
    clippy::float_arithmetic,
    reason = "a time that was measured is no money"
)]
pub fn observe_millis(metric: Metric, took: Duration) {
    // To the microsecond, which is exact in a float for longer than anything takes.
    let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
    observe(metric, f64::from(micros) / MICROS_PER_MILLI);
}

/// Sets the value that stands until the next one.
///
/// Handed on as one value of many: a gauge of the embedded format is said again by every later
/// invocation of the process, long after it was true. The registry keeps the last one.
pub fn set(metric: Metric, value: f64) {
    debug_assert_eq!(metric.kind(), Kind::Gauge, "{}", metric.name());
    observe(metric, value);
}

/// Tells how many rows were folded, by class.
pub fn rows_folded(counts: &ClassCounts) {
    for (class, rows) in [
        ("accepted", counts.accepted),
        ("rejected", counts.rejected),
        ("duplicate", counts.duplicates),
        ("conflict", counts.conflicts),
    ] {
        if rows > 0 {
            count_of(Metric::RowsFolded, "class", class.to_owned(), rows);
        }
    }
}

/// Tells of what rules found that are only tried.
pub fn shadow_found(finding: &Finding) {
    count_of(Metric::ShadowFindings, "rule", Notice::of(finding).rule, 1);
}

/// Tells of an upload that was completed now how long it took, and whether that was in time. Not of
/// one that reads rows of an earlier upload again: it has the arrival of that one, and was not late.
pub fn upload_completed(received: &UploadReceived, now: Timestamp) {
    if received.options.redrive.is_some() {
        return;
    }
    let took = now.0.saturating_sub(received.uploaded_at.0);
    let took = Duration::from_nanos(u64::try_from(took).unwrap_or(0));
    observe(Metric::UploadToCompletedSeconds, took.as_secs_f64());
    let is_in_time = took <= Duration::from_secs(IN_TIME_SECONDS);
    let percent = if is_in_time { 100.0 } else { 0.0 };
    observe(Metric::CompletedInTimePercent, percent);
}

#[cfg(test)]
mod tests;

//! The names of what is measured: one list for the functions, the embedded host, dashboards and
//! alarms. What counts them is behind the `metrics` facade.

use metrics::{Unit, counter, describe_counter, describe_histogram, gauge, histogram};
use txp_domain::redact::{needs_redaction, redact};

/// Something that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Records read from files.
    RowsRead,
    /// Records that are valid.
    RowsValid,
    /// Records that are not.
    RowsRejected,
    /// Files given up, because whoever read them died of it.
    UploadsGivenUp,
    /// Events appended to the history.
    EventsEmitted,
    /// Records that the stream did not take at first.
    EmitRetries,
    /// Records that the stream refused for want of room.
    EmitThrottles,
    /// Rows folded, by class.
    RowsFolded,
    /// Conditional writes that met another's.
    WriteConflicts,
    /// Events that cannot be processed.
    Quarantined,
    /// Stored items that cannot be read and were passed over.
    DamagedItems,
    /// Findings, by rule.
    Findings,
    /// Messages handed to people.
    AlertsSent,
    /// Findings that went into a digest, or were recorded only.
    AlertsHeldBack,
    /// From the append of an event to its fold.
    FoldLag,
    /// From a file's arrival to its last row folded.
    UploadToCompleted,
    /// Events archived.
    EventsArchived,
    /// Requests answered, by route and status.
    Requests,
    /// Invocations that begin in a new process.
    ColdStarts,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 19] = [
        Self::RowsRead,
        Self::RowsValid,
        Self::RowsRejected,
        Self::UploadsGivenUp,
        Self::EventsEmitted,
        Self::EmitRetries,
        Self::EmitThrottles,
        Self::RowsFolded,
        Self::WriteConflicts,
        Self::Quarantined,
        Self::DamagedItems,
        Self::Findings,
        Self::AlertsSent,
        Self::AlertsHeldBack,
        Self::FoldLag,
        Self::UploadToCompleted,
        Self::EventsArchived,
        Self::Requests,
        Self::ColdStarts,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RowsRead => "rows_read",
            Self::RowsValid => "rows_valid",
            Self::RowsRejected => "rows_rejected",
            Self::UploadsGivenUp => "uploads_given_up",
            Self::EventsEmitted => "events_emitted",
            Self::EmitRetries => "emit_retries",
            Self::EmitThrottles => "emit_throttles",
            Self::RowsFolded => "rows_folded",
            Self::WriteConflicts => "write_conflicts",
            Self::Quarantined => "quarantined",
            Self::DamagedItems => "damaged_items",
            Self::Findings => "findings",
            Self::AlertsSent => "alerts_sent",
            Self::AlertsHeldBack => "alerts_held_back",
            Self::FoldLag => "fold_lag",
            Self::UploadToCompleted => "upload_to_completed",
            Self::EventsArchived => "events_archived",
            Self::Requests => "requests",
            Self::ColdStarts => "cold_starts",
        }
    }

    /// What it is counted in.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::FoldLag => Unit::Milliseconds,
            Self::UploadToCompleted => Unit::Seconds,
            _ => Unit::Count,
        }
    }

    /// Whether it is many values and not a sum: it is observed, not counted.
    #[must_use]
    pub const fn is_histogram(self) -> bool {
        matches!(self, Self::FoldLag | Self::UploadToCompleted)
    }

    /// What it tells whoever looks at a dashboard.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::RowsRead => "Records read from files",
            Self::RowsValid => "Records that are valid",
            Self::RowsRejected => "Records that are not valid, by the first violation's code",
            Self::UploadsGivenUp => "Files given up because whoever read them died of it",
            Self::EventsEmitted => "Events appended to the history",
            Self::EmitRetries => "Records that the stream did not take at first",
            Self::EmitThrottles => "Records that the stream refused for want of room",
            Self::RowsFolded => "Rows folded, by class",
            Self::WriteConflicts => "Conditional writes that met another's",
            Self::Quarantined => "Events that cannot be processed, by stage",
            Self::DamagedItems => "Stored items that cannot be read and were passed over",
            Self::Findings => "Findings, by rule",
            Self::AlertsSent => "Messages handed to people",
            Self::AlertsHeldBack => "Findings that went into a digest, or were recorded only",
            Self::FoldLag => "From the append of an event to its fold, one value per batch",
            Self::UploadToCompleted => "From a file's arrival to its last row folded",
            Self::EventsArchived => "Events archived",
            Self::Requests => "Requests answered, by route and status",
            Self::ColdStarts => "Invocations that begin in a new process",
        }
    }

    /// Under which dimensions it may be counted: each takes few values, known beforehand.
    #[must_use]
    pub const fn dimensions(self) -> &'static [&'static str] {
        match self {
            Self::RowsRejected => &["code"],
            Self::RowsFolded => &["class"],
            Self::Quarantined => &["stage"],
            Self::Findings => &["rule"],
            Self::Requests => &["route", "status"],
            _ => &[],
        }
    }
}

/// Tells the recorder of the process what each metric is. Once, after it is installed.
pub fn describe() {
    for metric in Metric::ALL {
        let (name, unit, description) = (metric.name(), metric.unit(), metric.description());
        if metric.is_histogram() {
            describe_histogram!(name, unit, description);
        } else {
            describe_counter!(name, unit, description);
        }
    }
}

/// Counts.
pub fn count(metric: Metric, by: u64) {
    counter!(metric.name()).increment(by);
}

/// Counts under one more dimension, of few values: a code, a rule, a class. One that the metric does
/// not have is left out, so that no identifier becomes a metric by mistake.
pub fn count_of(metric: Metric, dimension: &'static str, value: String, by: u64) {
    if !metric.dimensions().contains(&dimension) {
        debug_assert!(false, "{} has no dimension {dimension}", metric.name());
        return count(metric, by);
    }
    let value = if needs_redaction(&value) {
        redact(&value).into_owned()
    } else {
        value
    };
    counter!(metric.name(), dimension => value).increment(by);
}

/// Records one value of many: once per batch, since a function keeps 100 of an invocation.
pub fn observe(metric: Metric, value: f64) {
    // What is no number has no place in JSON.
    if value.is_finite() {
        histogram!(metric.name()).record(value);
    }
}

/// Sets the value that stands.
pub fn set(metric: Metric, value: f64) {
    gauge!(metric.name()).set(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_snake_case_and_none_comes_twice() {
        let names: BTreeSet<_> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        assert_eq!(names.len(), Metric::ALL.len());
        for name in names {
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{name}"
            );
        }
    }

    #[test]
    fn every_metric_is_described() {
        for metric in Metric::ALL {
            assert!(metric.description().len() > 10, "{}", metric.name());
        }
    }
}

//! The names of what is measured: one list for the functions, the embedded host, dashboards and
//! alarms. What counts them is behind the `metrics` facade.

use metrics::{Unit, counter, gauge, histogram};

/// Something that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Records read from files.
    RowsRead,
    /// Records that are valid.
    RowsValid,
    /// Records that are not.
    RowsRejected,
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
    pub const ALL: [Self; 17] = [
        Self::RowsRead,
        Self::RowsValid,
        Self::RowsRejected,
        Self::EventsEmitted,
        Self::EmitRetries,
        Self::EmitThrottles,
        Self::RowsFolded,
        Self::WriteConflicts,
        Self::Quarantined,
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
            Self::EventsEmitted => "events_emitted",
            Self::EmitRetries => "emit_retries",
            Self::EmitThrottles => "emit_throttles",
            Self::RowsFolded => "rows_folded",
            Self::WriteConflicts => "write_conflicts",
            Self::Quarantined => "quarantined",
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
}

/// Counts.
pub fn count(metric: Metric, by: u64) {
    counter!(metric.name()).increment(by);
}

/// Counts under one more dimension, of few values: a code, a rule, a class.
pub fn count_of(metric: Metric, dimension: &'static str, value: String, by: u64) {
    counter!(metric.name(), dimension => value).increment(by);
}

/// Records one value of many.
pub fn observe(metric: Metric, value: f64) {
    histogram!(metric.name()).record(value);
}

/// Sets the value that stands.
pub fn set(metric: Metric, value: f64) {
    gauge!(metric.name()).set(value);
}

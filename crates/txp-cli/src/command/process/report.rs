//! What `txp process` and `txp demo` tell at their end, for people and as stable JSON.

use crate::command::Ending;
use crate::command::process::file_name;
use crate::output;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;
use txp_domain::id::UploadId;
use txp_domain::upload::{Ending as ReadEnding, Upload};
use txp_local::host::IntakeReport;

/// The stable JSON of `process` and `demo`.
#[derive(Debug, Serialize)]
pub(crate) struct ProcessReport {
    pub(crate) files: Vec<FileReport>,
    pub(crate) findings: u64,
    pub(crate) alerts: u64,
    pub(crate) seconds: f64,
    pub(crate) rows_per_second: u64,
    pub(crate) peak_rss_bytes: u64,
    pub(crate) data_dir: Option<String>,
}

/// One file.
#[derive(Debug, Serialize)]
pub(crate) struct FileReport {
    pub(crate) file: String,
    pub(crate) upload_id: Option<String>,
    pub(crate) state: &'static str,
    pub(crate) rows: u64,
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    pub(crate) duplicates: u64,
    pub(crate) conflicts: u64,
    pub(crate) rejected_by_code: BTreeMap<String, u64>,
    pub(crate) sha256: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) unknown_columns: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rejects: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    #[serde(skip)]
    is_refused_strictly: bool,
}

impl FileReport {
    /// A file that was read, to its end or not.
    pub(crate) fn of(path: &Path, report: &IntakeReport) -> Self {
        let is_dry_run = report.dry_run_findings.is_some();
        let mut file = Self::of_upload(file_name(path), &report.upload);
        if is_dry_run {
            file.upload_id = None;
            if file.state == "completed" {
                file.state = "dry_run";
            }
        }
        file.rejects = report
            .rejects
            .as_ref()
            .filter(|_| !is_dry_run)
            .map(|path| output::path(path));
        file
    }

    /// An upload, as far as it is folded.
    pub(crate) fn of_upload(file: String, upload: &Upload) -> Self {
        let tally = upload.ending.as_ref().map(ReadEnding::tally);
        let error = match &upload.ending {
            Some(ReadEnding::Failed(reason, _)) => {
                Some(format!("{}: {}", reason.message, reason.hint))
            }
            _ => None,
        };
        let counts = upload.row_counts();
        let is_refused = matches!(&upload.ending, Some(ReadEnding::Failed(reason, _)) if reason.code == "strict_refused");
        Self {
            file,
            upload_id: Some(upload.id.to_string()),
            state: upload.state().name(),
            rows: tally.map_or_else(|| counts.total(), |tally| tally.records),
            accepted: counts.accepted,
            rejected: counts.rejected,
            duplicates: counts.duplicates,
            conflicts: counts.conflicts,
            rejected_by_code: tally
                .map(|tally| tally.rejected_by_code.clone())
                .unwrap_or_default(),
            sha256: tally.and_then(|tally| tally.sha256.clone()),
            unknown_columns: tally
                .map(|tally| tally.unknown_columns.clone())
                .unwrap_or_default(),
            rejects: None,
            error,
            is_refused_strictly: is_refused,
        }
    }

    /// A file that could not be read at all, or not to its end.
    pub(crate) fn failed(path: &Path, upload_id: Option<UploadId>, error: &anyhow::Error) -> Self {
        Self {
            file: file_name(path),
            upload_id: upload_id.map(|id| id.to_string()),
            state: "failed",
            rows: 0,
            accepted: 0,
            rejected: 0,
            duplicates: 0,
            conflicts: 0,
            rejected_by_code: BTreeMap::new(),
            sha256: None,
            unknown_columns: Vec::new(),
            rejects: None,
            error: Some(output::chain(error)),
            is_refused_strictly: false,
        }
    }

    fn describe(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "{}: {}", self.file, self.state)?;
        if let Some(error) = &self.error {
            writeln!(text, "  {error}")?;
        }
        let rows = [
            ("rows read", self.rows),
            ("accepted", self.accepted),
            ("rejected", self.rejected),
            ("duplicates", self.duplicates),
            ("conflicts", self.conflicts),
        ];
        for (name, count) in rows {
            writeln!(text, "  {name:<12}{:>14}", output::grouped(count))?;
        }
        for (code, count) in &self.rejected_by_code {
            writeln!(text, "    {code:<34}{:>10}", output::grouped(*count))?;
        }
        if !self.unknown_columns.is_empty() {
            writeln!(
                text,
                "  columns dropped: {}",
                self.unknown_columns.join(", ")
            )?;
        }
        if let Some(rejects) = &self.rejects {
            writeln!(text, "  rejected rows: {rejects}")?;
        }
        Ok(())
    }
}

/// How the command ends: a refused strict file is a problem, any other failed file a failure.
pub(crate) fn ending(files: &[FileReport]) -> Ending {
    let failed = |file: &&FileReport| file.state == "failed";
    if files
        .iter()
        .filter(failed)
        .any(|file| !file.is_refused_strictly)
    {
        Ending::Failed
    } else if files.iter().any(|file| failed(&file)) {
        Ending::Problem
    } else {
        Ending::Done
    }
}

impl ProcessReport {
    #[expect(
        clippy::float_arithmetic,
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate for people, not money"
    )]
    pub(crate) fn new(
        files: Vec<FileReport>,
        findings: u64,
        alerts: u64,
        elapsed: Duration,
        data_dir: Option<&Path>,
    ) -> Self {
        let rows: u64 = files.iter().map(|file| file.rows).sum();
        let seconds = elapsed.as_secs_f64();
        let rows_per_second = if seconds > 0.0 {
            (rows as f64 / seconds) as u64
        } else {
            0
        };
        Self {
            files,
            findings,
            alerts,
            seconds,
            rows_per_second,
            peak_rss_bytes: output::peak_rss_bytes(),
            data_dir: data_dir.map(output::path),
        }
    }

    /// Prints it.
    pub(crate) fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            return output::json(self);
        }
        let mut text = String::new();
        for file in &self.files {
            file.describe(&mut text)?;
        }
        // A dry run keeps no alerts to ask about.
        let hint = if self.alerts < self.findings && self.data_dir.is_some() {
            " (`txp alerts` says why the others were not sent)"
        } else {
            ""
        };
        writeln!(
            text,
            "findings {}, alerts {}{hint}",
            output::grouped(self.findings),
            output::grouped(self.alerts)
        )?;
        writeln!(
            text,
            "{:.2} s, {} rows/s, {} MiB at most",
            self.seconds,
            output::grouped(self.rows_per_second),
            self.peak_rss_bytes >> 20
        )?;
        if let Some(dir) = &self.data_dir {
            writeln!(text, "data in {dir}")?;
        }
        output::text(&text)
    }
}

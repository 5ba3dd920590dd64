//! `txp doctor`: one page about a data directory, what needs care, and the next command to run.
//!
//! Looks and changes nothing. Of the log it reads what the last checkpoint has not seen; `txp
//! events` reads all of it.

use super::{Ending, Globals};
use crate::output;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;
use txp_domain::upload::Upload;
use txp_local::alerts::{AlertEntry, Delivery};
use txp_local::format;
use txp_local::host::{LOG_DIR, REJECTS_DIR, read_quarantine};
use txp_local::lock;
use txp_local::log::{LogError, LogReader};
use txp_local::snapshot::Snapshot;
use txp_local::state::UploadPage;
use txp_pipeline::document::AsOfDocument;

/// How many unfinished uploads and quarantined events are named; all are counted.
const NAMED_MAX: usize = 5;

/// Where bodies put over HTTP lie until they are read.
const SPOOL_DIR: &str = "uploads";
/// Where scratch directories of dry runs lie.
const SCRATCH_DIR: &str = "tmp";
/// Where a damaged state was moved before it was folded again.
const DAMAGED_STATE_DIR: &str = "state.damaged";

#[derive(Debug, Default, Serialize)]
struct Report {
    data_dir: String,
    sound: bool,
    format_version: Option<u32>,
    created_at: Option<String>,
    /// Who writes at this moment.
    writer: Option<String>,
    log: Log,
    /// The last checkpoint.
    as_of: Option<AsOfDocument>,
    findings: u64,
    unfinished_uploads: u64,
    quarantined: u64,
    alerts: u64,
    alerts_pending: u64,
    /// Files of uploads that wait to be read, or were left behind.
    spool_files: u64,
    spool_bytes: u64,
    /// What needs care, in words.
    problems: Vec<String>,
    /// What to know; nothing to do about it.
    notes: Vec<String>,
    next: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
struct Log {
    segments: u64,
    bytes: u64,
    last_sequence: Option<String>,
    /// Events that the checkpoint has not seen.
    lag: u64,
    torn_bytes: u64,
}

/// Looks and reports.
pub(crate) fn run(globals: &Globals) -> anyhow::Result<Ending> {
    let report = examine(&globals.data_dir);
    if globals.json {
        output::json(&report)?;
    } else {
        output::text(&describe(&report)?)?;
    }
    Ok(if report.sound {
        Ending::Done
    } else {
        Ending::Problem
    })
}

fn examine(dir: &Path) -> Report {
    let shown = output::path(dir);
    let mut report = Report {
        data_dir: shown.clone(),
        ..Report::default()
    };
    match format::read(dir) {
        Ok(format) => {
            report.format_version = Some(format.format_version);
            report.created_at = Some(format.created_at);
        }
        Err(error) => {
            report.problem(&error);
            report.advise(format!("txp process FILE --data-dir {shown}"));
            return report;
        }
    }
    match lock::current_holder(dir) {
        Ok(holder) => report.writer = holder,
        Err(error) => report.problem(&error),
    }
    let mut snapshot = match Snapshot::open(dir) {
        Ok(snapshot) => Some(snapshot),
        Err(error) => {
            report.problem(&error);
            report.advise(format!(
                "txp process FILE --data-dir {shown}, which folds the state again from the log"
            ));
            None
        }
    };
    if let Some(snapshot) = &mut snapshot {
        report.as_of = Some(super::status::as_of(snapshot));
        report.findings = snapshot.findings;
        examine_uploads(snapshot, &mut report);
    }
    let folded_through = snapshot.map_or(0, |snapshot| snapshot.as_of.sequence);
    examine_log(&dir.join(LOG_DIR), folded_through, &mut report);
    examine_quarantine(dir, &mut report);
    examine_alerts(dir, &mut report);
    examine_left_overs(dir, &mut report);
    report.sound = report.problems.is_empty();
    if report.sound {
        report.advise(format!("txp uploads --data-dir {shown}"));
    }
    report
}

impl Report {
    fn problem(&mut self, error: &(dyn std::error::Error + 'static)) {
        let causes = std::iter::successors(Some(error), |error| error.source());
        let causes: Vec<_> = causes.map(ToString::to_string).collect();
        self.problems.push(output::redacted(&causes.join(": ")));
    }

    fn advise(&mut self, command: String) {
        if !self.next.contains(&command) {
            self.next.push(command);
        }
    }

    fn is_written_to(&self) -> bool {
        self.writer.is_some()
    }
}

fn examine_log(log: &Path, folded_through: u64, report: &mut Report) {
    if !log.is_dir() {
        return;
    }
    let is_segment = |name: &Path| name.extension().is_some_and(|extension| extension == "log");
    for (path, bytes) in files(log) {
        if is_segment(&path) {
            report.log.segments += 1;
            report.log.bytes += bytes;
        }
    }
    let mut last = folded_through;
    match read_on(log, &mut last) {
        // Beside a writer these bytes are an append that goes on.
        Ok(unread) if !report.is_written_to() => report.log.torn_bytes = unread,
        Ok(_) => {}
        Err(error) => {
            report.problem(&error);
            report.advise(format!(
                "txp events --source local:{} --out events.ndjson, which keeps what can be read",
                report.data_dir
            ));
        }
    }
    report.log.last_sequence = Some(last.to_string());
    report.log.lag = last - folded_through;
    if report.is_written_to() {
        return;
    }
    if report.log.lag > 0 {
        report.notes.push(format!(
            "{} events are not folded yet: the next command that writes folds them",
            output::grouped(report.log.lag)
        ));
    }
    if report.log.torn_bytes > 0 {
        report.notes.push(format!(
            "{} bytes at the log's end are of an append that was cut short and never confirmed: \
             the next command that writes takes them off",
            output::grouped(report.log.torn_bytes)
        ));
    }
}

/// Reads what is behind `last` to the log's end; gives the bytes there that are no whole frame.
fn read_on(log: &Path, last: &mut u64) -> Result<u64, LogError> {
    let mut reader = LogReader::from_sequence(log, *last + 1)?;
    while let Some(frame) = reader.next_frame()? {
        *last = frame.last.max(*last);
    }
    reader.unread_bytes()
}

fn examine_uploads(snapshot: &mut Snapshot, report: &mut Report) {
    let all = UploadPage {
        client_id: None,
        before: None,
        limit: usize::MAX,
    };
    let uploads = match snapshot.state.uploads(all) {
        Ok(uploads) => uploads,
        Err(error) => return report.problem(&error),
    };
    let is_unfinished = |upload: &&Upload| upload.ending.is_none() && upload.received.is_some();
    let unfinished: Vec<_> = uploads.iter().filter(is_unfinished).collect();
    report.unfinished_uploads = unfinished.len() as u64;
    if report.is_written_to() {
        return;
    }
    for upload in unfinished.iter().take(NAMED_MAX) {
        let Some(received) = &upload.received else {
            continue;
        };
        report.problems.push(format!(
            "upload {} of {} ({}) was not read to its end",
            upload.id, received.file.name, received.client_id
        ));
        report.advise(if received.client_id == super::process::LOCAL_CLIENT {
            format!(
                "txp process {} --data-dir {}, with the options of the first time: it goes on where it stopped",
                received.file.name, report.data_dir
            )
        } else {
            format!("txp serve --data-dir {}: it goes on by itself", report.data_dir)
        });
    }
}

fn examine_quarantine(dir: &Path, report: &mut Report) {
    let events = match read_quarantine(dir) {
        Ok(events) => events,
        Err(error) => return report.problem(&error),
    };
    report.quarantined = events.len() as u64;
    for event in events.iter().take(NAMED_MAX) {
        report.problems.push(format!(
            "event {} is in quarantine: {}",
            event.sequence, event.reason
        ));
    }
    if report.quarantined > 0 {
        report.advise(
            "use a newer txp, if the reasons say so; the events stay in the log".to_owned(),
        );
    }
}

fn examine_alerts(dir: &Path, report: &mut Report) {
    match super::alerts::entries(dir) {
        Ok(entries) => {
            let pending = |entry: &&AlertEntry| entry.delivery == Delivery::Pending;
            report.alerts = entries.len() as u64;
            report.alerts_pending = entries.iter().filter(pending).count() as u64;
            if report.alerts_pending > 0 && !report.is_written_to() {
                report.problems.push(format!(
                    "{} alerts were not handed on yet",
                    output::grouped(report.alerts_pending)
                ));
                report.advise(format!("txp serve --data-dir {}", report.data_dir));
            }
        }
        Err(error) => report.problems.push(output::chain(&error)),
    }
}

fn examine_left_overs(dir: &Path, report: &mut Report) {
    for (_, bytes) in files(&dir.join(SPOOL_DIR)) {
        report.spool_files += 1;
        report.spool_bytes += bytes;
    }
    if report.is_written_to() {
        return;
    }
    if report.spool_files > 0 {
        report.problems.push(format!(
            "{} files of uploads lie in {SPOOL_DIR}/, with the card numbers that came in",
            report.spool_files
        ));
        report.advise(format!("txp serve --data-dir {}", report.data_dir));
    }
    let parts = files(&dir.join(REJECTS_DIR));
    let is_part = |path: &Path| {
        path.extension()
            .is_some_and(|extension| extension == "part")
    };
    let parts = parts.iter().filter(|(path, _)| is_part(path)).count();
    if parts > 0 {
        report.notes.push(format!(
            "{parts} unfinished rejects reports lie in {REJECTS_DIR}/; reading their files again completes them"
        ));
    }
    for (name, what) in [
        (SCRATCH_DIR, "what a dry run left behind when it was ended"),
        (
            DAMAGED_STATE_DIR,
            "a damaged state that was folded again from the log",
        ),
    ] {
        let path = dir.join(name);
        if std::fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some()) {
            let shown = path.display();
            report
                .notes
                .push(format!("{shown} is {what}: it can be deleted"));
        }
    }
}

/// The files of a folder with their sizes; none where there is no folder.
fn files(folder: &Path) -> Vec<(std::path::PathBuf, u64)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
        .filter(|(_, metadata)| metadata.is_file())
        .map(|(path, metadata)| (path, metadata.len()))
        .collect()
}

fn describe(report: &Report) -> anyhow::Result<String> {
    let mut out = String::new();
    let none = || "none".to_owned();
    writeln!(out, "{}", report.data_dir)?;
    if let (Some(version), Some(created_at)) = (report.format_version, &report.created_at) {
        let log = &report.log;
        let as_of = report.as_of.as_ref();
        let as_of = as_of.map(|as_of| format!("event {}, {}", as_of.sequence, as_of.time));
        let last = log.last_sequence.clone().unwrap_or_else(|| "0".to_owned());
        let lines = [
            ("format", format!("version {version}, made {created_at}")),
            ("writer", report.writer.clone().unwrap_or_else(none)),
            (
                "log",
                format!(
                    "{} segment(s), {} bytes, last event {last}",
                    log.segments,
                    output::grouped(log.bytes)
                ),
            ),
            (
                "checkpoint",
                format!(
                    "{}; {} events behind the log",
                    as_of.unwrap_or_else(none),
                    output::grouped(log.lag)
                ),
            ),
            (
                "unfinished",
                format!("{} upload(s)", report.unfinished_uploads),
            ),
            ("quarantine", format!("{} event(s)", report.quarantined)),
            (
                "alerts",
                format!(
                    "{}, {} pending; findings {}",
                    output::grouped(report.alerts),
                    output::grouped(report.alerts_pending),
                    output::grouped(report.findings)
                ),
            ),
            (
                "spool",
                format!(
                    "{} file(s), {} bytes",
                    report.spool_files, report.spool_bytes
                ),
            ),
        ];
        for (name, text) in lines {
            writeln!(out, "  {name:<12}{text}")?;
        }
    }
    for problem in &report.problems {
        writeln!(out, "needs care: {problem}")?;
    }
    for note in &report.notes {
        writeln!(out, "note: {note}")?;
    }
    if report.sound {
        writeln!(out, "nothing needs care")?;
    }
    for next in &report.next {
        writeln!(out, "next: {next}")?;
    }
    Ok(out)
}

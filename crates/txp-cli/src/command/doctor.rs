//! `txp doctor`: one page about a data directory, or a deployment on AWS, what needs care, and the
//! next command to run.
//!
//! Looks and changes nothing. Of the log it reads what the last checkpoint has not seen; `txp
//! events` reads all of it.

#[cfg(feature = "aws")]
mod deployed;
mod lag;
mod unfinished;

use super::{Ending, Globals};
use crate::output;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;
use txp_local::alerts::Delivery;
use txp_local::control::Webhooks;
use txp_local::format::{self, ReplayOf};
use txp_local::host::{LOG_DIR, REJECTS_DIR, read_quarantine};
use txp_local::lock;
use txp_local::log::{LogError, LogReader};
use txp_local::snapshot::Snapshot;
use txp_local::webhooks::{DAMAGED_QUEUE, Queue, WEBHOOKS_DIR};
use txp_pipeline::document::AsOfDocument;
use txp_pipeline::webhook::LATE_SECONDS;
use unfinished::Unfinished;

/// How many unfinished uploads and quarantined events are named; all are counted.
const NAMED_MAX: usize = 5;

/// Where bodies put over HTTP lie until they are read.
const SPOOL_DIR: &str = "uploads";
/// Where scratch directories of dry runs lie.
const SCRATCH_DIR: &str = "tmp";
/// Where a damaged state was moved before it was folded again.
const DAMAGED_STATE_DIR: &str = "state.damaged";

/// Arguments of `txp doctor`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Look at the deployment of this environment on AWS instead
    #[arg(long, value_name = "ENV")]
    env: Option<String>,
    /// What the deployment's buckets have behind their names
    #[arg(long, value_name = "SUFFIX", requires = "env")]
    bucket_suffix: Option<String>,
    /// The table of uploads, if it is called otherwise
    #[arg(long, value_name = "TABLE", requires = "env")]
    uploads_table: Option<String>,
    /// The stream of events, if it is called otherwise
    #[arg(long, value_name = "STREAM", requires = "env")]
    stream: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct Report {
    /// Of this program.
    txp_version: &'static str,
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
    /// Messages that endpoints of webhooks are still to be told.
    webhooks_waiting: u64,
    /// How long ago the oldest of them was made.
    oldest_webhook_seconds: u64,
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
    /// How long ago the first of them was appended.
    lag_seconds: u64,
    /// The first of them: everything behind it waits for it.
    blocking_event: Option<lag::Blocking>,
    torn_bytes: u64,
}

/// Looks and reports.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    if let Some(environment) = &args.env {
        return deployed(globals, args, environment);
    }
    let report = examine(&globals.data_dir);
    if globals.json {
        output::json(&report)?;
    } else {
        output::text(&describe(&report)?)?;
    }
    Ok(Ending::of(report.sound))
}

#[cfg(feature = "aws")]
fn deployed(globals: &Globals, args: &Args, environment: &str) -> anyhow::Result<Ending> {
    deployed::run(globals, args, environment)
}

#[cfg(not(feature = "aws"))]
fn deployed(_: &Globals, _: &Args, environment: &str) -> anyhow::Result<Ending> {
    Err(super::source::without_aws(&format!("--env {environment}")))
}

fn examine(dir: &Path) -> Report {
    let shown = output::path(dir);
    let mut report = Report {
        txp_version: env!("CARGO_PKG_VERSION"),
        data_dir: shown.clone(),
        ..Report::default()
    };
    let replay = match format::read(dir) {
        Ok(format) => {
            report.format_version = Some(format.format_version);
            report.created_at = Some(format.created_at);
            format.replay
        }
        Err(error) => {
            report.problem(&error);
            report.advise(format!("txp process FILE --data-dir {shown}"));
            return report;
        }
    };
    match lock::current_holder(dir) {
        Ok(holder) => report.writer = holder,
        Err(error) => report.problem(&error),
    }
    let mut snapshot = open_state(dir, replay.as_ref(), &mut report);
    let mut unfinished = Unfinished::default();
    if let Some(snapshot) = &mut snapshot {
        report.as_of = Some(super::status::as_of(snapshot));
        report.findings = snapshot.findings;
        match Unfinished::of_state(snapshot) {
            Ok(of_state) => unfinished = of_state,
            Err(error) => report.problems.push(output::chain(&error)),
        }
    }
    let folded_through = snapshot
        .as_ref()
        .map_or(0, |snapshot| snapshot.as_of.sequence);
    // A replay's target has no log and alerts no one: what it lacks, its source has.
    match &replay {
        Some(replay) => report.notes.push(format!(
            "what a replay has folded of {}: there is no history of its own",
            output::redacted(&replay.described())
        )),
        None => {
            examine_log(
                &dir.join(LOG_DIR),
                folded_through,
                &mut unfinished,
                &mut report,
            );
            describe_unfinished(&unfinished, &mut report);
        }
    }
    examine_quarantine(dir, &mut report);
    if replay.is_none() {
        examine_alerts(dir, snapshot.as_ref(), &mut report);
    }
    examine_webhooks(dir, &mut report);
    examine_left_overs(dir, &mut report);
    report.sound = report.problems.is_empty();
    if report.sound {
        report.advise(format!("txp uploads --data-dir {shown}"));
    }
    report
}

/// The state at its last checkpoint, or what is wrong with it and what to do.
fn open_state(dir: &Path, replay: Option<&ReplayOf>, report: &mut Report) -> Option<Snapshot> {
    let error = match Snapshot::of_state(dir) {
        Ok(snapshot) => return Some(snapshot),
        Err(error) => error,
    };
    let shown = output::path(dir);
    report.problem(&error);
    report.advise(match replay {
        None => {
            format!("txp process FILE --data-dir {shown}, which folds the state again from the log")
        }
        Some(_) => format!("txp replay --into local:{shown}, from the same source as before"),
    });
    None
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

fn examine_log(log: &Path, folded_through: u64, unfinished: &mut Unfinished, report: &mut Report) {
    let is_segment = |name: &Path| name.extension().is_some_and(|extension| extension == "log");
    for (path, bytes) in files(log) {
        if is_segment(&path) {
            report.log.segments += 1;
            report.log.bytes += bytes;
        }
    }
    let mut last = 0;
    match read_on(log, folded_through, unfinished, &mut last) {
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
    report.log.lag = last.saturating_sub(folded_through);
    if report.log.lag > 0 {
        // What cannot be read there was told above.
        let first = lag::first_behind(log, folded_through).ok().flatten();
        report.log.lag_seconds = first.as_ref().map_or(0, |(seconds, _)| *seconds);
        report.log.blocking_event = first.map(|(_, event)| event);
    }
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

/// Reads the last event folded, which must be there, and takes up what is behind it to the log's
/// end; gives the bytes there that are no whole frame.
fn read_on(
    log: &Path,
    folded_through: u64,
    unfinished: &mut Unfinished,
    last: &mut u64,
) -> Result<u64, LogError> {
    let reader = LogReader::from_sequence(log, folded_through)?;
    let mut reader = reader.known_durable(folded_through);
    let read = loop {
        match reader.next_frame() {
            Ok(Some(frame)) => {
                unfinished.take_up(frame.events, folded_through);
            }
            Ok(None) => break reader.unread_bytes(),
            Err(error) => break Err(error),
        }
    };
    *last = reader.read_through();
    read
}

fn describe_unfinished(unfinished: &Unfinished, report: &mut Report) {
    report.unfinished_uploads = unfinished.len() as u64;
    if report.is_written_to() {
        return;
    }
    for (id, upload) in unfinished.iter().take(NAMED_MAX) {
        let (name, client_id) = (&upload.file_name, &upload.client_id);
        report.problems.push(format!(
            "upload {id} of {name} ({client_id}) was not read to its end"
        ));
        report.advise(if *client_id == super::process::LOCAL_CLIENT {
            format!(
                "txp process {name} --data-dir {}, with the options of the first time: it goes on where it stopped",
                report.data_dir
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
        report.advise(format!(
            "txp redrive quarantine preview --data-dir {}, with a newer txp if the reasons say so: \
             the events stay in the log",
            report.data_dir
        ));
    }
}

fn examine_alerts(dir: &Path, snapshot: Option<&Snapshot>, report: &mut Report) {
    if let Err(error) = count_alerts(dir, snapshot, report) {
        report.problems.push(output::chain(&error));
    } else if report.alerts_pending > 0 && !report.is_written_to() {
        report.problems.push(format!(
            "{} alerts were not handed on yet",
            output::grouped(report.alerts_pending)
        ));
        report.advise(format!("txp serve --data-dir {}", report.data_dir));
    }
}

fn count_alerts(
    dir: &Path,
    snapshot: Option<&Snapshot>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut table = super::alerts::Table::open(dir)?;
    if let Some(snapshot) = snapshot {
        table.check_there(snapshot)?;
    }
    while let Some(entry) = table.next_entry()? {
        report.alerts += 1;
        report.alerts_pending += u64::from(entry.delivery == Delivery::Pending);
    }
    // The table is never behind the checkpoint, and may be ahead of it.
    let alerted = snapshot.map_or(0, |snapshot| snapshot.alerted);
    anyhow::ensure!(
        report.alerts >= alerted,
        "the alert table has {} alerts, and {} findings were recorded in it: restore it from a copy \
         of the directory; `txp events --type anomaly.flagged` has the findings",
        output::grouped(report.alerts),
        output::grouped(alerted)
    );
    Ok(())
}

/// A queue that cannot be read, and one that was moved aside for that: nobody is told what is in it.
fn examine_webhooks(dir: &Path, report: &mut Report) {
    match webhooks_waiting(dir) {
        Ok((waiting, seconds)) => {
            report.webhooks_waiting = waiting;
            report.oldest_webhook_seconds = seconds;
            if seconds > LATE_SECONDS {
                report.problems.push(format!(
                    "{waiting} messages wait for endpoints of webhooks, the oldest for {seconds} s"
                ));
                report.advise(format!("txp webhooks list --data-dir {}", report.data_dir));
            }
        }
        Err(error) => report.problem(&*error),
    }
    let moved = dir.join(WEBHOOKS_DIR).join(DAMAGED_QUEUE);
    if moved.exists() {
        report.notes.push(format!(
            "{} is a damaged queue of webhooks that was moved aside: what waited in it was told to \
             nobody; `txp uploads` and `txp alerts` have it, and the file can be deleted",
            output::path(&moved)
        ));
    }
}

/// How many messages wait, and for how many seconds the oldest.
fn webhooks_waiting(dir: &Path) -> Result<(u64, u64), Box<dyn std::error::Error>> {
    let endpoints = Webhooks::to_read(dir).list()?;
    let waiting = Queue::open(dir)?.waiting(&endpoints);
    let now = txp_local::now().unix_seconds();
    let oldest = waiting
        .iter()
        .map(|waiting| waiting.at.unix_seconds())
        .min();
    let seconds = oldest.map_or(0, |at| u64::try_from(now - at).unwrap_or(0));
    Ok((waiting.len() as u64, seconds))
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
    writeln!(out, "{}", report.data_dir)?;
    for (name, text) in facts(report) {
        writeln!(out, "  {name:<12}{text}")?;
    }
    conclude(&mut out, &report.problems, &report.notes, &report.next)?;
    Ok(out)
}

/// How a page ends.
fn conclude(
    out: &mut String,
    problems: &[String],
    notes: &[String],
    next: &[String],
) -> std::fmt::Result {
    for problem in problems {
        writeln!(out, "needs care: {problem}")?;
    }
    for note in notes {
        writeln!(out, "note: {note}")?;
    }
    if problems.is_empty() {
        writeln!(out, "nothing needs care")?;
    }
    for next in next {
        writeln!(out, "next: {next}")?;
    }
    Ok(())
}

/// What there is, by name; nothing where there is no data directory.
fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let (Some(version), Some(created_at)) = (report.format_version, &report.created_at) else {
        return Vec::new();
    };
    let none = || "none".to_owned();
    let log = &report.log;
    let as_of = report.as_of.as_ref();
    let as_of = as_of.map(|as_of| format!("event {}, {}", as_of.sequence, as_of.time));
    let last = log.last_sequence.clone().unwrap_or_else(|| "0".to_owned());
    let segments = format!(
        "{} segment(s), {} bytes",
        log.segments,
        output::grouped(log.bytes)
    );
    let behind = format!("{} events behind the log", output::grouped(log.lag));
    let alerts = format!(
        "{}, {} pending; findings {}",
        output::grouped(report.alerts),
        output::grouped(report.alerts_pending),
        output::grouped(report.findings)
    );
    vec![
        ("txp", format!("version {}", report.txp_version)),
        ("format", format!("version {version}, made {created_at}")),
        ("writer", report.writer.clone().unwrap_or_else(none)),
        ("log", format!("{segments}, last event {last}")),
        (
            "checkpoint",
            format!("{}; {behind}", as_of.unwrap_or_else(none)),
        ),
        (
            "lag",
            match &log.blocking_event {
                Some(event) => format!("{} s; next is {event}", log.lag_seconds),
                None => format!("{} s", log.lag_seconds),
            },
        ),
        (
            "unfinished",
            format!("{} upload(s)", report.unfinished_uploads),
        ),
        ("quarantine", format!("{} event(s)", report.quarantined)),
        ("alerts", alerts),
        (
            "webhooks",
            format!(
                "{} waiting, the oldest for {} s",
                output::grouped(report.webhooks_waiting),
                report.oldest_webhook_seconds
            ),
        ),
        (
            "spool",
            format!(
                "{} file(s), {} bytes",
                report.spool_files, report.spool_bytes
            ),
        ),
    ]
}

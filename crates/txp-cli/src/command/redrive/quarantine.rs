//! `txp redrive quarantine`: events that could not be read when they were to be folded.

#[cfg(feature = "aws")]
mod deployed;

use super::{Step, told};
use crate::command::{Ending, Globals, process, source};
use crate::output;
use serde::Serialize;
use std::io::Write;
#[cfg(feature = "aws")]
use txp_domain::event::{DecodeError, Decoded};
use txp_domain::position::{Bucket, Position, Sequence};
use txp_domain::time::Timestamp;
use txp_local::format;
use txp_local::host::HostOptions;
use txp_local::redrive::{QuarantineEntry, QuarantineState, plan_quarantine, run_quarantine};
use txp_pipeline::document::PositionDocument;

/// Arguments of `txp redrive quarantine`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to do
    #[arg(value_enum, value_name = "STEP")]
    step: Step,
    /// Do nothing if more events than this would be folded
    #[arg(long, value_name = "N", default_value_t = 1000)]
    max: usize,
    /// Of the deployment of this environment on AWS instead: list and preview, of --max events at most
    #[arg(long, value_name = "ENV")]
    env: Option<String>,
    /// What the deployment's buckets have behind their names
    #[arg(long, value_name = "SUFFIX", requires = "env")]
    bucket_suffix: Option<String>,
    /// Of a deployment: the history that preview looks into: s3://BUCKET/PREFIX, kinesis:STREAM, or
    /// s3://BUCKET/PREFIX+kinesis:STREAM
    #[arg(long, value_name = "SOURCE", requires = "env")]
    source: Option<String>,
    /// Of a deployment: only what arrived at or after this time (RFC 3339, a date, or Unix seconds)
    #[arg(long, value_name = "TIME", value_parser = source::time, requires = "env")]
    from: Option<Timestamp>,
    /// Of a deployment: only what arrived before this time
    #[arg(long, value_name = "TIME", value_parser = source::time, requires = "env")]
    to: Option<Timestamp>,
}

#[derive(Serialize)]
struct Document {
    step: &'static str,
    events: Vec<EventDocument>,
    /// Events that a run folds, or has folded.
    redriven: usize,
    unreadable: usize,
    /// Events in quarantine beyond those that are told.
    #[serde(skip_serializing_if = "is_none")]
    left_off: u64,
    /// Whether there are records beyond those that were looked at.
    #[serde(skip_serializing_if = "is_no")]
    has_more: bool,
}

const fn is_none(count: &u64) -> bool {
    *count == 0
}

const fn is_no(flag: &bool) -> bool {
    !*flag
}

impl Document {
    fn new(step: Step) -> Self {
        Self {
            step: match step {
                Step::List => "list",
                Step::Preview => "preview",
                Step::Run => "run",
            },
            events: Vec::new(),
            redriven: 0,
            unreadable: 0,
            left_off: 0,
            has_more: false,
        }
    }

    fn count(&self, state: &str) -> usize {
        let events = self.events.iter();
        events.filter(|event| event.state == state).count()
    }
}

#[derive(Serialize)]
struct EventDocument {
    position: PositionDocument,
    /// `unreadable`, `readable`, `redriven`; of a deployment also `quarantined`, where the history was not
    /// looked into, and `missing`, where it does not have it.
    state: &'static str,
    stage: String,
    reason: String,
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<&'static str>,
    redriven_at: Option<Timestamp>,
}

#[cfg(feature = "aws")]
impl EventDocument {
    /// What reading it has given now.
    fn read_now(&mut self, read: Result<Decoded<'_>, DecodeError>) {
        match read {
            Ok(decoded) => {
                let event = decoded.event();
                self.state = "readable";
                self.id = Some(event.id());
                self.kind = Some(event.event_type().name());
            }
            Err(error) => {
                self.state = "unreadable";
                self.reason = error.to_string();
            }
        }
    }
}

impl From<&QuarantineEntry> for EventDocument {
    fn from(entry: &QuarantineEntry) -> Self {
        let event = &entry.event;
        let position = Position {
            bucket: Bucket(event.bucket),
            sequence: Sequence::from(event.sequence),
            subsequence: 0,
        };
        let mut document = Self {
            position: PositionDocument::from(&position),
            state: "unreadable",
            stage: event.stage.clone(),
            reason: event.reason.clone(),
            id: None,
            kind: None,
            redriven_at: None,
        };
        match &entry.state {
            QuarantineState::Unreadable { reason } => document.reason.clone_from(reason),
            QuarantineState::Readable { id, kind } => {
                document.state = "readable";
                document.id = Some(id.clone());
                document.kind = Some(kind);
            }
            QuarantineState::Redriven { at } => {
                document.state = "redriven";
                document.redriven_at = Some(*at);
            }
        }
        document
    }
}

pub(super) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    let document = match &args.env {
        Some(environment) => deployed(globals, args, environment)?,
        None => here(globals, args)?,
    };
    if globals.json {
        output::json(&document)?;
    } else {
        output::streamed(|out| Ok(describe(out, &document, args)?))?;
    }
    Ok(Ending::Done)
}

#[cfg(feature = "aws")]
fn deployed(globals: &Globals, args: &Args, environment: &str) -> anyhow::Result<Document> {
    deployed::run(globals, args, environment)
}

#[cfg(not(feature = "aws"))]
fn deployed(_: &Globals, _: &Args, environment: &str) -> anyhow::Result<Document> {
    Err(source::without_aws(&format!("--env {environment}")))
}

fn here(globals: &Globals, args: &Args) -> anyhow::Result<Document> {
    let dir = &globals.data_dir;
    format::read(dir)?;
    let mut plan = plan_quarantine(dir).map_err(told)?;
    let mut redriven = plan.readable().len();
    if args.step == Step::Run && redriven > 0 {
        let options = HostOptions {
            command: "txp redrive",
            fingerprinter: process::fingerprinter()?,
            is_durable: true,
            alerts: true,
            terminal: None,
        };
        redriven = run_quarantine(dir, options, args.max).map_err(told)?.len();
        plan = plan_quarantine(dir).map_err(told)?;
    }
    let events: Vec<_> = plan.entries.iter().map(EventDocument::from).collect();
    let mut document = Document::new(args.step);
    document.events = events;
    document.redriven = redriven;
    document.unreadable = document.count("unreadable");
    Ok(document)
}

fn describe(out: &mut dyn Write, document: &Document, args: &Args) -> std::io::Result<()> {
    for event in &document.events {
        let position = &event.position;
        write!(
            out,
            "event {} in bucket {}: {}",
            position.sequence, position.bucket, event.state
        )?;
        match (&event.id, event.kind, event.redriven_at) {
            (Some(id), Some(kind), _) => writeln!(out, ", {kind} {id}")?,
            (_, _, Some(at)) => writeln!(out, " {at}; it was there because: {}", event.reason)?,
            _ => writeln!(out, ": {}", event.reason)?,
        }
    }
    if let Some(environment) = &args.env {
        return describe_deployed(out, document, args, environment);
    }
    let (redriven, unreadable) = (document.redriven, document.unreadable);
    match args.step {
        _ if document.events.is_empty() => writeln!(out, "no event is in quarantine"),
        Step::List | Step::Preview if redriven > 0 => writeln!(
            out,
            "{redriven} can be read now: `txp redrive quarantine run` folds the state again from the log, with them at their places; {unreadable} cannot be read"
        ),
        Step::Run if redriven > 0 => writeln!(
            out,
            "{redriven} are folded at their places; {unreadable} cannot be read"
        ),
        _ => writeln!(
            out,
            "nothing to redrive: {unreadable} cannot be read by this txp"
        ),
    }
}

fn describe_deployed(
    out: &mut dyn Write,
    document: &Document,
    args: &Args,
    environment: &str,
) -> std::io::Result<()> {
    if document.left_off > 0 {
        let left_off = document.left_off;
        writeln!(out, "{left_off} more are not told: --max tells more")?;
    }
    if document.has_more {
        writeln!(
            out,
            "there are more records in quarantine than were looked at"
        )?;
    }
    let source = args.source.as_deref().unwrap_or_default();
    let (redriven, unreadable) = (document.redriven, document.unreadable);
    let missing = document.count("missing");
    match args.step {
        _ if document.events.is_empty() => {
            writeln!(out, "no event of {environment} is in quarantine")
        }
        Step::List => writeln!(
            out,
            "`txp redrive quarantine preview --env {environment} --source SOURCE` says which of them this txp reads"
        ),
        _ if redriven > 0 => writeln!(
            out,
            "{redriven} can be read now: `txp replay --source {source} --into dynamodb:NEW_TABLE` folds a new table with them at their places; {unreadable} cannot be read, {missing} are not in {source}"
        ),
        _ => writeln!(
            out,
            "nothing to redrive: {unreadable} cannot be read by this txp, {missing} are not in {source}"
        ),
    }
}

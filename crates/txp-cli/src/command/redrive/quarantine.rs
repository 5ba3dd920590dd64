//! `txp redrive quarantine`: events that could not be read when they were to be folded.

use super::{Step, told};
use crate::command::{Ending, Globals, process};
use crate::output;
use serde::Serialize;
use std::io::Write;
use txp_domain::position::{Bucket, Position, Sequence};
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
}

#[derive(Serialize)]
struct Document {
    step: &'static str,
    events: Vec<EventDocument>,
    /// Events that a run folds, or has folded.
    redriven: usize,
    unreadable: usize,
}

#[derive(Serialize)]
struct EventDocument {
    position: PositionDocument,
    /// `unreadable`, `readable`, `redriven`.
    state: &'static str,
    stage: String,
    reason: String,
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<&'static str>,
    redriven_at: Option<txp_domain::time::Timestamp>,
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
    let document = Document {
        step: match args.step {
            Step::List => "list",
            Step::Preview => "preview",
            Step::Run => "run",
        },
        unreadable: events.iter().filter(|e| e.state == "unreadable").count(),
        redriven,
        events,
    };
    if globals.json {
        output::json(&document)?;
    } else {
        output::streamed(|out| Ok(describe(out, &document, args)?))?;
    }
    Ok(Ending::Done)
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

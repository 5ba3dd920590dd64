//! `txp events`: the history as it was recorded, one CloudEvent a line, with its position and
//! arrival beside its attributes.
//!
//! Reads any source batch by batch, the durable log beside a writer; an event's own bytes are handed
//! on as they are.

use super::source::{self, Filter, FilterArgs, HistoryArgs, Reading, Source};
use super::{Ending, Globals, Refusal};
use crate::interrupt::Interrupt;
use crate::output;
use anyhow::Context as _;
use clap::ValueEnum;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use txp_pipeline::history::{self, Recorded};
use txp_pipeline::port::{EventSource as _, Progress, SourceBatch, Window};

/// How long `--follow` waits before it looks for new events.
const FOLLOW_POLL: Duration = Duration::from_millis(100);

/// Events are gathered into writes of this size.
const WRITE_BYTES: usize = 256 * 1024;

/// Arguments of `txp events`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    history: HistoryArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// Go on with new events as they come, until interrupted
    #[arg(long)]
    follow: bool,
    /// How to write them
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,
    /// Write to a file; without it to standard output, where --json has no place: each line is a
    /// JSON document already
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object a line
    Ndjson,
    /// Not in this build
    Csv,
    /// Not in this build
    Parquet,
}

/// Prints them.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    if args.format != Format::Ndjson {
        return Err(Refusal::wrong_use(
            "this txp writes events as ndjson only: csv and parquet come with the export feature",
        ));
    }
    if globals.json && args.out.is_none() {
        return Err(Refusal::wrong_use(
            "events are a JSON object a line already, without --json; it goes with --out FILE, and \
             prints how many were written",
        ));
    }
    let source = args.history.source(globals)?;
    let mut export = Export {
        out: open(args.out.as_deref())?,
        filter: Filter::of(&args.filter)?,
        line: Vec::new(),
        written: 0,
        unreadable: 0,
    };
    let interrupt = args.follow.then(Interrupt::catch).transpose()?;
    let window = args.history.window(None);
    source::runtime()?.block_on(export.all(&source, window, interrupt.as_ref()))?;
    if globals.json
        && let Some(out) = &args.out
    {
        let (out, events) = (out.display().to_string(), export.written);
        output::json(&serde_json::json!({ "events": events, "out": out }))?;
    }
    Ok(if export.unreadable == 0 {
        Ending::Done
    } else {
        Ending::Problem
    })
}

fn open(path: Option<&Path>) -> anyhow::Result<Box<dyn Write>> {
    let out: Box<dyn Write> = match path {
        Some(path) => {
            let file = File::create(path).with_context(|| format!("writing {}", path.display()))?;
            Box::new(BufWriter::with_capacity(WRITE_BYTES, file))
        }
        None => Box::new(BufWriter::with_capacity(WRITE_BYTES, io::stdout())),
    };
    Ok(out)
}

struct Export {
    out: Box<dyn Write>,
    filter: Filter,
    line: Vec<u8>,
    written: u64,
    unreadable: u64,
}

impl Export {
    /// Everything that there is, until it is interrupted if it may be.
    async fn all(
        &mut self,
        source: &Source,
        window: Window,
        interrupt: Option<&Interrupt>,
    ) -> anyhow::Result<()> {
        let mut source = source.open(window).await?;
        let mut batch = SourceBatch::default();
        let mut reading = Reading::new("events", interrupt.is_some());
        loop {
            let progress = source.next(&mut batch).await?;
            reading.goes_on(&source, batch.len());
            for event in batch.events() {
                self.one(&event)?;
            }
            let goes_on = match (progress, interrupt) {
                (Progress::More, interrupt) => !interrupt.is_some_and(Interrupt::has_come),
                (Progress::CaughtUp, Some(interrupt)) => {
                    self.out.flush().context("writing events")?;
                    !interrupt.wait(FOLLOW_POLL)
                }
                (Progress::CaughtUp, None) | (Progress::Ended, _) => false,
            };
            if !goes_on {
                return self.out.flush().context("writing events");
            }
        }
    }

    fn one(&mut self, event: &Recorded<'_>) -> anyhow::Result<()> {
        if event.attributes().is_some() && !self.filter.lets_pass(event.bytes) {
            return Ok(());
        }
        self.line.clear();
        if history::write_line(event, &mut self.line).is_err() {
            // It is in the quarantine too; a history with a hole must not look whole.
            self.unreadable += 1;
            output::note(&format!(
                "event {} is no JSON and left out; `txp doctor` shows the quarantine",
                event.position.sequence
            ));
            return Ok(());
        }
        self.out.write_all(&self.line).context("writing events")?;
        self.written += 1;
        Ok(())
    }
}

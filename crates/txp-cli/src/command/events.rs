//! `txp events`: the history as it was recorded, one CloudEvent a line, with its position and
//! arrival beside its attributes.
//!
//! Reads any source batch by batch, the durable log beside a writer; an event's own bytes are handed
//! on as they are.

use super::source::{self, Source};
use super::{Ending, Globals, Refusal};
use crate::interrupt::Interrupt;
use crate::output;
use anyhow::Context as _;
use clap::ValueEnum;
use serde::Deserialize;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use txp_domain::event::EventType;
use txp_domain::time::{TimeZone, Timestamp};
use txp_pipeline::history::{self, Recorded};
use txp_pipeline::port::{EventSource as _, Progress, SourceBatch, Window};

/// How long `--follow` waits before it looks for new events.
const FOLLOW_POLL: Duration = Duration::from_millis(100);

/// Events are gathered into writes of this size.
const WRITE_BYTES: usize = 256 * 1024;

/// Arguments of `txp events`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the history is: local:DIR, kinesis:STREAM or s3://BUCKET/PREFIX; the data directory if
    /// not given
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// Only what arrived at or after this time (RFC 3339, a date, or Unix seconds)
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// Only what arrived before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Timestamp>,
    /// Only events of this merchant's transactions
    #[arg(long, value_name = "MERCHANT_ID")]
    merchant: Option<String>,
    /// Only events of this transaction
    #[arg(long, value_name = "TRANSACTION_ID")]
    transaction: Option<String>,
    /// Only events of this type, as in --type row.rejected
    #[arg(long = "type", value_name = "TYPE", value_parser = kind)]
    kind: Option<EventType>,
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

fn time(text: &str) -> Result<Timestamp, String> {
    let date = format!("{text}T00:00:00Z");
    Timestamp::read(text.as_bytes(), Some(&TimeZone::UTC))
        .ok()
        .or_else(|| Timestamp::parse(date.as_bytes()))
        .ok_or_else(|| {
            "write a time as 2026-01-31T12:00:00Z, 2026-01-31 or Unix seconds".to_owned()
        })
}

fn kind(text: &str) -> Result<EventType, String> {
    EventType::from_name(text).ok_or_else(|| {
        let names = EventType::ALL.map(EventType::name).join(", ");
        format!("the types are {names}")
    })
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
    let source = Source::parse(args.source.as_deref(), &globals.data_dir)?;
    source.check_history()?;
    let mut export = Export {
        out: open(args.out.as_deref())?,
        filter: Filter::of(args),
        line: Vec::new(),
        written: 0,
        unreadable: 0,
    };
    let interrupt = args.follow.then(Interrupt::catch).transpose()?;
    let window = Window {
        from_millis: args.from.map(millis),
        to_millis: args.to.map(millis),
        after: None,
    };
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

/// Arrivals are kept in milliseconds: one in the middle of a millisecond is after its start.
fn millis(time: Timestamp) -> i64 {
    let millis = time.unix_millis();
    let is_whole = millis.checked_mul(1_000_000) == Some(time.0);
    millis.max(0) + i64::from(!is_whole)
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
        loop {
            let progress = source.next(&mut batch).await?;
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

/// Which events are wanted.
struct Filter {
    kind: Option<EventType>,
    /// What subjects start with.
    merchant: Option<String>,
    /// What subjects end with.
    transaction: Option<String>,
}

/// What the filter looks at.
#[derive(Deserialize)]
struct Seen<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    subject: Cow<'a, str>,
}

impl Filter {
    fn of(args: &Args) -> Self {
        Self {
            kind: args.kind,
            merchant: args.merchant.as_ref().map(|id| format!("{id}/")),
            transaction: args.transaction.as_ref().map(|id| format!("/{id}")),
        }
    }

    fn lets_pass(&self, event: &[u8]) -> bool {
        if self.kind.is_none() && self.merchant.is_none() && self.transaction.is_none() {
            return true;
        }
        let Ok(seen) = serde_json::from_slice::<Seen<'_>>(event) else {
            return false;
        };
        // A rejected row without usable ids has its upload and record as subject.
        let names_row = || {
            let mut parts = seen.subject.split('/');
            let first = parts.next().unwrap_or_default();
            txp_domain::id::UploadId::parse(first.as_bytes()).is_some()
        };
        let of_transaction = self.merchant.is_none() && self.transaction.is_none() || !names_row();
        of_transaction
            && self.kind.is_none_or(|kind| kind.name() == seen.kind)
            && self.merchant.iter().all(|m| seen.subject.starts_with(m))
            && self.transaction.iter().all(|t| seen.subject.ends_with(t))
    }
}

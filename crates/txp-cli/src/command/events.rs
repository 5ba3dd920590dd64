//! `txp events`: the history as it was recorded, one CloudEvent a line, with its position and
//! arrival beside its attributes.
//!
//! Reads the durable log beside a writer, frame by frame; an event's own bytes are handed on as
//! they are.

use super::{Ending, Globals, Refusal, source};
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
use txp_local::host::LOG_DIR;
use txp_local::log::{Event, LogReader};
use txp_local::snapshot::Snapshot;

/// How long `--follow` waits before it looks for new events.
const FOLLOW_POLL: Duration = Duration::from_millis(100);

/// Events are gathered into writes of this size.
const WRITE_BYTES: usize = 256 * 1024;

/// Arguments of `txp events`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the history is: local:DIR; the data directory if not given
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
    let dir = source::local(args.source.as_deref(), &globals.data_dir)?;
    txp_local::format::read(&dir)?;
    let filter = Filter::of(args);
    let mut export = Export {
        out: open(args.out.as_deref())?,
        filter,
        line: Vec::new(),
        written: 0,
        unreadable: 0,
    };
    let interrupt = args.follow.then(Interrupt::catch).transpose()?;
    // A state that cannot be read says nothing about the log, which is the truth.
    let folded_through = Snapshot::of_state(&dir).map_or(0, |snapshot| snapshot.as_of.sequence);
    let log = dir.join(LOG_DIR);
    let reader = match args.from {
        Some(from) => LogReader::from_arrival(&log, millis(from))?,
        None => LogReader::open(&log)?,
    };
    let mut reader = reader.known_durable(folded_through);
    loop {
        let is_whole = export.all(&mut reader, interrupt.as_ref())?;
        export.out.flush().context("writing events")?;
        match &interrupt {
            Some(interrupt) if !is_whole && !interrupt.wait(FOLLOW_POLL) => {}
            _ => break,
        }
    }
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
fn millis(time: Timestamp) -> u64 {
    let millis = time.unix_millis();
    let is_whole = millis.checked_mul(1_000_000) == Some(time.0);
    u64::try_from(millis).unwrap_or(0) + u64::from(!is_whole)
}

struct Export {
    out: Box<dyn Write>,
    filter: Filter,
    line: Vec<u8>,
    written: u64,
    unreadable: u64,
}

impl Export {
    /// Everything that there is for now; whether that is all that there will be.
    fn all(
        &mut self,
        reader: &mut LogReader,
        interrupt: Option<&Interrupt>,
    ) -> anyhow::Result<bool> {
        while let Some(frame) = reader.next_frame()? {
            let is_past = self.filter.to.is_some_and(|to| frame.arrival_ms >= to);
            if is_past || interrupt.is_some_and(Interrupt::has_come) {
                return Ok(true);
            }
            let arrival = Timestamp::from_unix_millis(frame.arrival_ms).unwrap_or_default();
            for event in frame.events {
                self.one(&event, arrival)?;
            }
        }
        Ok(false)
    }

    fn one(&mut self, event: &Event<'_>, arrival: Timestamp) -> anyhow::Result<()> {
        let Some(attributes) = event
            .bytes
            .strip_suffix(b"}")
            .filter(|b| b.starts_with(b"{"))
        else {
            // It is in the quarantine too; a history with a hole must not look whole.
            self.unreadable += 1;
            output::note(&format!(
                "event {} is no JSON and left out; `txp doctor` shows the quarantine",
                event.sequence
            ));
            return Ok(());
        };
        if !self.filter.lets_pass(event.bytes) {
            return Ok(());
        }
        self.line.clear();
        self.line.extend_from_slice(attributes);
        // An object without attributes takes no comma.
        if attributes.len() > 1 {
            self.line.push(b',');
        }
        writeln!(
            self.line,
            r#""position":{{"bucket":{},"sequence":"{}","subsequence":0}},"arrival":"{arrival}"}}"#,
            event.bucket.0, event.sequence,
        )?;
        self.out.write_all(&self.line).context("writing events")?;
        self.written += 1;
        Ok(())
    }
}

/// Which events are wanted.
struct Filter {
    to: Option<u64>,
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
            to: args.to.map(millis),
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

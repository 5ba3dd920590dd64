//! `txp events`: the history as it was recorded, one CloudEvent a line, with its position and
//! arrival beside its attributes; or as a table.
//!
//! Reads any source batch by batch, the durable log beside a writer; as lines an event's own bytes
//! are handed on as they are.

mod form;

use super::source::{self, Filter, FilterArgs, HistoryArgs, Reading, Source};
use super::{Ending, Globals, Refusal};
use crate::export::{Format, Place, Target};
use crate::interrupt::Interrupt;
use crate::output;
use form::EventForm;
use std::path::PathBuf;
use std::time::Duration;
use txp_domain::position::Position;
use txp_pipeline::history::Marks;
use txp_pipeline::port::{EventSource as _, Progress, SourceBatch};

/// How long `--follow` waits before it looks for new events.
const FOLLOW_POLL: Duration = Duration::from_millis(100);

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
    /// Write to a file; the same command again goes on where a run was cut. Without it to standard
    /// output, where --json has no place: each line is a JSON document already
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Prints them.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    args.format.check(args.out.is_some())?;
    if args.follow && args.format == Format::Parquet {
        return Err(Refusal::wrong_use(
            "a parquet file is whole when it is closed: --follow goes with ndjson and csv",
        ));
    }
    if globals.json && args.out.is_none() {
        return Err(Refusal::wrong_use(
            "events are a JSON object a line already, without --json; it goes with --out FILE, and \
             prints how many were written",
        ));
    }
    let source = args.history.source(globals)?;
    let filter = Filter::of(&args.filter)?;
    let interrupt = args.follow.then(Interrupt::catch).transpose()?;
    let export = Export::open(&source, args, filter)?;
    let runtime = source::runtime()?;
    let done = runtime.block_on(export.all(&source, args, interrupt.as_ref()))?;
    if globals.json
        && let Some(out) = &args.out
    {
        let (out, events) = (out.display().to_string(), done.written);
        output::json(&serde_json::json!({ "events": events, "out": out }))?;
    }
    Ok(Ending::of(done.unreadable == 0))
}

/// What is written, and how far.
struct Export {
    target: Target,
    form: EventForm,
    filter: Filter,
    /// What was written when the file was last put down, or by a run before this one.
    place: Place,
    written: u64,
    unreadable: u64,
}

impl Export {
    fn open(source: &Source, args: &Args, filter: Filter) -> anyhow::Result<Self> {
        let of = format!(
            "events {source} {:?} {filter:?} {} follow={}",
            args.history.window(None),
            args.format.name(),
            args.follow,
        );
        let has_pieces = args.format == Format::Parquet;
        let (target, place) = Target::open(args.out.as_deref(), of, args.follow, has_pieces)?;
        let form = EventForm::new(args.format, place.is_some())?;
        let place = place.unwrap_or_default();
        Ok(Self {
            target,
            form,
            filter,
            written: place.written,
            unreadable: place.unreadable,
            place,
        })
    }

    /// Everything that there is, until it is interrupted if it may be.
    async fn all(
        mut self,
        source: &Source,
        args: &Args,
        interrupt: Option<&Interrupt>,
    ) -> anyhow::Result<Done> {
        let window = args.history.window(self.place.cursor.clone());
        let mut source = source.open(window).await?;
        let mut batch = SourceBatch::default();
        let mut reading = Reading::new("events", interrupt.is_some());
        loop {
            let before = source.cursor();
            let progress = source.next(&mut batch).await?;
            reading.goes_on(&source, batch.len());
            self.take(&batch, &before)?;
            let goes_on = match (progress, interrupt) {
                (Progress::More, interrupt) => !interrupt.is_some_and(Interrupt::has_come),
                (Progress::CaughtUp, Some(interrupt)) => {
                    self.put(|| source.cursor(), &[])?;
                    !interrupt.wait(FOLLOW_POLL)
                }
                (Progress::CaughtUp, None) | (Progress::Ended, _) => false,
            };
            if !goes_on {
                self.put(|| source.cursor(), &[])?;
                let done = Done {
                    written: self.written,
                    unreadable: self.unreadable,
                };
                self.target.finish(self.form.join())?;
                return Ok(done);
            }
        }
    }

    /// Writes what is wanted of a batch, which lies behind the place `before`.
    fn take(&mut self, batch: &SourceBatch, before: &str) -> anyhow::Result<()> {
        for (index, event) in batch.events().enumerate() {
            if !self.place.marks.is_new(&event.position) {
                continue;
            }
            if event.attributes().is_some() && !self.filter.lets_pass(event.bytes) {
                continue;
            }
            if self.form.tell(&event) {
                self.written += 1;
            } else {
                // It is in the quarantine too; a history with a hole must not look whole.
                self.unreadable += 1;
                output::note(&format!(
                    "event {} is no JSON and left out; `txp doctor` shows the quarantine",
                    event.position.sequence
                ));
            }
            if self.form.is_full() {
                let through = batch.events().take(index + 1);
                let through: Vec<_> = through.map(|event| event.position).collect();
                self.put(|| before.to_owned(), &through)?;
            }
        }
        Ok(())
    }

    /// Puts out what there is, told to lie before a cursor, or behind it up to these positions.
    fn put(&mut self, cursor: impl FnOnce() -> String, through: &[Position]) -> anyhow::Result<()> {
        let piece = self.form.piece()?;
        let (written, unreadable) = (self.written, self.unreadable);
        let mut marks: Marks = self.place.marks.clone();
        self.target.put(&piece, || {
            for position in through {
                marks.pass(position);
            }
            Place {
                cursor: Some(cursor()),
                marks,
                written,
                unreadable,
            }
        })
    }
}

/// How much was written.
struct Done {
    written: u64,
    unreadable: u64,
}

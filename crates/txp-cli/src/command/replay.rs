//! `txp replay`: a history folded again, into a state of its own. It appends nothing and alerts no one,
//! whatever the target.
//!
//! The plan is made first, as a value; `--plan` shows it and ends. What a target is, and what is done
//! to it, is in [`target`]; a table on AWS is filled from a directory that is folded first, beside.

#[cfg(feature = "aws")]
mod table;
mod target;

use super::source::{self, HistoryArgs, Source};
use super::{Ending, Globals, Refusal};
use crate::interrupt::Interrupt;
use crate::output;
use anyhow::Context as _;
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;
use target::Destination;
use txp_local::format::ReplayOf;
use txp_local::host::LOG_DIR;
use txp_local::log::LogReader;
use txp_local::replay::{self, Replayed, Target};
use txp_pipeline::port::{EventSource as _, Progress, SourceBatch, Window};
use txp_pipeline::replay::{Plan, SourceSize, TargetKind, money, replay_id};

/// What the lock's holder is told to be.
const COMMAND: &str = "txp replay";

/// Arguments of `txp replay`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    history: HistoryArgs,
    /// Where it goes: local:DIR, new or made by the same replay before; or dynamodb:TABLE
    #[arg(long, value_name = "TARGET")]
    into: String,
    /// Show what it would take and change, and do nothing
    #[arg(long)]
    plan: bool,
    /// Write into a table that this replay has not made, or that is in use
    #[arg(long)]
    overwrite_live: bool,
    /// Of a table: where the history is folded first [default: ./txp-replay-ID]
    #[arg(long, value_name = "DIR")]
    work_dir: Option<PathBuf>,
    /// Of a new table: the KMS key that it is encrypted with [default: AWS's own]
    #[arg(long, value_name = "ARN")]
    kms_key: Option<String>,
}

/// A replay, as it was asked for.
struct Asked {
    source: Source,
    window: Window,
    replay: ReplayOf,
    into: Destination,
}

/// Replays, or shows what it would take.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    let asked = ask(globals, args)?;
    let plan = plan(&asked, args, globals)?;
    if args.plan {
        if globals.json {
            output::json(&plan)?;
        } else {
            output::text(&describe(&plan)?)?;
        }
        return Ok(Ending::Done);
    }
    let start = Instant::now();
    let done = match &asked.into {
        Destination::Directory(dir) => fold_into(&asked, dir.clone(), globals.json, false)?,
        Destination::Table(name) => return into_table(&asked, name, args, globals),
    };
    report(&asked, &done, start, globals)
}

fn ask(globals: &Globals, args: &Args) -> anyhow::Result<Asked> {
    let source = args.history.source(globals)?;
    let window = args.history.window(None);
    let spelled = target::spelled(&source)?;
    let into = Destination::parse(&args.into)?;
    if let (Source::Local(from), Destination::Directory(to)) = (&source, &into) {
        target::check_apart(from, to)?;
    }
    if args.overwrite_live && matches!(into, Destination::Directory(_)) {
        return Err(Refusal::wrong_use(
            "--overwrite-live is about dynamodb:TABLE: a directory with a history of its own is never \
             written over; name a new one",
        ));
    }
    let replay = ReplayOf {
        id: replay_id(&spelled, window.from_millis, window.to_millis),
        // Kept and told, so as paths are told.
        source: output::path(Path::new(&spelled)),
        from_millis: window.from_millis,
        to_millis: window.to_millis,
    };
    Ok(Asked {
        source,
        window,
        replay,
        into,
    })
}

fn plan(asked: &Asked, args: &Args, globals: &Globals) -> anyhow::Result<Plan> {
    // To plan is to know: files are read through for it, which a replay that goes on need not do.
    let size = match (&asked.source, args.plan) {
        (Source::File(_), true) => counted(asked, globals)?,
        (source, _) => size(source, &asked.window)?,
    };
    let (target, kind) = match &asked.into {
        Destination::Directory(dir) => {
            (target::describe(dir, &asked.replay)?, TargetKind::Directory)
        }
        Destination::Table(_) if args.overwrite_live => (
            "a table in use: each item is compared, and written where it differs",
            TargetKind::LiveTable,
        ),
        Destination::Table(_) => ("a table, made if it is not there", TargetKind::Table),
    };
    let plan = Plan {
        id: asked.replay.id.clone(),
        source: asked.replay.source.clone(),
        from: args.history.from.map(|time| time.to_string()),
        to: args.history.to.map(|time| time.to_string()),
        into: asked.into.to_string(),
        target,
        events: None,
        is_counted: false,
        events_from: "",
        seconds: None,
        cost: Vec::new(),
        micro_usd: 0,
        side_effects: Vec::new(),
    };
    Ok(plan.with_size(&size, kind))
}

/// What is known of a source without reading it through.
fn size(source: &Source, window: &Window) -> anyhow::Result<SourceSize> {
    let Source::Local(dir) = source else {
        let is_stream = matches!(source, Source::Stream(_) | Source::Joined(..));
        return Ok(SourceSize {
            is_stream,
            events_from: match is_stream {
                true => "a stream says how many events it holds to nobody before it is read",
                false => {
                    "objects are not fetched for a plan: what is in them is known once they are read"
                }
            },
            ..SourceSize::default()
        });
    };
    let millis = |bound: Option<i64>| bound.map(|millis| u64::try_from(millis).unwrap_or(0));
    let log = dir.join(LOG_DIR);
    let events = LogReader::count(&log, millis(window.from_millis), millis(window.to_millis))?;
    Ok(SourceSize {
        events: Some(events),
        is_counted: true,
        events_from: "counted in the log's index",
        ..SourceSize::default()
    })
}

/// The events of files, counted by reading them.
fn counted(asked: &Asked, globals: &Globals) -> anyhow::Result<SourceSize> {
    let interrupt = Interrupt::catch()?;
    let mut bar = output::bar("count", globals.json);
    let events = source::runtime()?.block_on(async {
        let mut source = asked.source.open(asked.window.clone()).await?;
        let (mut batch, mut events) = (SourceBatch::default(), 0);
        loop {
            let progress = source.next(&mut batch).await?;
            events += batch.len() as u64;
            if let Some(far) = source.how_far() {
                bar.show(far.done, far.total);
            }
            if let Some(code) = interrupt.exit_code() {
                return Err(Refusal::interrupted(code, "interrupted".to_owned()));
            }
            if progress != Progress::More {
                return anyhow::Ok(events);
            }
        }
    })?;
    Ok(SourceSize {
        events: Some(events),
        is_counted: true,
        events_from: "counted: the files were read through",
        ..SourceSize::default()
    })
}

/// Folds the source into a directory; with `touched`, takes down what was folded into.
fn fold_into(asked: &Asked, dir: PathBuf, quiet: bool, touched: bool) -> anyhow::Result<Replayed> {
    let interrupt = Interrupt::catch()?;
    let target = Target::open(&dir, &asked.replay, COMMAND, txp_local::now())?;
    if target.is_restarted() {
        output::note(&format!(
            "what was in {} is damaged: it is folded again from the start",
            output::path(&dir)
        ));
    }
    let target = if touched {
        target.with_touched()
    } else {
        target
    };
    let cursor = target.cursor().map(str::to_owned);
    target::check_holds(&asked.source, cursor.as_deref())?;
    let window = Window {
        after: cursor,
        ..asked.window.clone()
    };
    let total = size(&asked.source, &asked.window)?.events;
    let before = window.after.as_deref().and_then(|place| place.parse().ok());
    let before: u64 = before.unwrap_or(0);
    let mut bar = output::bar("replay", quiet);
    let watch = |read: u64| {
        if let Some(total) = total {
            bar.show(before + read, total.max(before + read));
        }
        !interrupt.has_come()
    };
    let done = source::runtime()?.block_on(async {
        let mut source = asked.source.open(window).await?;
        let done = replay::run(&mut source, target, watch).await;
        done.map_err(anyhow::Error::from)
    });
    drop(bar);
    let done = done.context("what was folded is kept: the same command goes on from there")?;
    if done.is_cut {
        let events = output::grouped(done.counted.events);
        return Err(Refusal::interrupted(
            interrupt.exit_code().unwrap_or(1),
            format!(
                "interrupted after {events} events, which are kept: the same command goes on from there"
            ),
        ));
    }
    note_unreadable(&done);
    Ok(done)
}

fn note_unreadable(done: &Replayed) {
    for poison in &done.poisons {
        output::note_redacted(&format!(
            "event {} of bucket {} cannot be read and is passed over: {}",
            poison.position.sequence, poison.position.bucket.0, poison.reason
        ));
    }
    let told = done.poisons.len() as u64;
    if done.counted.unreadable > told {
        let more = output::grouped(done.counted.unreadable - told);
        output::note(&format!("{more} more events cannot be read"));
    }
}

#[cfg(feature = "aws")]
use table::into_table;

#[cfg(not(feature = "aws"))]
fn into_table(_: &Asked, name: &str, _: &Args, _: &Globals) -> anyhow::Result<Ending> {
    Err(source::without_aws(&format!("dynamodb:{name}")))
}

fn report(
    asked: &Asked,
    done: &Replayed,
    start: Instant,
    globals: &Globals,
) -> anyhow::Result<Ending> {
    let counted = &done.counted;
    let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let rate = counted.events.saturating_mul(1_000) / millis.max(1);
    if globals.json {
        output::json(&json!({
            "id": asked.replay.id,
            "source": asked.replay.source,
            "into": asked.into.to_string(),
            "events": counted.events,
            "unreadable": counted.unreadable,
            "rows": {
                "accepted": counted.rows.accepted,
                "rejected": counted.rows.rejected,
                "duplicates": counted.rows.duplicates,
                "conflicts": counted.rows.conflicts,
            },
            "findings": counted.findings,
            "alerts": 0,
            "seconds": start.elapsed().as_secs_f64(),
            "events_per_second": rate,
            "peak_rss_bytes": output::peak_rss_bytes(),
        }))?;
        return Ok(Ending::Done);
    }
    let mut text = String::new();
    let events = output::grouped(counted.events);
    writeln!(text, "{events} events folded into {}", asked.into)?;
    if counted.events == 0 {
        writeln!(text, "  it had all of them: nothing changed")?;
    } else {
        let rows = &counted.rows;
        writeln!(
            text,
            "  rows: {} accepted, {} rejected, {} duplicates, {} conflicts",
            output::grouped(rows.accepted),
            output::grouped(rows.rejected),
            output::grouped(rows.duplicates),
            output::grouped(rows.conflicts)
        )?;
        let rate = output::grouped(rate);
        writeln!(text, "  {rate} events/s; nothing appended, no one alerted")?;
    }
    writeln!(
        text,
        "compare it: txp verify --source {} --against {}",
        asked.replay.source, asked.into
    )?;
    output::text(&text)?;
    Ok(Ending::Done)
}

fn describe(plan: &Plan) -> anyhow::Result<String> {
    let mut text = String::new();
    writeln!(text, "replay {}", plan.id)?;
    writeln!(text, "  source        {}", plan.source)?;
    for (name, bound) in [("from", &plan.from), ("to", &plan.to)] {
        if let Some(bound) = bound {
            writeln!(text, "  {name:<12}  {bound}")?;
        }
    }
    writeln!(text, "  into          {}", plan.into)?;
    writeln!(text, "  target        {}", plan.target)?;
    match plan.events {
        Some(events) => writeln!(text, "  events        {}", output::grouped(events))?,
        None => writeln!(text, "  events        not known: {}", plan.events_from)?,
    }
    if let Some(seconds) = plan.seconds {
        let seconds = output::grouped(seconds.max(1));
        writeln!(text, "  time          about {seconds} s, modelled")?;
    }
    match plan.cost.is_empty() {
        true => writeln!(text, "  cost on AWS   none")?,
        false => writeln!(
            text,
            "  cost on AWS   about {}, modelled",
            money(plan.micro_usd)
        )?,
    }
    for cost in &plan.cost {
        let (units, money) = (output::grouped(cost.units), money(cost.micro_usd));
        writeln!(text, "                {units} {}: {money}", cost.what)?;
    }
    writeln!(
        text,
        "  side effects  none: nothing is appended, no one is alerted"
    )?;
    Ok(text)
}

//! `txp verify`: whether a state is what its history says; or whether two histories are the same.
//!
//! A directory is compared as a whole, up to its checkpoint, beside a writer or without one. A table is
//! compared item by item, each up to its own last event.

#[cfg(feature = "aws")]
mod table;

use super::source::{self, Source};
use super::{Ending, Globals, Refusal};
use crate::interrupt::Interrupt;
use crate::output;
use anyhow::Context as _;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;
use tempfile::TempDir;
use txp_domain::transaction::Writer;
use txp_local::format::{self, ReplayOf};
use txp_local::host::HostError;
use txp_local::replay::writer_of;
use txp_local::runs::StateError;
use txp_local::snapshot::Snapshot;
use txp_local::verify::{
    Collected, Found, Histories, HistoriesReport, UpTo, VerifyError, collect, compare,
    compare_histories, missing_records,
};
use txp_pipeline::port::Window;
use txp_pipeline::verify::{Drift, Report};

/// Drifts that are shown to a person.
const SHOWN_MAX: usize = 10;

/// An event so young may be under way: three times what an upload may take until it is completed.
const GRACE_SECONDS: u32 = 900;

/// Arguments of `txp verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the history is; the data directory if not given
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// What is compared with it: local:DIR or dynamodb:TABLE, a state; or another history, as the
    /// stream behind an archive
    #[arg(long, value_name = "STATE")]
    against: String,
    /// Of a table: events younger than this may be under way and are no drift
    #[arg(long, value_name = "SECONDS", default_value_t = GRACE_SECONDS)]
    grace: u32,
    /// Of a table: read units a second that are taken of it, at the most
    #[arg(long, value_name = "UNITS", default_value_t = 1_000)]
    read_units: u32,
}

/// What is printed with `--json`.
#[derive(Serialize)]
struct Printed<'a, R> {
    source: &'a str,
    against: &'a str,
    #[serde(flatten)]
    report: R,
    seconds: f64,
    peak_rss_bytes: u64,
}

/// Two histories have no transactions, and the document has the number all the same.
#[derive(Serialize)]
struct OfHistories<'a> {
    transactions: u64,
    #[serde(flatten)]
    report: &'a HistoriesReport,
}

/// One verification at work.
struct Work<'a> {
    source: &'a Source,
    interrupt: Interrupt,
    dir: TempDir,
    quiet: bool,
    grace_millis: i64,
    #[cfg(feature = "aws")]
    read_units: u32,
}

/// Compares.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    let source = Source::parse(args.source.as_deref(), &globals.data_dir)?;
    source.check_history()?;
    let against = match Source::parse(Some(&args.against), &globals.data_dir) {
        Err(error) => return Err(of_against(&error)),
        Ok(against) => against,
    };
    let start = Instant::now();
    let dir = tempfile::Builder::new()
        .prefix("txp-verify")
        .tempdir()
        .context("making a directory for what is put in order; TMPDIR says where")?;
    let work = Work {
        source: &source,
        interrupt: Interrupt::catch()?,
        dir,
        quiet: globals.json,
        grace_millis: i64::from(args.grace) * 1_000,
        #[cfg(feature = "aws")]
        read_units: args.read_units,
    };
    let runtime = source::runtime()?;
    let names = (
        args.source.as_deref().unwrap_or("the data directory"),
        &*args.against,
    );
    let seconds = || start.elapsed().as_secs_f64();
    let report = match &against {
        Source::Local(dir) => runtime.block_on(work.with_directory(dir))?,
        #[cfg(feature = "aws")]
        Source::Table(name) => runtime.block_on(work.with_table(name))?,
        other => {
            other.check_history()?;
            let report = runtime.block_on(work.with_history(other))?;
            return of_histories(&report, names, seconds(), globals);
        }
    };
    if globals.json {
        output::json(&Printed {
            source: names.0,
            against: names.1,
            report: &report,
            seconds: seconds(),
            peak_rss_bytes: output::peak_rss_bytes(),
        })?;
    } else {
        output::text(&describe(&report, names)?)?;
    }
    Ok(Ending::of(report.is_sound()))
}

fn of_against(error: &anyhow::Error) -> anyhow::Error {
    Refusal::wrong_use(error.to_string().replace("--source", "--against"))
}

impl Work<'_> {
    /// A directory, up to its checkpoint.
    async fn with_directory(&self, dir: &Path) -> anyhow::Result<Report> {
        let replay = format::read(dir)?.replay;
        let mut snapshot = match Snapshot::of_state(dir) {
            Ok(snapshot) => snapshot,
            Err(HostError::State(error @ StateError::Corrupt { .. })) => {
                return Ok(Report {
                    damage: vec![error.to_string()],
                    ..Report::default()
                });
            }
            Err(error) => return Err(error.into()),
        };
        let is_total = match &replay {
            None => true,
            Some(replay) => replay.source.starts_with("local:"),
        };
        let through = is_total.then_some(snapshot.as_of.sequence);
        let collected = self.collect(through, replay.as_ref()).await?;
        let mut found = Found::of_state(&mut snapshot.state)?;
        let up_to = match is_total {
            true => UpTo::Checkpoint,
            false => self.each_item(),
        };
        let report = self.compare(collected, &mut found, up_to)?;
        self.with_missing_records(report, replay.as_ref()).await
    }

    fn each_item(&self) -> UpTo {
        let now = txp_local::now().unix_millis();
        UpTo::EachItem {
            settled_before_millis: now - self.grace_millis,
        }
    }

    async fn collect(
        &self,
        through: Option<u64>,
        replay: Option<&ReplayOf>,
    ) -> anyhow::Result<Collected> {
        let writer = replay.map_or(Writer::Live, writer_of);
        let mut source = self.source.open(window_of(replay)).await?;
        let mut bar = output::bar("history", self.quiet);
        let watch = |read: u64| {
            if let Some(through) = through {
                bar.show(read, through.max(read));
            }
            !self.interrupt.has_come()
        };
        let collected = collect(&mut source, through, writer, self.dir.path(), watch).await?;
        collected.ok_or_else(|| self.interrupted())
    }

    fn interrupted(&self) -> anyhow::Error {
        let code = self.interrupt.exit_code().unwrap_or(1);
        Refusal::interrupted(code, "interrupted: nothing was found out")
    }

    fn compare(
        &self,
        collected: Collected,
        found: &mut Found<'_>,
        up_to: UpTo,
    ) -> Result<Report, VerifyError> {
        compare(collected, found, up_to, self.dir.path())
    }

    /// Records are counted where the whole history is read, and missing ones looked for.
    async fn with_missing_records(
        &self,
        mut report: Report,
        replay: Option<&ReplayOf>,
    ) -> anyhow::Result<Report> {
        let window = window_of(replay);
        if window != Window::default() {
            report.incomplete.clear();
            report.uploads = 0;
        }
        if !report.incomplete.is_empty() {
            let mut source = self.source.open(window).await?;
            missing_records(&mut source, &mut report).await?;
        }
        Ok(report)
    }

    /// Another history.
    async fn with_history(&self, against: &Source) -> anyhow::Result<HistoriesReport> {
        let mut histories = Histories::new(self.dir.path());
        for (source, is_second) in [(self.source, false), (against, true)] {
            let mut source = source.open(Window::default()).await?;
            let watch = |_| !self.interrupt.has_come();
            if !histories.read(&mut source, is_second, watch).await? {
                return Err(self.interrupted());
            }
        }
        Ok(compare_histories(histories)?)
    }
}

/// What a replay's target holds, or all.
fn window_of(replay: Option<&ReplayOf>) -> Window {
    Window {
        from_millis: replay.and_then(|replay| replay.from_millis),
        to_millis: replay.and_then(|replay| replay.to_millis),
        after: None,
    }
}

fn of_histories(
    report: &HistoriesReport,
    names: (&str, &str),
    seconds: f64,
    globals: &Globals,
) -> anyhow::Result<Ending> {
    if globals.json {
        output::json(&Printed {
            source: names.0,
            against: names.1,
            report: OfHistories {
                transactions: 0,
                report,
            },
            seconds,
            peak_rss_bytes: output::peak_rss_bytes(),
        })?;
    } else {
        let mut text = String::new();
        let events = output::grouped(report.events);
        writeln!(text, "{events} events are in the stretch that both hold")?;
        let outside = output::grouped(report.outside);
        writeln!(text, "  {outside} events outside of it are not compared")?;
        match report.drift {
            0 => writeln!(text, "each of them is in both, with the same bytes")?,
            drift => writeln!(
                text,
                "{} of them are not the same: {} missing in {}, {} missing in {}, {} with other bytes",
                output::grouped(drift),
                output::grouped(report.missing_in_against),
                names.1,
                output::grouped(report.missing_in_source),
                names.0,
                output::grouped(report.differing)
            )?,
        }
        for unequal in report.unequal.iter().take(SHOWN_MAX) {
            let at = &unequal.position;
            let (bucket, sequence) = (at.bucket, &at.sequence);
            let place = format!("bucket {bucket}, sequence {sequence}/{}", at.subsequence);
            writeln!(text, "  {place}: {}", unequal.what)?;
        }
        output::text(&text)?;
    }
    Ok(match report.drift {
        0 => Ending::Done,
        _ => Ending::Problem,
    })
}

fn describe(report: &Report, (source, against): (&str, &str)) -> anyhow::Result<String> {
    let mut text = String::new();
    let events = output::grouped(report.events);
    let items = output::grouped(report.transactions);
    writeln!(
        text,
        "{items} transactions of {against}, {events} events of {source}"
    )?;
    for damage in &report.damage {
        writeln!(text, "damaged: {}", output::redacted(damage))?;
    }
    if report.unreadable > 0 {
        let unreadable = output::grouped(report.unreadable);
        writeln!(
            text,
            "{unreadable} events cannot be read, and folds pass them over"
        )?;
    }
    if report.in_flight > 0 {
        let count = output::grouped(report.in_flight);
        writeln!(
            text,
            "{count} transactions have events so young that they may be under way"
        )?;
    }
    if report.unverifiable > 0 {
        let count = output::grouped(report.unverifiable);
        writeln!(
            text,
            "{count} transactions have events in what is damaged and are not compared"
        )?;
    }
    for upload in &report.incomplete {
        let (found, records) = (
            output::grouped(upload.found),
            output::grouped(upload.records),
        );
        let missing = match upload.missing.is_empty() {
            true => String::new(),
            false => format!("; missing: {}", upload.missing.join(", ")),
        };
        let id = upload.upload_id;
        writeln!(
            text,
            "upload {id}: {found} of {records} records are in the history{missing}"
        )?;
    }
    for drift in report.drifts.iter().take(SHOWN_MAX) {
        describe_drift(&mut text, drift)?;
    }
    let shown = report.drifts.len().min(SHOWN_MAX) as u64;
    if report.drift > shown {
        let more = output::grouped(report.drift - shown);
        writeln!(
            text,
            "{more} more transactions drift; --json tells of the first hundred"
        )?;
    }
    match report.is_sound() {
        true => writeln!(text, "no drift: every transaction is what its history says")?,
        false => writeln!(text, "{} transactions drift", output::grouped(report.drift))?,
    }
    Ok(text)
}

fn describe_drift(text: &mut String, drift: &Drift) -> anyhow::Result<()> {
    let (id, merchant) = (&drift.transaction_id, &drift.merchant_id);
    writeln!(
        text,
        "transaction {id} of {merchant} {}",
        drift.kind.words()
    )?;
    for field in &drift.fields {
        writeln!(
            text,
            "  {}: {} by the history, {} in the state",
            field.field, field.expected, field.found
        )?;
    }
    for event in &drift.events {
        let class = event.class.as_deref().unwrap_or_default();
        writeln!(
            text,
            "  event {} {} {class} at {} of bucket {}",
            event.id, event.kind, event.position.sequence, event.position.bucket
        )?;
    }
    Ok(())
}

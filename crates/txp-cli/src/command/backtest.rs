//! `txp backtest`: recorded history judged by other rules, beside those that were active.
//!
//! The history is folded again into a scratch state, by the stages that run live, and thrown away
//! afterwards: nothing is written but what `--scores` and `--report` name. Each result has a manifest
//! of what it was made from and no clock in it: run again, it is the same to the byte.

mod evaluate;
mod html;
mod labels;
mod manifest;
mod parity;
mod pass;
mod report;

use super::source::{self, HistoryArgs, Source};
use super::{Ending, Globals, rules};
use crate::output;
use anyhow::Context as _;
use labels::LabelBook;
use manifest::Manifest;
use parity::ParityDocument;
use pass::Pass;
use report::Report;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use txp_domain::time::Timestamp;
use txp_pipeline::backtest::days::{Wanted, day_of};
use txp_pipeline::backtest::{Baseline, Span};
use txp_pipeline::rulefile::CheckedRules;

/// Arguments of `txp backtest`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    history: HistoryArgs,
    /// The rule file to try; `txp rules show` prints one
    #[arg(long, value_name = "FILE", required_unless_present = "parity")]
    rules: Option<PathBuf>,
    /// The rule file to compare with; the rules that were active if not given
    #[arg(long, value_name = "FILE", requires = "rules")]
    baseline: Option<PathBuf>,
    /// Which sales were frauds: a CSV, plain or gzip, with the columns transaction_id and fraud (0
    /// or 1), and merchant_id where ids are not unique without; if not given, the history's disputes
    #[arg(long, value_name = "FILE", requires = "rules")]
    labels: Option<PathBuf>,
    /// Hold every recorded finding to a second judgement by the rules that were active, over the whole
    /// history, and name each difference
    #[arg(long)]
    parity: bool,
    /// Begin at --from as if nothing had been before; without it, what arrived before is not judged, but
    /// still says what a card has done
    #[arg(long, requires = "from")]
    cold: bool,
    /// Write the score of every sale judged, as CSV
    #[arg(long, value_name = "OUT.csv", requires = "rules")]
    scores: Option<PathBuf>,
    /// Write a report for people, one HTML file
    #[arg(long, value_name = "OUT.html", requires = "rules")]
    report: Option<PathBuf>,
    /// The first day of training; metrics leave out the cards known to be compromised since then
    #[arg(long, value_name = "DATE", value_parser = source::time)]
    train_start: Option<Timestamp>,
    /// Days of training [default: a week, or a third of what there is]
    #[arg(long, value_name = "DAYS", value_parser = days())]
    train_days: Option<u32>,
    /// Days until a fraud is known [default: a week, or a third of what there is]
    #[arg(long, value_name = "DAYS", value_parser = days())]
    delay_days: Option<u32>,
    /// Days of sales, by their event time, that metrics are taken over [default: the last week, or
    /// third of what there is]
    #[arg(long, value_name = "DAYS", value_parser = days().range(1..=DAYS_MAX))]
    test_days: Option<u32>,
}

/// The longest that any part of the days may be: ten years.
const DAYS_MAX: i64 = 3660;

fn days() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(0..=DAYS_MAX)
}

/// Judges.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    let window = args.history.window(None);
    let span = Span {
        from_millis: window.from_millis,
        to_millis: window.to_millis,
        is_cold: args.cold,
    };
    let source = args.history.source(globals)?;
    let rules = args.rules.as_deref().map(rules::sound_file).transpose()?;
    let folder = tempfile::Builder::new().prefix("txp-backtest-").tempdir();
    let folder = folder.context("making a folder for the scratch state")?;
    let mut report = match rules {
        Some(tried) => Some(judge(globals, args, &source, (tried, span), folder.path())?),
        None => None,
    };
    let mut ending = Ending::Done;
    let mut parity = None;
    if args.parity {
        let judging = parity::run(folder.path(), &source, globals.json);
        let found = source::runtime()?.block_on(judging)?;
        if found.has_problem() {
            ending = Ending::Problem;
        }
        parity = Some(found);
    }
    if globals.json {
        match (&mut report, parity) {
            (Some(report), parity) => {
                report.parity = parity;
                output::json(report)?;
            }
            (None, Some(parity)) => output::json(&ParityDocument::of(parity))?,
            (None, None) => {}
        }
        return Ok(ending);
    }
    if let Some(report) = &report {
        output::text(&report.to_text()?)?;
    }
    if let Some(parity) = &parity {
        output::text(&parity.to_text()?)?;
    }
    Ok(ending)
}

/// Tries rules, and writes what is asked for.
fn judge(
    globals: &Globals,
    args: &Args,
    source: &Source,
    (tried, span): (CheckedRules, Span),
    folder: &Path,
) -> anyhow::Result<Report> {
    let baseline = match &args.baseline {
        Some(path) => Baseline::Rules(Box::new(rules::sound_file(path)?)),
        None => Baseline::Active,
    };
    let labels = LabelBook::open(folder, args.labels.as_deref())?;
    let mut pass = Pass::new(folder, tried, baseline, span, labels)?;
    pass.scores_to(args.scores.as_deref())?;
    source::runtime()?.block_on(pass.run(source, globals.json))?;
    let wanted = Wanted {
        train_start: args.train_start.map(day_of),
        train_days: args.train_days,
        delay_days: args.delay_days,
        test_days: args.test_days,
    };
    let mut judged = pass.finish()?;
    let evaluated = evaluate::evaluate(&mut judged, wanted)?;
    let manifest = Manifest::of(
        &judged,
        args.history.source.as_deref(),
        span,
        evaluated.days,
    )?;
    if let Some(scores) = &args.scores {
        manifest.write_beside(scores)?;
    }
    let report = Report::of(&judged, &evaluated, manifest)?;
    if let Some(path) = &args.report {
        let page = html::page(&report)?;
        let written = create(path)?.write_all(page.as_bytes());
        written.with_context(|| format!("writing {}", output::path(path)))?;
        report.manifest.write_beside(path)?;
    }
    Ok(report)
}

/// A file that is made, with a message that names it.
fn create(path: &Path) -> anyhow::Result<std::fs::File> {
    let file = std::fs::File::create(path);
    file.with_context(|| format!("writing {}", output::path(path)))
}

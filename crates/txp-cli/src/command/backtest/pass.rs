//! The pass over the history: from the source through the fold, and what comes out of it into files.

use super::super::Refusal;
use super::super::source::{Reading, Source};
use super::create;
use super::labels::LabelBook;
use crate::interrupt::Interrupt;
use crate::output;
use anyhow::Context as _;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use txp_local::scratch::Scratch;
use txp_pipeline::backtest::{Backtest, Baseline, Output, Sale, Span};
use txp_pipeline::port::{ErrorKind, EventSource as _, PortError, Progress, SourceBatch, Window};
use txp_pipeline::rulefile::CheckedRules;

/// Sales are written and read in pieces of this size.
const BUFFER_BYTES: usize = 256 * 1024;

/// The pass, while it runs.
pub(super) struct Pass {
    backtest: Backtest,
    scratch: Scratch,
    kept: Kept,
    span: Span,
}

/// What was judged, once the history has ended.
pub(super) struct Judged {
    /// Counts and findings.
    pub(super) backtest: Backtest,
    /// The labels.
    pub(super) labels: LabelBook,
    /// The rules that are compared with, if not those that were active.
    pub(super) baseline: Option<CheckedRules>,
    pub(super) sales: PathBuf,
}

/// What is kept of a pass, in files.
struct Kept {
    labels: LabelBook,
    baseline: Option<CheckedRules>,
    sales: PathBuf,
    sales_out: BufWriter<File>,
    scores_out: Option<BufWriter<File>>,
}

impl Pass {
    /// A pass that begins with nothing.
    pub(super) fn new(
        folder: &Path,
        tried: CheckedRules,
        baseline: Baseline,
        span: Span,
        labels: LabelBook,
    ) -> anyhow::Result<Self> {
        let sales = folder.join("sales");
        let sales_out = sales_out(&sales)?;
        let rules = match &baseline {
            Baseline::Active => None,
            Baseline::Rules(rules) => Some(CheckedRules::clone(rules)),
        };
        Ok(Self {
            backtest: Backtest::new(tried, baseline, span),
            scratch: Scratch::create(&folder.join("state"))?,
            kept: Kept {
                labels,
                baseline: rules,
                sales,
                sales_out,
                scores_out: None,
            },
            span,
        })
    }

    /// Writes the scores there, too.
    pub(super) fn scores_to(&mut self, path: Option<&Path>) -> anyhow::Result<()> {
        let Some(path) = path else {
            return Ok(());
        };
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, create(path)?);
        out.write_all(b"transaction_id,score\n")
            .with_context(|| format!("writing {}", output::path(path)))?;
        self.kept.scores_out = Some(out);
        Ok(())
    }

    /// Reads the history to its end.
    pub(super) async fn run(&mut self, source: &Source, quiet: bool) -> anyhow::Result<()> {
        let interrupt = Interrupt::catch()?;
        let wants_disputes = self.kept.labels.is_of_disputes();
        let window = Window {
            // Disputes come later than what they name.
            to_millis: self.span.to_millis.filter(|_| !wants_disputes),
            ..Window::default()
        };
        let mut source = source.open(window).await?;
        let mut batch = SourceBatch::default();
        let mut reading = Reading::new("events", quiet);
        loop {
            let progress = source.next(&mut batch).await?;
            let recorded: Vec<_> = batch.events().collect();
            let state = &mut self.scratch.state;
            self.backtest
                .take(state, &recorded, wants_disputes, &mut self.kept)
                .await?;
            self.scratch.relieve()?;
            reading.goes_on(&source, batch.len());
            if let Some(code) = interrupt.exit_code() {
                return Err(Refusal::interrupted(
                    code,
                    "interrupted; nothing was changed but the files that were to be written",
                ));
            }
            match progress {
                Progress::More => {}
                Progress::CaughtUp | Progress::Ended => return Ok(()),
            }
        }
    }

    /// Ends it.
    pub(super) fn finish(self) -> anyhow::Result<Judged> {
        let Kept {
            labels,
            baseline,
            sales,
            mut sales_out,
            scores_out,
        } = self.kept;
        sales_out.flush().context("writing what was judged")?;
        if let Some(mut out) = scores_out {
            out.flush().context("writing the scores")?;
        }
        Ok(Judged {
            backtest: self.backtest,
            labels,
            baseline,
            sales,
        })
    }
}

impl Output for Kept {
    fn judged(&mut self, sale: &Sale) -> Result<(), PortError> {
        let failed =
            |error| PortError::caused(ErrorKind::Permanent, "writing what was judged", error);
        sale.write(&mut self.sales_out).map_err(failed)?;
        if let Some(out) = &mut self.scores_out {
            let (id, score) = (&sale.transaction_id, sale.score);
            writeln!(out, "{id},{score}").map_err(failed)?;
        }
        Ok(())
    }

    fn disputed(&mut self, merchant_id: &str, transaction_id: &str) -> Result<(), PortError> {
        self.labels.disputed(merchant_id, transaction_id)
    }
}

/// Goes through sales that were written down, in their order.
pub(super) fn for_each_sale(
    path: &Path,
    mut each: impl FnMut(&mut Sale) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let file = File::open(path).context("reading what was judged")?;
    let mut from = BufReader::with_capacity(BUFFER_BYTES, file);
    let mut sale = Sale::default();
    while sale.read(&mut from).context("reading what was judged")? {
        each(&mut sale)?;
    }
    Ok(())
}

/// Where sales are written down.
pub(super) fn sales_out(path: &Path) -> anyhow::Result<BufWriter<File>> {
    Ok(BufWriter::with_capacity(BUFFER_BYTES, create(path)?))
}

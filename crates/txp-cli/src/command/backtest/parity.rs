//! `--parity`: recorded findings held to a second judgement by the rules that were active.

use super::super::source::{Reading, Source};
use crate::output;
use anyhow::Context as _;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use txp_domain::position::Position;
use txp_local::scratch::Scratch;
use txp_local::snapshot::Snapshot;
use txp_pipeline::backtest::parity::{Difference, Named, Outcome, Parity};
use txp_pipeline::document::PositionDocument;
use txp_pipeline::port::{EventSource as _, Progress, SourceBatch, Window};

/// Differences that people are shown.
const SHOWN_MAX: usize = 50;

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct ParityReport {
    /// Findings recorded.
    pub(super) recorded: u64,
    /// Findings made now.
    pub(super) found: u64,
    /// Findings recorded of rules that were only tried.
    pub(super) shadow_recorded: u64,
    /// Such findings made now.
    pub(super) shadow_found: u64,
    /// All differences, of both.
    pub(super) differences: u64,
    /// Those of them that are of order only.
    pub(super) of_order: u64,
    pub(super) named: Vec<NamedReport>,
    #[serde(skip)]
    pub(super) outcome: Outcome,
}

#[derive(Debug, Serialize)]
pub(super) struct NamedReport {
    finding: String,
    position: Option<PositionDocument>,
    difference: String,
}

/// A document for parity alone, in the words of every backtest: what is judged now is tried, what is
/// recorded is compared with.
#[derive(Debug, Serialize)]
pub(super) struct ParityDocument {
    transactions: u64,
    findings: u64,
    new: u64,
    lost: u64,
    kept: u64,
    metrics: Option<()>,
    parity: ParityReport,
}

impl ParityDocument {
    pub(super) fn of(parity: ParityReport) -> Self {
        let Outcome {
            transactions,
            found,
            not_recorded,
            not_found,
            recorded,
            ..
        } = parity.outcome;
        Self {
            transactions,
            findings: found,
            new: not_recorded,
            lost: not_found,
            kept: recorded.saturating_sub(not_found),
            metrics: None,
            parity,
        }
    }
}

/// Judges a history again.
pub(super) async fn run(
    folder: &Path,
    source: &Source,
    quiet: bool,
) -> anyhow::Result<ParityReport> {
    let is_ordered = matches!(source, Source::Local(_));
    let mut scratch = Scratch::create(&folder.join("parity"))?;
    let mut parity = Parity::new(is_ordered);
    let mut opened = source.open(Window::default()).await?;
    let mut batch = SourceBatch::default();
    let mut reading = Reading::new("events", quiet);
    loop {
        let progress = opened.next(&mut batch).await?;
        let recorded: Vec<_> = batch.events().collect();
        parity.take(&mut scratch.state, &recorded).await?;
        scratch.relieve()?;
        reading.goes_on(&opened, batch.len());
        match progress {
            Progress::More => {}
            Progress::CaughtUp | Progress::Ended => break,
        }
    }
    let unsettled = Unsettled::of(source)?;
    let outcome = parity.end(|position, id| unsettled.has(position, id));
    Ok(ParityReport {
        recorded: outcome.recorded,
        found: outcome.found,
        shadow_recorded: outcome.shadow_recorded,
        shadow_found: outcome.shadow_found,
        differences: outcome.differences,
        of_order: outcome.of_order,
        named: outcome.named.iter().map(named).collect(),
        outcome,
    })
}

fn named(named: &Named) -> NamedReport {
    NamedReport {
        finding: named.id.clone(),
        position: named.position.as_ref().map(PositionDocument::from),
        difference: named.difference.to_string(),
    }
}

/// Findings that a data directory's writer has made and not recorded yet, or has not made yet.
#[derive(Default)]
struct Unsettled {
    folded_through: Option<u64>,
    outstanding: BTreeSet<String>,
}

impl Unsettled {
    fn of(source: &Source) -> anyhow::Result<Self> {
        let Source::Local(dir) = source else {
            return Ok(Self::default());
        };
        let snapshot = Snapshot::of_state(dir)
            .context("reading the state, for what is still to be recorded")?;
        Ok(Self {
            folded_through: Some(snapshot.as_of.sequence),
            outstanding: snapshot.outstanding.into_iter().collect(),
        })
    }

    fn has(&self, position: &Position, id: &str) -> bool {
        let Some(folded) = self.folded_through else {
            return false;
        };
        position.sequence.as_u64().is_some_and(|at| at > folded) || self.outstanding.contains(id)
    }
}

impl ParityReport {
    /// Whether it found anything wrong: what is of order alone is as it must be.
    pub(super) fn has_problem(&self) -> bool {
        self.differences > self.of_order
    }

    /// For people.
    pub(super) fn to_text(&self) -> anyhow::Result<String> {
        let mut out = String::new();
        let [recorded, found, differences, of_order] =
            [self.recorded, self.found, self.differences, self.of_order].map(output::grouped);
        writeln!(
            out,
            "parity: {recorded} findings recorded, {found} found by judging again; {differences} differences, {of_order} of order"
        )?;
        if self.shadow_recorded > 0 || self.shadow_found > 0 {
            let [recorded, found] = [self.shadow_recorded, self.shadow_found].map(output::grouped);
            writeln!(
                out,
                "of rules that were tried: {recorded} findings recorded, {found} found by judging again"
            )?;
        }
        for named in self.outcome.named.iter().take(SHOWN_MAX) {
            writeln!(out, "  {} {}", named.id, named.difference)?;
        }
        let shown = self.outcome.named.len().min(SHOWN_MAX) as u64;
        if self.differences > shown {
            let more = output::grouped(self.differences - shown);
            writeln!(out, "  and {more} more; --json names the first thousand")?;
        }
        if self
            .outcome
            .named
            .iter()
            .any(|named| named.difference == Difference::OfOrder)
        {
            out.push_str("note: between buckets this history has no order; a difference of order is no fault\n");
        }
        Ok(out)
    }
}

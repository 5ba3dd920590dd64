//! `txp alerts`: what the rules found, in words, and who was told.
//!
//! Read from the alert table, which is a control record of its own and as new as its last line.

use super::{Ending, Globals};
use crate::output;
use anyhow::Context as _;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;
use txp_domain::alert::Notice;
use txp_domain::finding::{Hit, Money};
use txp_domain::rule::Severity;
use txp_domain::time::Timestamp;
use txp_local::alerts::{AlertEntry, Delivery, read_entries};
use txp_local::host::ALERTS_DIR;
use txp_local::snapshot::Snapshot;
use txp_pipeline::document::{AsOfDocument, PositionDocument};

/// Arguments of `txp alerts`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many of the newest to show; `--json` prints all unless this is given
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

/// How many are shown to a person who asks for no number.
const SHOWN_MAX: usize = 50;

#[derive(Serialize)]
struct Alerts {
    alerts: Vec<AlertDocument>,
    /// How many there are, those that are left out too.
    total: usize,
    as_of: AsOfDocument,
}

/// One alert.
#[derive(Serialize)]
pub(crate) struct AlertDocument {
    pub(crate) id: String,
    pub(crate) transaction_id: String,
    pub(crate) merchant_id: String,
    pub(crate) rule: String,
    pub(crate) severity: Severity,
    pub(crate) score: u16,
    #[serde(flatten)]
    pub(crate) money: Money,
    pub(crate) words: String,
    hits: Vec<HitDocument>,
    rule_set: String,
    event_time: Timestamp,
    pub(crate) delivery: Delivery,
    decided_at: Timestamp,
    position: PositionDocument,
}

#[derive(Serialize)]
struct HitDocument {
    rule: String,
    severity: Severity,
    words: String,
}

impl From<&Hit> for HitDocument {
    fn from(hit: &Hit) -> Self {
        Self {
            rule: hit.rule.clone(),
            severity: hit.severity,
            words: hit.words.clone(),
        }
    }
}

impl From<&AlertEntry> for AlertDocument {
    fn from(entry: &AlertEntry) -> Self {
        let finding = &entry.record.flagged.finding;
        let notice = Notice::of(finding);
        Self {
            id: notice.id,
            transaction_id: notice.transaction_id,
            merchant_id: notice.merchant_id,
            rule: notice.rule,
            severity: notice.severity,
            score: notice.score,
            money: notice.money,
            words: notice.words,
            hits: finding.hits.iter().map(HitDocument::from).collect(),
            rule_set: finding.rule_set.clone(),
            event_time: notice.event_time,
            delivery: entry.delivery,
            decided_at: entry.record.decided_at,
            position: PositionDocument::from(&entry.record.position),
        }
    }
}

/// Every alert of a data directory, in the order of the history.
pub(crate) fn entries(dir: &Path) -> anyhow::Result<Vec<AlertEntry>> {
    let alerts = dir.join(ALERTS_DIR);
    read_entries(&alerts)
        .with_context(|| format!("reading the alert table in {}", alerts.display()))
}

/// Shows them.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    let snapshot = Snapshot::open(&globals.data_dir)?;
    let entries = entries(&globals.data_dir)?;
    let total = entries.len();
    let limit = match args.limit {
        Some(limit) => limit,
        None if globals.json => total,
        None => SHOWN_MAX,
    };
    let newest = entries.iter().skip(total.saturating_sub(limit));
    let alerts = Alerts {
        alerts: newest.map(AlertDocument::from).collect(),
        total,
        as_of: super::status::as_of(&snapshot),
    };
    if globals.json {
        output::json(&alerts)?;
    } else {
        output::text(&describe(&alerts)?)?;
    }
    Ok(Ending::Done)
}

fn describe(alerts: &Alerts) -> anyhow::Result<String> {
    let mut out = String::new();
    for alert in &alerts.alerts {
        writeln!(
            out,
            "{:<8}  {:<4}  {} of {}, {}",
            alert.severity.name(),
            alert.score,
            alert.transaction_id,
            alert.merchant_id,
            alert.money,
        )?;
        for hit in &alert.hits {
            writeln!(out, "    {}: {}", hit.rule, hit.words)?;
        }
        let delivery = output::name_of(&alert.delivery).replace('_', " ");
        writeln!(out, "    {delivery}, event time {}", alert.event_time)?;
    }
    let shown = alerts.alerts.len();
    if alerts.total == 0 {
        writeln!(out, "no alerts")?;
    } else if shown < alerts.total {
        writeln!(
            out,
            "the newest {shown} of {} alerts: --limit N shows more, --json all",
            output::grouped(alerts.total as u64)
        )?;
    } else {
        writeln!(out, "{shown} alerts")?;
    }
    writeln!(
        out,
        "as of event {}, {}",
        alerts.as_of.sequence, alerts.as_of.time
    )?;
    Ok(out)
}

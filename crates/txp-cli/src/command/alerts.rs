//! `txp alerts`: what the rules found, in words, and who was told.
//!
//! Newest first, read from the end of the alert table, which is a control record of its own and as
//! new as its last line. An alert is printed as it is read: memory does not grow with the table.

mod suppress;

use super::{Ending, Globals, Refusal};
use crate::output;
use anyhow::Context as _;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use txp_local::alerts::{AlertDocument, AlertEntry, Newest};
use txp_local::host::ALERTS_DIR;
use txp_local::snapshot::Snapshot;
use txp_pipeline::document::AsOfDocument;

/// Arguments of `txp alerts`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// How many to show, newest first; `--json` prints all unless this is given
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Only those older than this one: what the page before ended with
    #[arg(long, value_name = "ALERT_ID")]
    before: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Have nobody told of a merchant, a rule, or both for a while
    Suppress(suppress::Args),
}

/// How many are shown to a person who asks for no number.
const SHOWN_MAX: usize = 50;

/// What stands behind the list.
#[derive(Serialize)]
struct Rest {
    /// How many there are, those that are left out too.
    total: u64,
    /// Where there are older ones, what to give as `--before` to see them.
    next_before: Option<String>,
    as_of: AsOfDocument,
}

/// The alerts of a data directory, newest first.
pub(crate) struct Table {
    newest: Newest,
    dir: PathBuf,
}

impl Table {
    pub(crate) fn open(dir: &Path) -> anyhow::Result<Self> {
        let dir = dir.join(ALERTS_DIR);
        let newest = Newest::open(&dir).with_context(|| reading(&dir))?;
        Ok(Self { newest, dir })
    }

    /// Checks that there is a table, where the last checkpoint knows of alerts.
    pub(crate) fn check_there(&self, snapshot: &Snapshot) -> anyhow::Result<()> {
        anyhow::ensure!(
            snapshot.alerted == 0 || self.newest.is_there(),
            "the alert table in {} is not there, and {} findings were recorded in it: restore it \
             from a copy of the directory; `txp events --type anomaly.flagged` has the findings",
            self.dir.display(),
            output::grouped(snapshot.alerted)
        );
        Ok(())
    }

    /// The next older alert.
    pub(crate) fn next_entry(&mut self) -> anyhow::Result<Option<AlertEntry>> {
        self.newest.next_entry().with_context(|| reading(&self.dir))
    }

    /// How many there are.
    fn total(&self) -> anyhow::Result<u64> {
        self.newest.total().with_context(|| reading(&self.dir))
    }

    /// Passes over all that are not older than this one.
    fn pass(&mut self, id: &str) -> anyhow::Result<()> {
        while let Some(entry) = self.next_entry()? {
            if entry.record.flagged.id() == id {
                return Ok(());
            }
        }
        Err(Refusal::problem(format!(
            "there is no alert {id}: `txp alerts` lists them"
        )))
    }
}

fn reading(dir: &Path) -> String {
    format!("reading the alert table in {}", dir.display())
}

/// A page of the table, and whether it ends before the table does.
struct Page {
    table: Table,
    left: usize,
    last: Option<String>,
    has_more: bool,
}

impl Page {
    fn next_document(&mut self) -> anyhow::Result<Option<AlertDocument>> {
        let Some(entry) = self.table.next_entry()? else {
            return Ok(None);
        };
        let Some(left) = self.left.checked_sub(1) else {
            self.has_more = true;
            return Ok(None);
        };
        self.left = left;
        let document = AlertDocument::from(&entry);
        self.last = Some(document.id.clone());
        Ok(Some(document))
    }
}

/// Shows them.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    if let Some(What::Suppress(args)) = &args.what {
        return suppress::run(globals, args);
    }
    let snapshot = Snapshot::open(&globals.data_dir)?;
    let as_of = super::status::as_of(&snapshot);
    let mut table = Table::open(&globals.data_dir)?;
    table.check_there(&snapshot)?;
    let total = table.total()?;
    if let Some(id) = &args.before {
        table.pass(id)?;
    }
    let limit = args.limit.unwrap_or(match globals.json {
        true => usize::MAX,
        false => SHOWN_MAX,
    });
    let page = std::cell::RefCell::new(Page {
        table,
        left: limit,
        last: args.before.clone(),
        has_more: false,
    });
    let next = || page.borrow_mut().next_document();
    let rest = || {
        let page = page.borrow();
        Rest {
            total,
            next_before: page.last.clone().filter(|_| page.has_more),
            as_of,
        }
    };
    output::streamed(|out| match globals.json {
        true => output::json_list(out, "alerts", next, rest),
        false => describe(out, next, rest),
    })?;
    Ok(Ending::Done)
}

fn describe(
    out: &mut dyn Write,
    mut next: impl FnMut() -> anyhow::Result<Option<AlertDocument>>,
    rest: impl FnOnce() -> Rest,
) -> anyhow::Result<()> {
    let mut shown = 0_u64;
    while let Some(alert) = next()? {
        describe_alert(out, &alert)?;
        shown += 1;
    }
    let rest = rest();
    let (shown, total) = (output::grouped(shown), output::grouped(rest.total));
    match (&rest.next_before, rest.total) {
        (_, 0) => writeln!(out, "no alerts")?,
        (Some(last), _) => writeln!(
            out,
            "{shown} of {total} alerts, newest first; older ones: --before {last}"
        )?,
        (None, 1) => writeln!(out, "{shown} of 1 alert")?,
        (None, _) => writeln!(out, "{shown} of {total} alerts, newest first")?,
    }
    let AsOfDocument { sequence, time, .. } = &rest.as_of;
    writeln!(out, "as of event {sequence}, {time}")?;
    Ok(())
}

fn describe_alert(out: &mut dyn Write, alert: &AlertDocument) -> std::io::Result<()> {
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
    let delivery = output::delivery(&output::name_of(&alert.delivery));
    writeln!(out, "    {delivery}, event time {}", alert.event_time)
}

//! `txp trace`: one transaction from the line of the file to who was told, in one answer, beside a
//! writer or without one.

use super::source::Source;
use super::{Ending, Globals, Refusal, status};
use crate::output;
use std::fmt::Write as _;
use txp_local::snapshot::Snapshot;
use txp_local::trace::{Asked, trace};
use txp_pipeline::document::{EventDocument, FindingDocument, TraceDocument};

/// Arguments of `txp trace`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The transaction's id
    #[arg(value_name = "TRANSACTION_ID")]
    transaction_id: String,
    /// The merchant, where several have a transaction of this id
    #[arg(long, value_name = "MERCHANT_ID")]
    merchant: Option<String>,
    /// The directory that knows it: local:DIR; the data directory if not given
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// Search all of the log as well: finds duplicates, which change no transaction, what rules found
    /// that were only tried, and which activation the rules that judged came by
    #[arg(long)]
    scan: bool,
}

/// Shows it.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    let source = Source::parse(args.source.as_deref(), &globals.data_dir)?;
    let Source::Local(dir) = &source else {
        return Err(Refusal::wrong_use(
            "a trace is made of a data directory: --source local:DIR; of a table on AWS `txp status --source dynamodb:TABLE` shows the history and the findings",
        ));
    };
    // What a replay has folded has no log to trace in.
    source.check_history()?;
    let mut snapshot = Snapshot::open(dir)?;
    let transaction = status::in_snapshot(
        &mut snapshot,
        &args.transaction_id,
        args.merchant.as_deref(),
    )?;
    let asked = Asked {
        dir,
        transaction: &transaction,
        scan: args.scan,
    };
    let document = trace(&asked, &mut snapshot)?;
    if globals.json {
        output::json(&document)?;
    } else {
        output::text(&describe(&document)?)?;
    }
    Ok(Ending::Done)
}

fn describe(document: &TraceDocument) -> anyhow::Result<String> {
    let mut out = String::new();
    write!(
        out,
        "{} of {}: {}",
        document.transaction_id,
        document.merchant_id,
        output::name_of(&document.status)
    )?;
    if let (Some(amount), Some(currency)) = (&document.amount, &document.currency) {
        write!(out, ", {amount} {currency}")?;
    }
    writeln!(out)?;
    for file in &document.files {
        writeln!(
            out,
            "file      {} of {}, upload {}, {}",
            file.file.as_deref().unwrap_or("no file name"),
            file.client_id.as_deref().unwrap_or("unknown"),
            file.upload_id,
            output::name_of(&file.state)
        )?;
        if let Some(received_at) = file.received_at {
            writeln!(out, "  arrived {received_at}")?;
        }
        if let Some(sha256) = &file.sha256 {
            writeln!(out, "  SHA-256 {sha256}")?;
        }
    }
    for event in &document.events {
        describe_event(&mut out, event)?;
    }
    for finding in &document.findings {
        describe_finding(&mut out, "finding", finding)?;
        describe_alert(&mut out, finding)?;
    }
    for finding in &document.shadow_findings {
        describe_finding(&mut out, "shadow", finding)?;
        writeln!(out, "  of rules that are only tried: no one is told")?;
    }
    let state = &document.state;
    writeln!(
        out,
        "state     revision {}, facts revision {}, links of chargebacks {}, written by {}",
        state.revision, state.facts_revision, state.links, state.writer
    )?;
    if document.history_truncated {
        writeln!(
            out,
            "note      the item keeps its first events only: later ones were searched for in the log"
        )?;
    }
    for note in &document.notes {
        writeln!(out, "note      {note}")?;
    }
    if !document.scanned {
        writeln!(
            out,
            "note      duplicates change no transaction and are not shown: --scan searches the log for them"
        )?;
    }
    writeln!(
        out,
        "as of event {}, {}",
        state.as_of.sequence, state.as_of.time
    )?;
    Ok(out)
}

fn describe_event(out: &mut String, event: &EventDocument) -> std::fmt::Result {
    let entry = &event.entry;
    write!(
        out,
        "event     {} in bucket {}, {}: {} {}",
        entry.position.sequence, entry.position.bucket, entry.time, entry.kind, entry.id
    )?;
    if let Some(class) = &entry.class {
        write!(out, ", {class}")?;
    }
    writeln!(out)?;
    if let (Some(row), Some(line)) = (event.row, event.line) {
        write!(out, "  row {row}, line {line}")?;
        if !event.codes.is_empty() {
            write!(out, ", {}", event.codes.join(", "))?;
        }
        writeln!(out)?;
    }
    if let Some(revision) = event.revision {
        writeln!(out, "  made revision {revision}")?;
    }
    Ok(())
}

fn describe_finding(out: &mut String, label: &str, finding: &FindingDocument) -> std::fmt::Result {
    writeln!(
        out,
        "{label:<10}{}: {}, score {}, on facts revision {}",
        finding.id,
        output::name_of(&finding.severity),
        finding.score,
        finding.facts_revision
    )?;
    let rules = &finding.rule_set;
    write!(out, "  rules {}", rules.version)?;
    if let Some(sha256) = &rules.sha256 {
        write!(out, ", SHA-256 {sha256}")?;
    }
    if let (Some(by), Some(position)) = (&rules.activated_by, &rules.position) {
        let how = match label {
            "shadow" => "tried",
            _ => "activated",
        };
        write!(out, ", {how} by {by} as event {}", position.sequence)?;
    }
    writeln!(out)?;
    for hit in &finding.hits {
        writeln!(
            out,
            "  {}: {} ({}, strength {})",
            hit.rule,
            hit.words,
            output::name_of(&hit.severity),
            hit.strength
        )?;
    }
    Ok(())
}

fn describe_alert(out: &mut String, finding: &FindingDocument) -> std::fmt::Result {
    let Some(alert) = &finding.alert else {
        return writeln!(out, "  no alert is recorded");
    };
    write!(
        out,
        "  alert recorded {}, {}",
        alert.recorded_at,
        output::delivery(&alert.delivery)
    )?;
    if let (Some(at), Some(message)) = (alert.handed_at, &alert.message_id) {
        write!(out, " {at} as {message}")?;
    }
    if let Some(count) = alert.digest_findings {
        write!(out, " of {count} findings")?;
    }
    writeln!(out)
}

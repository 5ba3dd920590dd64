//! What the demo ends with: a page that a person reads from top to bottom.

use crate::command::alerts::Table;
use crate::command::process::{FileReport, ProcessReport};
use crate::output;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use txp_domain::redact::redact;
use txp_domain::violation::Code;
use txp_local::alerts::AlertDocument;

/// The gravest alerts are shown; all are counted.
const ALERTS_SHOWN_MAX: usize = 5;

/// The most frequent reasons are shown; `txp uploads` shows all.
const REASONS_SHOWN_MAX: usize = 8;

/// The page; alerts of events up to `seen` are not of this run.
pub(super) fn describe(
    report: &ProcessReport,
    dir: &Path,
    file: &Path,
    seen: u64,
) -> anyhow::Result<String> {
    let mut out = String::new();
    writeln!(out)?;
    for file in &report.files {
        describe_file(file, &mut out)?;
    }
    let (found, by_rule) = look_at_alerts(dir, seen)?;
    describe_alerts(report, &found, &by_rule, &mut out)?;
    writeln!(
        out,
        "\n{:.2} s from the request for a link until all was recorded, judged and published:\n{} rows/s, {} MiB of memory at most",
        report.seconds,
        output::grouped(report.rows_per_second),
        report.peak_rss_bytes >> 20
    )?;
    writeln!(
        out,
        "the data lies in {}\nof a card number it holds the last four digits and a keyed fingerprint",
        dir.display()
    )?;
    writeln!(out, "\ntry next:")?;
    for command in next_commands(report, &found, dir, file) {
        writeln!(out, "  {command}")?;
    }
    Ok(out)
}

fn describe_file(file: &FileReport, out: &mut String) -> std::fmt::Result {
    let sent = format!(
        "{} was sent over HTTP, validated, recorded and judged",
        redact(&file.file)
    );
    match &file.error {
        None => writeln!(out, "{sent}\n")?,
        Some(error) => writeln!(out, "{} failed: {error}\n", redact(&file.file))?,
    }
    writeln!(out, "{:>12}  rows read", output::grouped(file.rows))?;
    writeln!(out, "{:>12}  accepted", output::grouped(file.accepted))?;
    writeln!(out, "{:>12}  rejected", output::grouped(file.rejected))?;
    let mut reasons: Vec<_> = file.rejected_by_code.iter().collect();
    reasons.sort_by_key(|(_, count)| Reverse(**count));
    for (code, count) in reasons.iter().take(REASONS_SHOWN_MAX) {
        let words = Code::from_name(code).map_or("", Code::message);
        writeln!(out, "{:>20}  {words} ({code})", output::grouped(**count))?;
    }
    if reasons.len() > REASONS_SHOWN_MAX {
        let more = reasons.len() - REASONS_SHOWN_MAX;
        let reasons = if more == 1 { "reason" } else { "reasons" };
        writeln!(
            out,
            "{:>20}  and {more} more {reasons}: `txp uploads` below shows all",
            ""
        )?;
    }
    writeln!(
        out,
        "{:>12}  duplicates: sent before with the same content",
        output::grouped(file.duplicates)
    )?;
    writeln!(
        out,
        "{:>12}  conflicts: sent before with other content; the first stands",
        output::grouped(file.conflicts)
    )?;
    if let Some(rejects) = &file.rejects {
        writeln!(out, "\nthe rejected rows, to fix and send again: {rejects}")?;
    }
    Ok(())
}

/// The gravest alerts behind an event, of equals the first; and how many each rule caused.
fn look_at_alerts(
    dir: &Path,
    seen: u64,
) -> anyhow::Result<(Vec<AlertDocument>, BTreeMap<String, u64>)> {
    let mut gravest: Vec<AlertDocument> = Vec::new();
    let mut by_rule = BTreeMap::new();
    let mut table = Table::open(dir)?;
    while let Some(entry) = table.next_entry()? {
        let sequence = entry.record.position.sequence.as_u64();
        if sequence.is_some_and(|sequence| sequence <= seen) {
            break;
        }
        let alert = AlertDocument::from(&entry);
        *by_rule.entry(alert.rule.clone()).or_default() += 1;
        let graver =
            |other: &AlertDocument| (other.severity, other.score) > (alert.severity, alert.score);
        gravest.insert(gravest.partition_point(graver), alert);
        gravest.truncate(ALERTS_SHOWN_MAX);
    }
    Ok((gravest, by_rule))
}

fn describe_alerts(
    report: &ProcessReport,
    found: &[AlertDocument],
    by_rule: &BTreeMap<String, u64>,
    out: &mut String,
) -> std::fmt::Result {
    let findings = output::grouped(report.findings);
    let noun = if report.findings == 1 {
        "finding"
    } else {
        "findings"
    };
    let told = match (report.findings, report.alerts) {
        (0, _) => ": no rule hit anything".to_owned(),
        (1, 1) => " of the rules, alerted".to_owned(),
        (findings, alerts) if findings == alerts => {
            " of the rules, all of them alerted (a storm as one digest)".to_owned()
        }
        (_, alerts) => format!(
            " of the rules, {} of them alerted (a storm as one digest)",
            output::grouped(alerts)
        ),
    };
    writeln!(out, "\n{findings:>12}  {noun}{told}")?;
    for (rule, count) in by_rule {
        writeln!(out, "{:>20}  {rule}", output::grouped(*count))?;
    }
    for alert in found {
        writeln!(
            out,
            "\n  {} {} of {}, {}\n    {}: {}",
            alert.severity.name(),
            alert.transaction_id,
            alert.merchant_id,
            alert.money,
            alert.rule,
            alert.words
        )?;
    }
    Ok(())
}

/// Commands that work as they stand here.
fn next_commands(
    report: &ProcessReport,
    found: &[AlertDocument],
    dir: &Path,
    file: &Path,
) -> [String; 3] {
    let txp = std::env::args_os().next().unwrap_or_else(|| "txp".into());
    let txp = quoted(&txp.to_string_lossy());
    let at = format!("--data-dir {}", quoted(&dir.to_string_lossy()));
    let first = match found.first() {
        Some(alert) => format!(
            "{txp} status {} --merchant {} {at}    # why it was flagged, and its history",
            alert.transaction_id, alert.merchant_id
        ),
        None => format!("{txp} alerts {at}    # what the rules find, once they do"),
    };
    let again = match report.files.iter().any(|file| file.error.is_some()) {
        true => "the same file again, once it is mended",
        false => "the same file again: nothing but duplicates",
    };
    let upload_id = report
        .files
        .iter()
        .find_map(|file| file.upload_id.as_deref());
    let second = format!("{txp} uploads {} {at}", upload_id.unwrap_or_default());
    let third = format!("{txp} process {} {at}", quoted(&file.to_string_lossy()));
    [
        first,
        format!("{second}    # what became of the file"),
        format!("{third}    # {again}"),
    ]
}

/// As a shell takes it.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

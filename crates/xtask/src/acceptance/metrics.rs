//! A backtest of the real stream: its metrics are those that the data's own script finds in the same
//! scores, and active rules find again exactly what is recorded.

use super::Problems;
use super::host::{Host, count};
use super::table::{Record, read};
use crate::ci::python;
use crate::process::program;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::Path;

/// What the sample has days enough for: no training, every day measured.
const DAYS: [&str; 8] = [
    "--train-start",
    "2018-07-25",
    "--train-days",
    "0",
    "--delay-days",
    "0",
    "--test-days",
    "3",
];

/// Two ways of adding the same up.
const TOLERANCE: f64 = 1e-9;

/// Orders of ties are drawn by each in its own way.
const TOLERANCE_OF_TIES: f64 = 0.005;

pub(super) fn beside_the_script(
    data: &Path,
    host: &mut Host,
    problems: &mut Problems,
) -> Result<()> {
    let fraud = data.join("fraud");
    let (sales, labels) = (fraud.join("sample.csv"), fraud.join("sample_labels.csv"));
    let merged = merged(&sales, &fraud.join("sample_chargebacks.csv"), host)?;
    let merged = host.input("merged.csv", &merged)?;
    host.process(&merged, &[], problems)?;
    let recorded = host.events("anomaly.flagged")? as u64;
    let shown = host.run(&["rules", "show"])?.stdout;
    let rules = host.input("rules.json", &shown)?;
    let scores = rules.with_file_name("scores.csv");
    let (rules, scores, labels) = (text(&rules)?, text(&scores)?, text(&labels)?);
    let mut arguments = vec![
        "backtest", "--rules", rules, "--scores", scores, "--labels", labels,
    ];
    arguments.extend(DAYS);
    arguments.extend(["--parity", "--json"]);
    let report = host.run(&arguments)?.json()?;
    problems.equal("findings", count(&report, "findings"), recorded);
    for (what, expected) in [("new", 0), ("lost", 0), ("kept", recorded)] {
        problems.equal(what, count(&report, what), expected);
    }
    let differences = report.pointer("/parity/differences");
    problems.equal("differences", differences.and_then(Value::as_u64), Some(0));

    let script = of_script(&fraud, scores, labels, text(&sales)?)?;
    for (ours, theirs, tolerance) in [
        ("roc_auc", "auc_roc", TOLERANCE),
        ("average_precision", "ap", TOLERANCE),
        ("card_precision_100", "cp_mean", TOLERANCE_OF_TIES),
    ] {
        let found = report
            .pointer(&format!("/metrics/{ours}"))
            .and_then(Value::as_f64);
        let expected = script.get(theirs).and_then(Value::as_f64);
        if !is_near(found, expected, tolerance) {
            problems.add(format!("{ours}: {found:?}, metrics.py says {expected:?}"));
        }
    }
    Ok(())
}

#[expect(clippy::float_arithmetic, reason = "two metrics are compared")]
fn is_near(found: Option<f64>, expected: Option<f64>, tolerance: f64) -> bool {
    let both = found.zip(expected);
    both.is_some_and(|(found, expected)| (found - expected).abs() <= tolerance)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no UTF-8")
}

fn of_script(fraud: &Path, scores: &str, labels: &str, sales: &str) -> Result<Value> {
    let mut command = program(&python::interpreter(python::METRICS)?)?;
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg(fraud.join("metrics.py"));
    command
        .args([scores, labels, "--transactions", sales])
        .args(DAYS);
    let output = command.output().context("cannot run metrics.py")?;
    if !output.status.success() {
        bail!(
            "metrics.py failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Sales and chargebacks as they came: by time, at the same second chargebacks first, then by id.
fn merged(sales: &Path, chargebacks: &Path, host: &mut Host) -> Result<String> {
    const COLUMNS: [&str; 9] = [
        "transaction_id",
        "timestamp",
        "amount",
        "currency",
        "card_number",
        "merchant_id",
        "terminal_id",
        "type",
        "original_transaction_id",
    ];
    let value = |row: &Record, column: &str| row.get(column).cloned().unwrap_or_default();
    let mut rows = read(sales)?;
    rows.extend(read(chargebacks)?);
    rows.sort_by_cached_key(|row| {
        let is_sale = value(row, "type") != "chargeback";
        let id = value(row, "transaction_id");
        (value(row, "timestamp"), is_sale, id.len(), id)
    });
    let cards: Vec<String> = rows.iter().map(|row| value(row, "card_number")).collect();
    host.plant(cards.iter().map(String::as_str));
    let mut text = COLUMNS.join(",");
    for row in &rows {
        text.push('\n');
        text.push_str(&COLUMNS.map(|column| value(row, column)).join(","));
    }
    text.push('\n');
    Ok(text)
}

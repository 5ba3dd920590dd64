//! `txp rules`: the rules that judge, whether a rule file can, and which do from here on.

mod change;
mod log;

use super::{Ending, Globals, Refusal};
use crate::output;
use anyhow::Context as _;
use clap::Subcommand;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use txp_local::host::HostError;
use txp_local::snapshot::Snapshot;
use txp_pipeline::rulefile::{
    CheckedRules, RULE_FILE_BYTES_MAX, RuleEntry, RuleFileError, default_rules, parse,
};

/// Arguments of `txp rules`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Say what is wrong with a rule file, and what it does not judge
    Check {
        /// The rule file; without it the rules that judge in the data directory
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Print a rule file as it is understood, defaults filled in
    Show {
        /// The rule file; without it the rules that judge in the data directory, or the default
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Let the rules of a file judge from here on
    Activate(change::ActivateArgs),
    /// Let the rules judge again that judged before the last activation
    Rollback(change::RollbackArgs),
    /// Try other rules beside those that judge: what they find is recorded and alerts no one
    Shadow(change::ShadowArgs),
    /// Show which rules judged or were tried, from which event on, and who wanted it
    Log(log::Args),
}

/// Checks, shows or changes.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    match &args.what {
        What::Activate(args) => change::activate(globals, args),
        What::Rollback(args) => change::rollback(globals, args),
        What::Shadow(args) => change::shadow(globals, args),
        What::Log(args) => log::run(globals, args),
        What::Check { file } => check(globals, file.as_deref()),
        What::Show { file } => {
            let checked = match read(globals, file.as_deref())? {
                Ok(checked) => checked,
                Err(fault) => return Err(Refusal::problem(redacted(&fault))),
            };
            let mut text = checked.file.to_json();
            if !text.ends_with('\n') {
                text.push('\n');
            }
            output::text(&text)?;
            Ok(Ending::Done)
        }
    }
}

#[derive(Serialize)]
struct Report {
    /// Where the rules come from.
    rules_from: String,
    sound: bool,
    faults: Vec<String>,
    version: Option<String>,
    sha256: Option<String>,
    rules: Vec<RuleReport>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct RuleReport {
    id: String,
    kind: String,
    /// The currencies that it judges; empty where it judges any.
    currencies: Vec<String>,
}

fn check(globals: &Globals, file: Option<&Path>) -> anyhow::Result<Ending> {
    let rules_from = match file {
        Some(path) => output::path(path),
        None => format!(
            "the rules that judge in {}",
            output::path(&globals.data_dir)
        ),
    };
    let report = match read(globals, file)? {
        Ok(checked) => sound(rules_from, &checked)?,
        Err(fault) => Report {
            rules_from,
            sound: false,
            faults: match &fault {
                RuleFileError::Faults(faults) => faults.iter().map(redacted).collect(),
                other => vec![redacted(other)],
            },
            version: None,
            sha256: None,
            rules: Vec::new(),
            notes: Vec::new(),
        },
    };
    if globals.json {
        output::json(&report)?;
    } else {
        output::text(&describe(&report)?)?;
    }
    Ok(Ending::of(report.sound))
}

fn redacted(text: &impl ToString) -> String {
    txp_domain::redact::redact(&text.to_string()).into_owned()
}

/// The rules of a file, or those that judge in the data directory, or the default ones where
/// nothing has judged yet.
fn read(
    globals: &Globals,
    file: Option<&Path>,
) -> anyhow::Result<Result<CheckedRules, RuleFileError>> {
    let Some(path) = file else {
        let active = match Snapshot::open(&globals.data_dir) {
            Ok(snapshot) => snapshot.rules,
            Err(HostError::Format(txp_local::format::FormatError::Missing { .. })) => None,
            Err(error) => return Err(error.into()),
        };
        return Ok(match active {
            Some(active) => parse(active.to_string().as_bytes()),
            None => default_rules(),
        });
    };
    read_file(path)
}

fn read_file(path: &Path) -> anyhow::Result<Result<CheckedRules, RuleFileError>> {
    let mut bytes = Vec::new();
    // One byte over the limit is enough to be refused as too long.
    let most = RULE_FILE_BYTES_MAX as u64 + 1;
    File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .with_context(|| format!("reading the rule file {}", output::path(path)))?;
    Ok(parse(&bytes))
}

/// The rules of a file, for who needs sound ones.
pub(super) fn sound_file(path: &Path) -> anyhow::Result<CheckedRules> {
    read_file(path)?.map_err(|fault| {
        let file = output::path(path);
        Refusal::problem(format!("{file}: {}", redacted(&fault)))
    })
}

fn sound(rules_from: String, checked: &CheckedRules) -> anyhow::Result<Report> {
    let rules: Vec<_> = checked
        .file
        .rules
        .iter()
        .map(rule)
        .collect::<anyhow::Result<_>>()?;
    let by_currency = rules.iter().filter(|rule| !rule.currencies.is_empty());
    let notes = by_currency
        .map(|rule| {
            format!(
                "{} judges {} currencies; sales in any other are not judged by it: {}",
                rule.id,
                rule.currencies.len(),
                rule.currencies.join(" ")
            )
        })
        .collect();
    Ok(Report {
        rules_from,
        sound: true,
        faults: Vec::new(),
        version: Some(checked.file.version.clone()),
        sha256: Some(checked.sha256_hex()),
        rules,
        notes,
    })
}

fn rule(entry: &RuleEntry) -> anyhow::Result<RuleReport> {
    let value = serde_json::to_value(entry)?;
    let text = |key: &str| {
        let text = value.get(key).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let thresholds = value.as_object().into_iter().flatten();
    // What is given per currency is an object whose keys are currency codes.
    let is_code = |key: &String| key.len() == 3 && key.bytes().all(|b| b.is_ascii_uppercase());
    let currencies = thresholds
        .filter_map(|(_, value)| value.as_object())
        .flat_map(|object| object.keys().filter(|key| is_code(key)).cloned())
        .collect();
    Ok(RuleReport {
        id: text("id"),
        kind: text("kind"),
        currencies,
    })
}

fn describe(report: &Report) -> anyhow::Result<String> {
    let mut out = String::new();
    if !report.sound {
        writeln!(
            out,
            "{}: {} fault(s)",
            report.rules_from,
            report.faults.len()
        )?;
        for fault in &report.faults {
            writeln!(out, "  {fault}")?;
        }
        return Ok(out);
    }
    writeln!(
        out,
        "{}: sound, version {}",
        report.rules_from,
        report.version.as_deref().unwrap_or_default()
    )?;
    writeln!(
        out,
        "  sha256 {}",
        report.sha256.as_deref().unwrap_or_default()
    )?;
    for rule in &report.rules {
        writeln!(out, "  {:<28}{}", rule.id, rule.kind)?;
    }
    for note in &report.notes {
        writeln!(out, "note: {note}")?;
    }
    Ok(out)
}

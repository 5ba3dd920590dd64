//! `txp alerts suppress`: of which merchant and rule nobody is told for a while, on this host or in a
//! deployment. Findings are recorded all the same. A running serve notices, and so do the functions.

mod store;

use crate::command::{Ending, Globals, Refusal};
use crate::output;
use clap::Subcommand;
use std::fmt::Write as _;
use store::Store;
use txp_domain::alert::Suppression;
use txp_domain::id::is_identifier;
use txp_domain::time::Timestamp;

/// The longest name and reason.
const TEXT_CHARS_MAX: usize = 500;

/// Arguments of `txp alerts suppress`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    of: Of,
    /// Until when, RFC 3339
    #[arg(long, value_name = "TIME", required = true, value_parser = time)]
    until: Option<Timestamp>,
    /// By whose word
    #[arg(long, value_name = "WHO", required = true)]
    by: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT", required = true)]
    reason: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Of {
    /// The merchant; every one if not given
    #[arg(long, value_name = "MERCHANT_ID")]
    merchant: Option<String>,
    /// The rule of the leading hit; every one if not given
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
}

/// Where suppressions are.
#[derive(Debug, clap::Args)]
struct At {
    /// In the deployment of this environment on AWS instead
    #[arg(long, value_name = "ENV")]
    env: Option<String>,
    /// The table of alerts, if it is called otherwise
    #[arg(long, value_name = "TABLE", requires = "env")]
    alerts_table: Option<String>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List suppressions, those that have ended too
    List {
        #[command(flatten)]
        at: At,
    },
    /// End one now
    Remove {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        of: Of,
    },
}

fn time(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::parse(text.as_bytes()).ok_or("write a time such as 2026-12-01T08:00:00Z")
}

/// Suppresses, lists or ends.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    match &args.what {
        None => add(globals, args),
        Some(What::List { at }) => list(globals, at),
        Some(What::Remove { at, of }) => remove(globals, at, of),
    }
}

fn check(of: &Of) -> anyhow::Result<()> {
    if of.merchant.is_none() && of.rule.is_none() {
        return Err(Refusal::wrong_use(
            "name --merchant, --rule, or both: to be told nothing at all, stop the sink",
        ));
    }
    let names = of.merchant.iter().chain(&of.rule);
    match names.into_iter().all(|name| is_identifier(name.as_bytes())) {
        true => Ok(()),
        false => Err(Refusal::wrong_use(
            "a merchant and a rule are named by letters, digits and _ - . : only",
        )),
    }
}

fn add(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    check(&args.of)?;
    let now = txp_local::now();
    let (Some(until), Some(by), Some(reason)) = (args.until, &args.by, &args.reason) else {
        return Err(Refusal::wrong_use("name --until, --by and --reason"));
    };
    if until <= now {
        return Err(Refusal::wrong_use(
            "--until has passed: nothing would be suppressed",
        ));
    }
    let shown = |text: &str| txp_pipeline::rejects::show(text.trim(), TEXT_CHARS_MAX);
    let new = Suppression {
        merchant_id: args.of.merchant.clone(),
        rule: args.of.rule.clone(),
        since: now,
        until,
        by: shown(by),
        reason: shown(reason),
    };
    if new.by.is_empty() || new.reason.is_empty() {
        return Err(Refusal::wrong_use("--by and --reason must say something"));
    }
    Store::to_change(globals, &args.at, now)?.add(&new, now)?;
    if globals.json {
        output::json(&new)?;
    } else {
        output::text(&format!("suppressed: {}\n", describe(&new)))?;
    }
    Ok(Ending::Done)
}

fn remove(globals: &Globals, at: &At, of: &Of) -> anyhow::Result<Ending> {
    check(of)?;
    let now = txp_local::now();
    let store = Store::to_change(globals, at, now)?;
    let ended = store.end(of.merchant.as_deref(), of.rule.as_deref(), now)?;
    if ended == 0 {
        return Err(Refusal::problem(
            "there is no suppression of this merchant and rule that has not ended: `txp alerts suppress list`",
        ));
    }
    if globals.json {
        output::json(&serde_json::json!({ "ended": ended }))?;
    } else {
        output::text("ended: it alerts again\n")?;
    }
    Ok(Ending::Done)
}

fn list(globals: &Globals, at: &At) -> anyhow::Result<Ending> {
    let now = txp_local::now();
    let all = Store::to_read(globals, at)?.list()?;
    if globals.json {
        let entries = all.iter().map(|known| {
            let mut entry = serde_json::to_value(known)?;
            if let Some(object) = entry.as_object_mut() {
                object.insert("active".to_owned(), (known.until > now).into());
            }
            Ok::<_, serde_json::Error>(entry)
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        output::json(&serde_json::json!({ "suppressions": entries }))?;
        return Ok(Ending::Done);
    }
    let mut out = String::new();
    for known in &all {
        let state = if known.until > now { "active" } else { "ended" };
        writeln!(out, "{state}  {}", describe(known))?;
    }
    if all.is_empty() {
        writeln!(out, "nothing is suppressed")?;
    }
    output::text(&out)?;
    Ok(Ending::Done)
}

fn describe(known: &Suppression) -> String {
    let rule = known.rule.as_deref().unwrap_or("every rule");
    let merchant = known.merchant_id.as_deref().unwrap_or("every merchant");
    format!(
        "{rule} at {merchant}, {} to {}, by {}: {}",
        known.since, known.until, known.by, known.reason
    )
}

//! `txp plan`: how long so many rows take on AWS, what limits them and what they cost; modelled.

use super::{Ending, Globals, Refusal};
use crate::output;
use anyhow::Context as _;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::PathBuf;
use txp_pipeline::plan::{Ask, CONSTANTS, Constant, Plan, Prices, StreamMode, Warm, plan};

/// More rows than this no deployment has met.
const ROWS_MAX: u64 = 1_000_000_000_000;

/// Arguments of `txp plan`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rows in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=ROWS_MAX))]
    rows: u64,
    /// In how many files of one size; one function reads a file
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=ROWS_MAX))]
    files: u64,
    /// Within which time they are to be completed: seconds, as in 300 or 300s
    #[arg(long, value_name = "SECONDS", default_value = "300s", value_parser = seconds)]
    sla: u64,
    /// Compute the settings with which a new deployment is in time
    #[arg(long, conflicts_with_all = ["shards", "write_units", "unreserved"])]
    warm: bool,
    /// Provisioned shards, the setting stream_shards
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    shards: Option<u64>,
    /// Write units a second that the table takes at once, the setting warm_write_units
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    write_units: Option<u64>,
    /// Functions take what the account has, the setting reserved_concurrency false
    #[arg(long)]
    unreserved: bool,
    /// Prices of another region or date, in the form in which --json prints them
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
}

/// The plan, and all that went into it.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    prices: &'a Prices,
    constants: &'a [Constant],
}

fn seconds(text: &str) -> Result<u64, String> {
    let digits = text.strip_suffix('s').unwrap_or(text);
    match digits.parse() {
        Ok(seconds) if seconds > 0 => Ok(seconds),
        _ => Err("write seconds, as in --sla 300s".to_owned()),
    }
}

/// Computes and prints it.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    let prices = match &args.prices {
        None => Prices::default(),
        Some(path) => {
            let shown = output::path(path);
            let bytes = std::fs::read(path).with_context(|| format!("reading {shown}"))?;
            Prices::parse(&bytes)
                .map_err(|error| Refusal::wrong_use(format!("{shown}: {error}")))?
        }
    };
    let is_given = args.shards.is_some() || args.write_units.is_some() || args.unreserved;
    let warm = match (args.warm, is_given) {
        (true, _) => Warm::Fit,
        (false, true) => Warm::Given {
            shards: args.shards,
            write_units: args.write_units,
            unreserved: args.unreserved,
        },
        (false, false) => Warm::Cold,
    };
    let ask = Ask {
        rows: args.rows,
        files: args.files,
        sla_seconds: args.sla,
        warm,
    };
    let plan = plan(&ask, &prices);
    if globals.json {
        output::json(&Document {
            plan: &plan,
            prices: &prices,
            constants: CONSTANTS,
        })?;
    } else {
        output::text(&describe(&plan, &prices)?)?;
    }
    Ok(Ending::of(plan.is_met))
}

fn describe(plan: &Plan, prices: &Prices) -> anyhow::Result<String> {
    let mut out = String::new();
    describe_capacity(plan, &mut out)?;
    describe_costs(plan, prices, &mut out)?;
    if !plan.settings.is_empty() {
        writeln!(out, "\nsettings:")?;
    }
    for (key, value) in &plan.settings {
        writeln!(out, "  pulumi config set {key} {value}")?;
    }
    for note in &plan.notes {
        writeln!(out, "note: {note}")?;
    }
    Ok(out)
}

fn describe_capacity(plan: &Plan, out: &mut String) -> anyhow::Result<()> {
    let number = output::grouped;
    writeln!(
        out,
        "modelled: {} rows in {} {} are completed in {} s, {} the {} s asked for",
        number(plan.rows),
        number(plan.files),
        if plan.files == 1 { "file" } else { "files" },
        number(plan.seconds),
        if plan.is_met { "within" } else { "later than" },
        number(plan.sla_seconds)
    )?;
    let capacity = &plan.capacity;
    let stream = match capacity.stream_mode {
        StreamMode::OnDemand => "on demand",
        StreamMode::Provisioned => "provisioned",
    };
    writeln!(
        out,
        "it waits for: {}\n\n  stream       {} shards, {stream}\n  table        {} write units/s\n  executions   {} of validation, {} of aggregator\n",
        plan.bottleneck,
        number(capacity.shards),
        number(capacity.write_units),
        number(capacity.validations),
        number(capacity.aggregators)
    )?;
    writeln!(
        out,
        "  {:<20}{:>14}{:>10}  limited by",
        "stage", "rows/s", "seconds"
    )?;
    for stage in &plan.stages {
        let aside = if stage.is_waited_for {
            ""
        } else {
            " (not waited for)"
        };
        writeln!(
            out,
            "  {:<20}{:>14}{:>10}  {}{aside}",
            stage.stage,
            number(stage.rows_per_second),
            number(stage.seconds),
            stage.limit
        )?;
    }
    Ok(())
}

fn describe_costs(plan: &Plan, prices: &Prices, out: &mut String) -> anyhow::Result<()> {
    let number = output::grouped;
    writeln!(
        out,
        "\n  {:<10}{:<38}{:>18} {:<14}{:>12}",
        "service", "for", "quantity", "", "USD"
    )?;
    for line in &plan.costs {
        writeln!(
            out,
            "  {:<10}{:<38}{:>18} {:<14}{:>12}",
            line.service,
            line.what,
            number(line.quantity),
            line.unit,
            line.usd.to_string()
        )?;
    }
    writeln!(
        out,
        "  {:<81}{:>12}\n  list prices of {} as of {}: --prices FILE replaces them",
        "together",
        plan.usd.to_string(),
        prices.region,
        prices.as_of
    )?;
    Ok(())
}

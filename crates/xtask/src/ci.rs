//! `cargo xtask ci`: every check and test of the workspace.
//!
//! A failed stage does not stop the others, so that one run tells all. Nothing is skipped: what a
//! stage needs and does not find is a failure that says how to get it. Everything is compiled once:
//! the stages build the same things with the same features, and the compiler lints on the way.

mod api;
mod aws;
mod browser;
mod cloud;
mod compile;
mod footprint;
mod libtest;
mod metrics;
pub(crate) mod node;
mod pulumi;
pub(crate) mod python;
mod stage;
mod tools;

use crate::output::say;
use crate::tally::Tally;
use crate::{schema, tidy};
use anyhow::{Result, bail};
use stage::{Outcome, Stage};

/// A phase begins when the one before it has ended; the lanes of a phase run beside each other, the
/// stages of a lane one after the other. The first lane is shown as it goes.
///
/// So what waits for the network or for an emulator's clock waits beside what computes.
const PHASES: [&[&[Stage]]; 2] = [
    &[
        &[
            Stage::new("format", "cargo fmt --check", compile::format),
            Stage::new("tidy", "the rules of the house", tidy::run),
            Stage::new("build", "libraries, binaries, tests", compile::build),
            Stage::new("lint", "clippy, warnings are errors", compile::lint),
            Stage::new("schema", "schemas/ matches the Rust types", schema::check),
        ],
        &[Stage::new(
            "tools",
            "pinned environments of Python and Node",
            tools::run,
        )],
    ],
    &[
        &[
            Stage::new(
                "test",
                "unit, property, golden, simulation, kill loop, emulator, doc tests",
                compile::test,
            ),
            Stage::new(
                "api",
                "the API, exports and views against others' tools; the load script",
                api::run,
            ),
            Stage::new(
                "metrics",
                "the metrics of a backtest beside scikit-learn's",
                metrics::run,
            ),
            Stage::new(
                "browser",
                "the page of `txp serve` in headless Chromium",
                browser::run,
            ),
            Stage::new(
                "aws",
                "the history's format against others' libraries",
                aws::run,
            ),
            Stage::new(
                "footprint",
                "the packed functions: size, start, memory; packed twice",
                footprint::run,
            ),
            Stage::new(
                "pulumi",
                "the deployment's rules, and the deployment on an emulator",
                pulumi::run,
            ),
        ],
        &[Stage::new(
            "cloud",
            "the deployed functions on an emulator against the embedded host",
            cloud::run,
        )],
    ],
];

fn stages() -> impl Iterator<Item = &'static Stage> {
    PHASES.into_iter().flatten().copied().flatten()
}

pub(crate) fn list() -> Result<Tally> {
    for stage in stages() {
        say(&format!("{:<9} {}", stage.name, stage.about));
    }
    Ok(Tally::default())
}

/// All stages in their phases; or only the ones named, one after the other.
pub(crate) fn run(only: &[String]) -> Result<Tally> {
    stage::begin()?;
    let mut results = Vec::new();
    if only.is_empty() {
        for lanes in PHASES {
            stage::phase(lanes, &mut results)?;
        }
    } else {
        for name in only {
            find(name)?;
        }
        for stage in stages().filter(|stage| only.iter().any(|name| name == stage.name)) {
            results.push(stage.here()?);
        }
    }
    Ok(summary(&results))
}

/// One stage in this process, its outcome left where the process that asked looks for it.
pub(crate) fn run_stage(name: &str) -> Result<Tally> {
    find(name)?.run_and_leave_outcome()
}

fn find(name: &str) -> Result<&'static Stage> {
    let Some(stage) = stages().find(|stage| stage.name == name) else {
        bail!("no stage is called {name}: see `cargo xtask ci --list`");
    };
    Ok(stage)
}

fn summary(results: &[Outcome]) -> Tally {
    let mut total = Tally::default();
    say(&format!(
        "\n{:<9} {:>8} {:>8} {:>8} {:>8}",
        "stage", "seconds", "CPU s", "passed", "failed"
    ));
    for outcome in results {
        let cpu = match outcome.cpu_seconds {
            Some(seconds) => seconds.to_string(),
            None => "-".to_owned(),
        };
        say(&format!(
            "{:<9} {:>8} {cpu:>8} {:>8} {:>8}",
            outcome.name, outcome.seconds, outcome.tally.passed, outcome.tally.failed
        ));
        total += outcome.tally;
    }
    say(&total.to_string());
    total
}

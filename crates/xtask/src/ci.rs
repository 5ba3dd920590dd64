//! `cargo xtask ci`: every check and test of the workspace, one stage after the other.
//!
//! A failed stage does not stop the next one, so that one run tells all. Nothing is skipped: what
//! a stage needs and does not find is a failure that says how to get it.

mod api;
mod aws;
mod cloud;
mod libtest;
mod node;
mod pulumi;
mod python;

use crate::output::say;
use crate::process::{FEATURES, LINTED_FEATURES, PROFILE, cargo, succeeds, tee};
use crate::tally::Tally;
use crate::{output, schema, tidy};
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// The variable by which tests that start the emulator find its Python.
const EMULATOR: &str = "TXP_MINISTACK";

/// The variable by which tests find the modules of Node, with the stream that can be resharded.
const RESHARDING: &str = "TXP_KINESALITE";

struct Stage {
    name: &'static str,
    about: &'static str,
    run: fn() -> Result<Tally>,
}

/// In this order: what is quick first; build before what needs the binaries.
const STAGES: [Stage; 10] = [
    Stage {
        name: "format",
        about: "cargo fmt --check",
        run: format,
    },
    Stage {
        name: "tidy",
        about: "the rules of the house",
        run: tidy::run,
    },
    Stage {
        name: "build",
        about: "libraries, binaries, tests",
        run: build,
    },
    Stage {
        name: "lint",
        about: "clippy, warnings are errors",
        run: lint,
    },
    Stage {
        name: "schema",
        about: "schemas/ matches the Rust types",
        run: schema_check,
    },
    Stage {
        name: "test",
        about: "unit, property, golden, simulation, kill loop, emulator, doc tests",
        run: test,
    },
    Stage {
        name: "api",
        about: "schemathesis and the load script against `txp serve`",
        run: api::run,
    },
    Stage {
        name: "aws",
        about: "the history's format against others' libraries",
        run: aws::run,
    },
    Stage {
        name: "cloud",
        about: "the functions on an emulator against the embedded host",
        run: cloud::run,
    },
    Stage {
        name: "pulumi",
        about: "the deployment's rules, and the deployment on an emulator",
        run: pulumi::run,
    },
];

pub(crate) fn list() -> Result<Tally> {
    for stage in &STAGES {
        say(&format!("{:<8} {}", stage.name, stage.about));
    }
    Ok(Tally::default())
}

pub(crate) fn run(only: &[String]) -> Result<Tally> {
    if let Some(unknown) = only
        .iter()
        .find(|name| STAGES.iter().all(|stage| stage.name != **name))
    {
        bail!("no stage is called {unknown}: see `cargo xtask ci --list`");
    }
    let mut results = Vec::new();
    for stage in STAGES
        .iter()
        .filter(|stage| only.is_empty() || only.iter().any(|name| name == stage.name))
    {
        say(&format!("== {}: {}", stage.name, stage.about));
        let start = Instant::now();
        let tally = (stage.run)().unwrap_or_else(|error| {
            output::complain(&format!("{}: {error:#}", stage.name));
            Tally::of(false)
        });
        results.push((stage.name, start.elapsed(), tally));
    }
    Ok(summary(&results))
}

fn summary(results: &[(&str, Duration, Tally)]) -> Tally {
    let mut total = Tally::default();
    say(&format!(
        "\n{:<8} {:>8} {:>8} {:>8}",
        "stage", "seconds", "passed", "failed"
    ));
    for (name, elapsed, tally) in results {
        let (seconds, tenths) = (elapsed.as_secs(), elapsed.subsec_millis() / 100);
        say(&format!(
            "{name:<8} {seconds:>6}.{tenths} {:>8} {:>8}",
            tally.passed, tally.failed
        ));
        total += *tally;
    }
    say(&total.to_string());
    total
}

fn format() -> Result<Tally> {
    Ok(Tally::of(succeeds(&mut cargo(&[
        "fmt", "--all", "--check",
    ])?)?))
}

/// One build with the features that the test stage has too, so that it recompiles nothing.
fn build() -> Result<Tally> {
    let arguments = [
        "build",
        "--workspace",
        "--lib",
        "--bins",
        "--tests",
        "--examples",
        "--features",
        FEATURES,
        "--profile",
        PROFILE,
    ];
    Ok(Tally::of(succeeds(&mut cargo(&arguments)?)?))
}

fn lint() -> Result<Tally> {
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--features",
        LINTED_FEATURES,
        "--profile",
        PROFILE,
        "--",
        "-D",
        "warnings",
    ];
    Ok(Tally::of(succeeds(&mut cargo(&arguments)?)?))
}

fn schema_check() -> Result<Tally> {
    schema::run(true)
}

fn test() -> Result<Tally> {
    let arguments = [
        "test",
        "--workspace",
        "--features",
        FEATURES,
        "--profile",
        PROFILE,
        "--no-fail-fast",
    ];
    let mut command = cargo(&arguments)?;
    command.env(EMULATOR, python::interpreter(python::EMULATOR)?);
    command.env(RESHARDING, node::modules()?);
    let (success, output) = tee(&mut command)?;
    Ok(libtest::tally(&output).with_exit(success))
}

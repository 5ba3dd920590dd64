//! What goes to AWS, held to what others wrote: the format of the history to their libraries, the
//! stores to an emulator.

use super::{libtest, node, python};
use crate::process::{PROFILE, cargo, program, target, tee};
use crate::tally::Tally;
use anyhow::{Context, Result, bail};

/// The feature without which the emulator's tests do not exist, so that no other command skips them.
pub(super) const FEATURE: &str = "txp-aws/emulator,txp-lambda/emulator";

/// The test targets, each of which starts the emulator by itself.
const TESTS: [&str; 2] = ["dynamodb", "validation"];

/// The variable by which the tests find the emulator's Python.
const PYTHON_VARIABLE: &str = "TXP_MINISTACK";

pub(super) fn run() -> Result<Tally> {
    let mut tally = interoperability()?;
    tally += emulator()?;
    Ok(tally)
}

/// Aggregated Kinesis records against the libraries of Python and Node.
fn interoperability() -> Result<Tally> {
    let aggregates = target()?.join(PROFILE).join("examples/aggregates");
    if !aggregates.is_file() {
        bail!(
            "{} is missing: run `cargo xtask ci --only build`",
            aggregates.display()
        );
    }
    let python = python::interpreter(python::API)?;
    let work = target()?.join("kinesis-interop");
    let mut command = program(python)?;
    command
        .arg("tests/python/kinesis_interop.py")
        .arg(aggregates)
        .arg(work)
        .env("NODE_PATH", node::modules()?);
    let (success, output) = tee(&mut command)?;
    let tally =
        Tally::last_in(&output).context("tests/python/kinesis_interop.py told no result")?;
    Ok(tally.with_exit(success))
}

/// The ports' conformance suite on the emulator's DynamoDB.
fn emulator() -> Result<Tally> {
    let python = python::interpreter(python::EMULATOR)?;
    let mut command = cargo(&[
        "test",
        "--workspace",
        "--profile",
        PROFILE,
        "--features",
        FEATURE,
        "--no-fail-fast",
    ])?;
    for test in TESTS {
        command.args(["--test", test]);
    }
    command.env(PYTHON_VARIABLE, python);
    let (success, output) = tee(&mut command)?;
    Ok(libtest::tally(&output).with_exit(success))
}

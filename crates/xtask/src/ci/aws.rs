//! The AWS adapters held to the ports' conformance suite, against an emulator.

use super::{libtest, python};
use crate::process::{PROFILE, cargo, tee};
use crate::tally::Tally;
use anyhow::Result;

/// The feature without which the tests do not exist, so that no other command skips them.
pub(super) const FEATURE: &str = "txp-aws/emulator";

/// The test targets, each of which starts the emulator by itself.
const TESTS: [&str; 1] = ["dynamodb"];

/// The variable by which the tests find the emulator's Python.
const PYTHON_VARIABLE: &str = "TXP_MINISTACK";

pub(super) fn run() -> Result<Tally> {
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

//! The deployment: its types and lint, its rules over what it asks for, and what is there after it
//! was deployed on an emulator, with the packed functions.

use super::python;
use crate::package;
use crate::process::{PROFILE, built, program, root, target, tee};
use crate::tally::Tally;
use anyhow::{Context, Result};

/// The variable by which the tests find a second emulator and the AWS command line.
const SECOND: &str = "TXP_SECOND";

pub(super) fn run() -> Result<Tally> {
    let tables = built("examples/tables")?;
    let packed = package::run(&package::Options::of_profile(PROFILE))?;
    let python = python::interpreter(python::PULUMI)?;
    let mut command = program(python)?;
    command
        .args(["-m", "tests.run", "--tables"])
        .arg(tables)
        .arg("--lambda-dir")
        .arg(target()?.join("lambda"))
        .current_dir(root()?.join("pulumi"))
        .env(SECOND, python::interpreter(python::SECOND)?)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let (success, output) = tee(&mut command)?;
    let tally = Tally::last_in(&output).context("pulumi/tests/run.py told no result")?;
    let mut total = packed;
    total += tally.with_exit(success);
    Ok(total)
}

//! The deployment: its types and lint, its rules over what it asks for, and what is there after it
//! was deployed on an emulator, with the packed functions.

use super::python;
use crate::process::{PROFILE, program, root, target, tee};
use crate::tally::Tally;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

/// What the deployment and its tests are run with.
const REQUIREMENTS: &str = "pulumi/requirements-test.txt";

pub(super) fn run() -> Result<Tally> {
    let tables = needed(
        target()?.join(PROFILE).join("examples/tables"),
        "cargo xtask ci --only build",
    )?;
    let functions = needed(target()?.join("lambda"), "cargo xtask package")?;
    let python = python::interpreter(REQUIREMENTS)?;
    let mut command = program(python)?;
    command
        .args(["-m", "tests.run", "--tables"])
        .arg(tables)
        .arg("--lambda-dir")
        .arg(functions)
        .current_dir(root()?.join("pulumi"));
    let (success, output) = tee(&mut command)?;
    let tally = Tally::last_in(&output).context("pulumi/tests/run.py told no result")?;
    Ok(tally.with_exit(success))
}

fn needed(path: PathBuf, command: &str) -> Result<PathBuf> {
    if !path.exists() {
        bail!("{} is missing: run `{command}`", path.display());
    }
    Ok(path)
}

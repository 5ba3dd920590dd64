//! The whole on an emulator of AWS: the packed functions deployed by the Pulumi program, driven,
//! disturbed, and the result held to the embedded host's.

use super::python;
use crate::package;
use crate::process::{PROFILE, built, program, root, target, tee, txp};
use crate::tally::Tally;
use anyhow::{Context, Result};

pub(super) fn run() -> Result<Tally> {
    let mut total = package::run(&package::Options::of_profile(PROFILE))?;
    let mut command = program(python::interpreter(python::PULUMI)?)?;
    command
        .args(["-m", "cloud"])
        .arg(txp()?)
        .arg(built("txp-aws")?)
        .arg(target()?.join("lambda"))
        .arg(python::interpreter(python::FAULTS)?)
        .arg(python::interpreter(python::SECOND)?)
        .arg(target()?.join("cloud"))
        // Where the program is that is deployed, and what deploys it.
        .current_dir(root()?.join("pulumi"))
        .env("PYTHONPATH", root()?.join("tests/python"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let (success, output) = tee(&mut command)?;
    let tally = Tally::last_in(&output).context("tests/python/cloud told no result")?;
    total += tally.with_exit(success);
    Ok(total)
}

//! The whole on an emulator of AWS: the packed functions deployed, driven, disturbed, and the result
//! held to the embedded host's.

use super::python;
use crate::package;
use crate::process::{PROFILE, program, target, tee, txp};
use crate::tally::Tally;
use anyhow::{Context, Result, bail};

pub(super) fn run() -> Result<Tally> {
    let txp = txp()?;
    let tables = target()?.join(PROFILE).join("examples/tables");
    if !tables.is_file() {
        bail!(
            "{} is missing: run `cargo xtask ci --only build`",
            tables.display()
        );
    }
    let packed = package::run(&package::Options::of_profile(PROFILE))?;
    let emulator = python::interpreter(python::EMULATOR)?;
    let faults = python::interpreter(python::FAULTS)?;
    let mut command = program(emulator)?;
    command
        .args(["-m", "cloud"])
        .arg(txp)
        .arg(tables)
        .arg(target()?.join("lambda"))
        .arg(faults)
        .arg(target()?.join("cloud"))
        .env("PYTHONPATH", "tests/python")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let (success, output) = tee(&mut command)?;
    let tally = Tally::last_in(&output).context("tests/python/cloud told no result")?;
    let mut total = packed;
    total += tally.with_exit(success);
    Ok(total)
}

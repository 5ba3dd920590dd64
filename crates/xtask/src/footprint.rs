//! `cargo xtask footprint`: size, start and memory of the functions that `cargo xtask package` made.

use crate::process::{program, target, tee};
use crate::tally::Tally;
use anyhow::{Context, Result};

pub(crate) fn run(runs: u32) -> Result<Tally> {
    let mut command = program("python3")?;
    command
        .arg("tests/python/footprint.py")
        .arg(target()?.join("lambda"))
        .args(["--runs", &runs.to_string()]);
    let told = tee(&mut command).context("needs Python 3.11 or newer as `python3` on PATH")?;
    let (success, output) = told;
    let tally = Tally::last_in(&output).context("tests/python/footprint.py told no result")?;
    Ok(tally.with_exit(success))
}

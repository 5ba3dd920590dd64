//! The metrics of `txp backtest` on generated sales, held to scikit-learn's.

use super::python;
use crate::process::{program, target, tee, txp};
use crate::tally::Tally;
use anyhow::{Context, Result};

pub(super) fn run() -> Result<Tally> {
    let script = "tests/python/metrics.py";
    let mut command = program(&python::interpreter(python::METRICS)?)?;
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
        .arg(script)
        .arg(txp()?)
        .arg(target()?.join("metrics"));
    let (success, output) = tee(&mut command)?;
    let tally = Tally::last_in(&output).with_context(|| format!("{script} told no result"))?;
    Ok(tally.with_exit(success))
}

//! The API held to its own OpenAPI description by schemathesis, over HTTP.

use super::python;
use crate::process::{program, target, tee, txp};
use crate::tally::Tally;
use anyhow::{Context, Result};

pub(super) fn run() -> Result<Tally> {
    let txp = txp()?;
    let python = python::interpreter(python::API)?;
    let work = target()?.join("api");
    let mut command = program(python)?;
    command.arg("tests/python/api.py").arg(txp).arg(work);
    let (success, output) = tee(&mut command)?;
    let tally = Tally::last_in(&output).context("tests/python/api.py told no result")?;
    Ok(tally.with_exit(success))
}

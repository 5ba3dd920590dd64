//! What goes to AWS, held to what others wrote: the format of the history to their libraries. The
//! tests against an emulator are Rust and belong to the stage `test`.

use super::{node, python};
use crate::process::{built, program, target, tee};
use crate::tally::Tally;
use anyhow::{Context, Result};

/// Aggregated Kinesis records against the libraries of Python and Node.
pub(super) fn run() -> Result<Tally> {
    let aggregates = built("examples/aggregates")?;
    let python = python::interpreter(python::API)?;
    let work = target()?.join("kinesis-interop");
    let mut command = program(python)?;
    command
        .arg("tests/python/kinesis_interop.py")
        .arg(aggregates)
        .arg(work)
        .env("NODE_PATH", node::modules(node::INTEROP)?);
    let (success, output) = tee(&mut command)?;
    let tally =
        Tally::last_in(&output).context("tests/python/kinesis_interop.py told no result")?;
    Ok(tally.with_exit(success))
}

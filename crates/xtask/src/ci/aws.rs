//! What goes to AWS, held to libraries that others wrote.

use super::{node, python};
use crate::process::{PROFILE, program, target, tee};
use crate::tally::Tally;
use anyhow::{Context, Result, bail};

pub(super) fn run() -> Result<Tally> {
    let aggregates = target()?.join(PROFILE).join("examples/aggregates");
    if !aggregates.is_file() {
        bail!(
            "{} is missing: run `cargo xtask ci --only build`",
            aggregates.display()
        );
    }
    let python = python::interpreter()?;
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

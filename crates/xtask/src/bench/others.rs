//! What is measured with tools that others wrote.

use crate::ci::{node, python};
use crate::process::{program, succeeds, tee};
use crate::tally::Tally;
use anyhow::{Context, Result};
use std::path::Path;

/// Rows of the history that is exported: what Python takes some seconds for.
const EXPORTED_ROWS: &str = "300000";

/// Events to parquet, beside a reader in Python that makes the same columns.
pub(super) fn exporting(txp: &Path, folder: &Path) -> Result<Tally> {
    let mut command = program(python::interpreter(python::ANALYSTS)?)?;
    command.arg("tests/python/export_speed.py").arg(txp);
    command.arg(folder.join("export")).arg(EXPORTED_ROWS);
    Ok(Tally::of(succeeds(&mut command)?))
}

/// `txp serve` while many files are sent and transactions are asked for.
pub(super) fn serving(txp: &Path, folder: &Path) -> Result<Tally> {
    let script = format!("{}/serve.js", node::LOAD);
    let modules = node::modules(node::LOAD)?;
    let mut command = program("node")?;
    command.arg(&script).arg(txp);
    command.arg(python::interpreter(python::API)?);
    command.arg(folder.join("load"));
    command.env("NODE_PATH", modules);
    let (success, output) = tee(&mut command)?;
    let tally = Tally::last_in(&output).with_context(|| format!("{script} told no result"))?;
    Ok(tally.with_exit(success))
}

//! What people look at, in headless Chromium: the page of `txp serve` and reports. Pictures of every
//! view are left under `target/browser/`.

use super::node;
use crate::process::{program, target, tee, txp};
use crate::tally::Tally;
use anyhow::{Context, Result};

pub(super) fn run() -> Result<Tally> {
    let txp = txp()?;
    let modules = node::modules(node::BROWSER)?;
    let script = format!("{}/run.js", node::BROWSER);
    let mut command = program("node")?;
    command
        .arg(&script)
        .arg(txp)
        .arg(target()?.join("browser"))
        .env("NODE_PATH", modules);
    let (success, output) = tee(&mut command)?;
    let tally = Tally::last_in(&output).with_context(|| format!("{script} told no result"))?;
    Ok(tally.with_exit(success))
}

//! `txp operator-token`: what the page of `txp serve` asks for before it shows data.
//!
//! Works on a fresh directory and beside a running serve, which notices a new one.

use super::{Ending, Globals};
use crate::output;
use txp_local::control::OperatorToken;

/// Arguments of `txp operator-token`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Make a new one; the one before is refused from now on
    #[arg(long)]
    rotate: bool,
}

/// Prints it.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    let now = txp_local::now();
    let token = match args.rotate {
        true => OperatorToken::rotate(&globals.data_dir, now)?,
        false => OperatorToken::open(&globals.data_dir, now)?,
    };
    let shown = token.show()?;
    if globals.json {
        output::json(&serde_json::json!({ "operator_token": shown }))?;
    } else {
        output::text(&format!("{shown}\n"))?;
    }
    Ok(Ending::Done)
}

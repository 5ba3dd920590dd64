//! `txp redrive`: what was put aside by mistake, tried again: listed, previewed, run with a cap.

mod quarantine;
mod rows;

use super::{Ending, Globals, Refusal};
use txp_local::redrive::RedriveError;

/// Arguments of `txp redrive`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Events that could not be read: folded at their places once this txp can read them
    Quarantine(quarantine::Args),
    /// Rows that were rejected by mistake: read again from their file, as rows of a new upload
    Rows(rows::Args),
}

/// What is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Step {
    /// Say what was put aside
    List,
    /// Say what a run would do; nothing is changed
    Preview,
    /// Try again
    Run,
}

/// Does it.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    match &args.what {
        What::Quarantine(args) => quarantine::run(globals, args),
        What::Rows(args) => rows::run(globals, args),
    }
}

/// What was found instead of something to try is a problem, told as such.
fn told(error: RedriveError) -> anyhow::Error {
    match error {
        RedriveError::Host(error) => error.into(),
        RedriveError::Rows(error) if error.is_failure() => error.into(),
        error => Refusal::problem(error.to_string()),
    }
}

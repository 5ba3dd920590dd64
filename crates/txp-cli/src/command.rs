//! One module per command, and how every command ends.

pub(crate) mod generate;
pub(crate) mod process;

use crate::cli::{Cli, Command};
use crate::output;
use std::process::ExitCode;

/// How a command ends, if it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Done.
    Done,
    /// Done, and the work found a problem.
    Problem,
    /// Some of the work failed, and what it was is printed.
    Failed,
}

/// Exit codes: scripts depend on them.
const DONE: u8 = 0;
const PROBLEM: u8 = 1;
const FAILED: u8 = 3;

/// Runs a command and says how it ended.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let globals = Globals {
        data_dir: cli.data_dir,
        json: cli.json,
    };
    let ended = match cli.command {
        Command::Process(args) => process::run(&globals, &args),
        Command::Generate(args) => generate::run(&globals, &args),
    };
    match ended {
        Ok(Ending::Done) => ExitCode::from(DONE),
        Ok(Ending::Problem) => ExitCode::from(PROBLEM),
        Ok(Ending::Failed) => ExitCode::from(FAILED),
        Err(error) => {
            output::error(&error);
            ExitCode::from(FAILED)
        }
    }
}

/// What every command is told.
#[derive(Debug)]
pub(crate) struct Globals {
    /// The data directory.
    pub(crate) data_dir: std::path::PathBuf,
    /// Whether to print one JSON document.
    pub(crate) json: bool,
}

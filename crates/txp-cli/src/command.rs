//! One module per command, and how every command ends.

pub(crate) mod alerts;
pub(crate) mod clients;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod generate;
pub(crate) mod process;
pub(crate) mod rules;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod uploads;

mod source;

use crate::cli::{Cli, Command, DEFAULT_DATA_DIR};
use crate::output;
use std::fmt;
use std::process::ExitCode;

/// How a command ends, if it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Done.
    Done,
    /// Done, and the work found a problem.
    Problem,
    /// Asked for in a way that cannot be.
    WrongUse,
    /// Some of the work failed, and what it was is printed.
    Failed,
}

/// The exit code of wrong use.
pub(crate) const WRONG_USE: u8 = 2;

impl Ending {
    /// Exit codes: scripts depend on them.
    const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Problem => 1,
            Self::WrongUse => WRONG_USE,
            Self::Failed => 3,
        }
    }
}

/// What a command has to say instead of an answer, and how it ends with it.
#[derive(Debug)]
pub(crate) struct Refusal {
    ending: Ending,
    message: String,
}

impl Refusal {
    /// The work found a problem: what was asked for is not there, or not one thing.
    pub(crate) fn problem(message: impl Into<String>) -> anyhow::Error {
        Self::error(Ending::Problem, message)
    }

    /// It was asked for in a way that cannot be.
    pub(crate) fn wrong_use(message: impl Into<String>) -> anyhow::Error {
        Self::error(Ending::WrongUse, message)
    }

    fn error(ending: Ending, message: impl Into<String>) -> anyhow::Error {
        let message = message.into();
        Self { ending, message }.into()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

/// Runs a command and says how it ended.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let globals = Globals {
        is_dir_given: cli.data_dir.is_some(),
        data_dir: cli.data_dir.unwrap_or_else(|| DEFAULT_DATA_DIR.into()),
        json: cli.json,
    };
    let ended = match cli.command {
        Command::Process(args) => process::run(&globals, &args),
        Command::Status(args) => status::run(&globals, &args),
        Command::Uploads(args) => uploads::run(&globals, &args),
        Command::Alerts(args) => alerts::run(&globals, &args),
        Command::Events(args) => events::run(&globals, &args),
        Command::Rules(args) => rules::run(&globals, &args),
        Command::Clients(args) => clients::run(&globals, &args),
        Command::Serve(args) => serve::run(&globals, &args),
        Command::Demo(args) => demo::run(&globals, &args),
        Command::Generate(args) => generate::run(&globals, &args),
        Command::Doctor => doctor::run(&globals),
    };
    ExitCode::from(ended.unwrap_or_else(|error| fail(&error, &globals)).code())
}

/// Says why there is no answer; nobody left to tell is no failure.
fn fail(error: &anyhow::Error, globals: &Globals) -> Ending {
    if output::is_closed(error) {
        return Ending::Done;
    }
    output::error(error);
    if globals.json {
        // Standard error has said it; a closed standard output changes nothing.
        output::json(&serde_json::json!({ "error": output::chain(error) })).ok();
    }
    error
        .downcast_ref::<Refusal>()
        .map_or(Ending::Failed, |refusal| refusal.ending)
}

/// What every command is told.
#[derive(Debug)]
pub(crate) struct Globals {
    /// The data directory.
    pub(crate) data_dir: std::path::PathBuf,
    /// Whether it was named, on the command line or in the environment.
    pub(crate) is_dir_given: bool,
    /// Whether to print one JSON document.
    pub(crate) json: bool,
}

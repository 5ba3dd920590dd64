//! One module per command, and how every command ends.

pub(crate) mod alerts;
pub(crate) mod backtest;
pub(crate) mod clients;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod generate;
pub(crate) mod operator_token;
pub(crate) mod plan;
pub(crate) mod process;
pub(crate) mod receipt;
pub(crate) mod redrive;
pub(crate) mod replay;
pub(crate) mod rules;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod trace;
pub(crate) mod transactions;
pub(crate) mod uploads;
pub(crate) mod verify;
pub(crate) mod webhooks;

mod source;

use crate::cli::{Cli, Command, DEFAULT_DATA_DIR};
use crate::output;
use std::ffi::OsString;
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
    /// A signal ended it; the exit code by which a shell knows that.
    Interrupted(u8),
}

/// The exit code of wrong use.
pub(crate) const WRONG_USE: u8 = 2;

impl Ending {
    /// Of work that is done.
    pub(crate) const fn of(is_well: bool) -> Self {
        match is_well {
            true => Self::Done,
            false => Self::Problem,
        }
    }

    /// Exit codes: scripts depend on them.
    const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Problem => 1,
            Self::WrongUse => WRONG_USE,
            Self::Failed => 3,
            Self::Interrupted(code) => code,
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

    /// A signal ended it.
    pub(crate) fn interrupted(code: u8, message: impl Into<String>) -> anyhow::Error {
        Self::error(Ending::Interrupted(code), message)
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
        Command::Trace(args) => trace::run(&globals, &args),
        Command::Uploads(args) => uploads::run(&globals, &args),
        Command::Alerts(args) => alerts::run(&globals, &args),
        Command::Events(args) => events::run(&globals, &args),
        Command::Backtest(args) => backtest::run(&globals, &args),
        Command::Replay(args) => replay::run(&globals, &args),
        Command::Verify(args) => verify::run(&globals, &args),
        Command::Transactions(args) => transactions::run(&globals, &args),
        Command::Rules(args) => rules::run(&globals, &args),
        Command::Clients(args) => clients::run(&globals, &args),
        Command::Serve(args) => serve::run(&globals, &args),
        Command::OperatorToken(args) => operator_token::run(&globals, &args),
        Command::Demo(args) => demo::run(&globals, &args),
        Command::Generate(args) => generate::run(&globals, &args),
        Command::Plan(args) => plan::run(&globals, &args),
        Command::Webhooks(args) => webhooks::run(&globals, &args),
        Command::Receipt(args) => receipt::run(&globals, &args),
        Command::Redrive(args) => redrive::run(&globals, &args),
        Command::Doctor(args) => doctor::run(&globals, &args),
    };
    ExitCode::from(ended.unwrap_or_else(|error| fail(&error, &globals)).code())
}

/// Says why a command line makes no sense, or prints the help that it asks for. What is said may
/// hold what was given: no long number comes through.
pub(crate) fn refuse(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    let shown = output::misuse(&text);
    if shown == text.trim_end() {
        // Nobody left to tell is no failure; in colour, where there is someone.
        error.print().ok();
    } else {
        output::note(shown.trim_end());
    }
    if error.use_stderr() && asks_for_json(std::env::args_os()) {
        output::json_refusal(&in_one_line(&shown));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Ending::WrongUse.code()))
}

/// Whether `--json` stands in a command line that cannot be understood otherwise.
fn asks_for_json(mut args: impl Iterator<Item = OsString>) -> bool {
    args.by_ref()
        .take_while(|arg| arg != "--")
        .any(|arg| arg == "--json")
}

/// The first paragraph: usage and what `--help` shows are for people.
fn in_one_line(text: &str) -> String {
    let words = text.trim_start_matches("error: ");
    let first = words.split("\n\n").next().unwrap_or_default();
    first.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Says why there is no answer; nobody left to tell is no failure.
fn fail(error: &anyhow::Error, globals: &Globals) -> Ending {
    if output::is_closed(error) {
        return Ending::Done;
    }
    output::error(error);
    if globals.json {
        output::json_refusal(&output::chain(error));
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

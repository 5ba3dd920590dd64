//! `txp`: the transaction processor's command line.

mod cli;
mod command;
mod export;
mod interrupt;
mod output;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::Cli::try_parse() {
        Ok(cli) => command::run(cli),
        Err(error) => command::refuse(&error),
    }
}

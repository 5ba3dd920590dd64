//! `txp`: the transaction processor's command line.

mod cli;
mod command;
mod interrupt;
mod output;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    command::run(cli)
}

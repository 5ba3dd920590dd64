//! What can be asked of `txp`: one variant per command, its arguments beside its code.

use crate::command;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

const ABOUT: &str = "An event-sourced processor of card-transaction files: every row is validated, \
recorded in a durable history, folded into the state of its transaction and judged by rules.";

const EXIT_CODES: &str = "Exit codes: 0 done (rejected rows are no failure), 1 the work found a \
problem, 2 wrong use, 3 failed. With --json a refusal is {\"error\": \"...\"} on standard output.";

/// The data directory of whoever names none.
pub(crate) const DEFAULT_DATA_DIR: &str = "./txp-data";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "txp", version, propagate_version = true, about = ABOUT, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// The data directory [default: ./txp-data]
    #[arg(long, global = true, env = "TXP_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print one JSON document on standard output and nothing else
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read files into the data directory
    Process(command::process::Args),
    /// Show a transaction, its flags and its history
    Status(command::status::Args),
    /// Show all that is known of a transaction: file, line, events, rules, findings, alerts
    Trace(command::trace::Args),
    /// Show uploads and what became of their rows, newest first
    Uploads(command::uploads::Args),
    /// Show what the rules found and who was told
    Alerts(command::alerts::Args),
    /// Print the history, one event a line or as a table
    Events(command::events::Args),
    /// Judge recorded history by other rules and compare what they find
    Backtest(command::backtest::Args),
    /// Fold a history again, into a directory or a table of its own
    Replay(command::replay::Args),
    /// Compare a state with its history, item by item
    Verify(command::verify::Args),
    /// Print the folded state as a table, now or as it was
    Transactions(command::transactions::Args),
    /// Say who may send files over HTTP
    Clients(command::clients::Args),
    /// Serve the HTTP API and a page for people over the data directory
    Serve(command::serve::Args),
    /// Print what the page of serve asks for before it shows data
    OperatorToken(command::operator_token::Args),
    /// Run the whole pipeline over HTTP on a generated or given file
    Demo(command::demo::Args),
    /// Look at the rules that judge transactions, and change them
    Rules(command::rules::Args),
    /// Write a seeded file of transactions, and what is to be expected of it
    Generate(command::generate::Args),
    /// Say where uploads' ends and alerts are told over https
    Webhooks(command::webhooks::Args),
    /// Check a receipt that was handed out, and print the key to check with
    Receipt(command::receipt::Args),
    /// Try again what was put aside by mistake: quarantine, rejected rows
    Redrive(command::redrive::Args),
    /// Say how long so many rows take on AWS, what limits them and what they cost (modelled)
    Plan(command::plan::Args),
    /// Look at the data directory, or at a deployment on AWS, and say what needs care
    Doctor(command::doctor::Args),
}

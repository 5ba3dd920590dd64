//! What can be asked of `txp`: one variant per command, its arguments beside its code.

use crate::command;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// An event-sourced processor of card-transaction files.
#[derive(Debug, Parser)]
#[command(name = "txp", version, propagate_version = true)]
pub(crate) struct Cli {
    /// The data directory
    #[arg(
        long,
        global = true,
        env = "TXP_DATA_DIR",
        default_value = "./txp-data",
        value_name = "DIR"
    )]
    pub(crate) data_dir: PathBuf,
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
    /// Write a seeded file of transactions, and what is to be expected of it
    Generate(command::generate::Args),
}

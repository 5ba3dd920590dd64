//! The project's own tasks: `cargo xtask ci`, `tidy`, `schema`, `acceptance`, `bench`, `soak`,
//! `package`, `footprint`.
//!
//! One file per command. Nothing of the product is linked in, so that a product that does not
//! build can still be checked; it is run as a user runs it.

mod acceptance;
mod bench;
mod ci;
mod footprint;
mod output;
mod package;
mod process;
mod schema;
mod soak;
mod tally;
mod tidy;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use tally::Tally;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own tasks")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every check and test of the workspace
    Ci {
        /// Run only this stage (see --list); may be given more than once
        #[arg(long, value_name = "STAGE")]
        only: Vec<String>,
        /// List the stages and stop
        #[arg(long)]
        list: bool,
        /// Run this stage in this process, for the process that runs them all
        #[arg(long, value_name = "STAGE", hide = true)]
        stage: Option<String>,
    },
    /// Check the rules of the house that the compiler does not know
    Tidy,
    /// Write schemas/ from the Rust types
    Schema {
        /// Change nothing; fail if a file differs
        #[arg(long)]
        check: bool,
    },
    /// Check the product on the shared data sets
    Acceptance {
        /// The folder with csv-torture/, fraud/ and vectors/
        dir: PathBuf,
        /// Run only the checks whose name contains this
        #[arg(long, default_value = "")]
        only: String,
    },
    /// Measure reading and the whole process, then run the criterion benches
    Bench {
        /// Rows of the generated file
        #[arg(long, default_value_t = 1_000_000)]
        rows: u64,
        /// Runs of the whole process
        #[arg(long, default_value_t = 3)]
        runs: u32,
        /// Leave the criterion benches out
        #[arg(long)]
        whole_only: bool,
    },
    /// Build the functions and pack each as Lambda takes it: target/lambda/NAME/bootstrap.zip
    Package(package::Options),
    /// Measure the packed functions: size, time to the first request for an event, memory
    Footprint {
        /// How often each is started
        #[arg(long, default_value_t = 20)]
        runs: u32,
    },
    /// Run the simulation and the kill loop for long
    Soak {
        /// Seeds of the simulation
        #[arg(long, default_value_t = 100_000)]
        seeds: u64,
        /// The first seed
        #[arg(long, default_value_t = 1)]
        first_seed: u64,
        /// Kills of the kill loop
        #[arg(long, default_value_t = 1_000)]
        kills: u64,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(tally) if tally.failed == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            output::complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<Tally> {
    match command {
        Command::Ci { list: true, .. } => ci::list(),
        Command::Ci {
            stage: Some(name), ..
        } => ci::run_stage(&name),
        Command::Ci { only, .. } => ci::run(&only),
        Command::Tidy => tidy::run(),
        Command::Schema { check: true } => schema::check(),
        Command::Schema { check: false } => schema::write(),
        Command::Acceptance { dir, only } => acceptance::run(&dir, &only),
        Command::Bench {
            rows,
            runs,
            whole_only,
        } => bench::run(rows, runs, whole_only),
        Command::Package(options) => package::run(&options),
        Command::Footprint { runs } => footprint::run(runs),
        Command::Soak {
            seeds,
            first_seed,
            kills,
        } => soak::run(seeds, first_seed, kills),
    }
}

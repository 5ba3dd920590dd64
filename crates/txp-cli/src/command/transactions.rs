//! `txp transactions`: the folded state as a table, one row a transaction, now or as of an arrival.
//!
//! A state that is there is read as it is: of a data directory the one at its last checkpoint, of a
//! table in DynamoDB what its items say while it is scanned. A history is folded first, into a state
//! in a temporary folder, so memory does not grow with it.

mod folded;

use super::source::{self, Source, time};
use super::{Ending, Globals, Refusal};
use crate::export::{self, Csv, Form, Format, Join, Ndjson, Place, Target};
use crate::output;
use std::path::{Path, PathBuf};
use txp_domain::time::Timestamp;
use txp_domain::transaction::Transaction;
use txp_local::snapshot::Snapshot;

/// Arguments of `txp transactions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What is folded, or the state: local:DIR, file:PATH, s3://BUCKET/PREFIX, kinesis:STREAM,
    /// s3://BUCKET/PREFIX+kinesis:STREAM or dynamodb:TABLE; the data directory if not given
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// As it was when nothing had arrived later than this (RFC 3339, a date, or Unix seconds)
    #[arg(long, value_name = "TIME", value_parser = time)]
    as_of: Option<Timestamp>,
    /// How to write them
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// Write to a file; without it to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Prints it.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    args.format.check(args.out.is_some())?;
    if globals.json && args.out.is_none() {
        return Err(Refusal::wrong_use(
            "--json goes with --out FILE and prints how many were written; --format ndjson prints a JSON object a line",
        ));
    }
    let source = Source::parse(args.source.as_deref(), &globals.data_dir)?;
    if args.as_of.is_some() && matches!(source, Source::Table(_)) {
        return Err(Refusal::wrong_use(
            "a table holds what is, not what was: --as-of folds a history, as s3://BUCKET/PREFIX",
        ));
    }
    if !matches!(source, Source::Table(_)) {
        source.check_history()?;
    }
    let mut export = Export::open(args)?;
    let unreadable = write(&source, args.as_of, &mut export)?;
    let written = export.finish()?;
    if globals.json
        && let Some(out) = &args.out
    {
        let out = out.display().to_string();
        output::json(&serde_json::json!({ "transactions": written, "out": out }))?;
    }
    Ok(Ending::of(unreadable == 0))
}

/// Writes every transaction; how many events of a history could not be read.
fn write(source: &Source, as_of: Option<Timestamp>, export: &mut Export) -> anyhow::Result<u64> {
    match source {
        Source::Local(dir) if as_of.is_none() => in_directory(dir, export).map(|()| 0),
        #[cfg(feature = "aws")]
        Source::Table(table) => {
            let scanned = source::each_transaction(table, |item| export.one(&item));
            source::runtime()?.block_on(scanned).map(|()| 0)
        }
        #[cfg(not(feature = "aws"))]
        Source::Table(table) => Err(source::without_aws(&format!("dynamodb:{table}"))),
        history => folded::write(history, as_of, export),
    }
}

fn in_directory(dir: &Path, export: &mut Export) -> anyhow::Result<()> {
    let mut snapshot = Snapshot::open(dir)?;
    let mut ended = Ok(());
    snapshot.state.for_each_transaction(|item| {
        if ended.is_ok() {
            ended = export.one(&item);
        }
    })?;
    ended
}

/// What rows are told to, and where they go.
pub(super) struct Export {
    target: Target,
    form: StateForm,
    written: u64,
}

enum StateForm {
    Csv(Csv),
    Lines(Ndjson),
    #[cfg(feature = "parquet")]
    Parquet(Box<export::Parquet>),
}

impl Export {
    fn open(args: &Args) -> anyhow::Result<Self> {
        let columns = export::transactions::COLUMNS;
        let form = match args.format {
            Format::Csv => StateForm::Csv(Csv::new(columns, false)),
            Format::Ndjson => StateForm::Lines(Ndjson::new(columns)),
            #[cfg(feature = "parquet")]
            Format::Parquet => StateForm::Parquet(Box::new(export::Parquet::new(columns)?)),
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => return Err(export::without_parquet()),
        };
        let has_pieces = args.format == Format::Parquet;
        // A state moves on: a file of it is begun anew, so no run goes on where another was cut.
        let target = Target::anew(args.out.as_deref(), has_pieces)?;
        Ok(Self {
            target,
            form,
            written: 0,
        })
    }

    /// Writes a transaction.
    pub(super) fn one(&mut self, item: &Transaction) -> anyhow::Result<()> {
        self.written += 1;
        let is_full = match &mut self.form {
            StateForm::Csv(csv) => told(item, csv),
            StateForm::Lines(lines) => told(item, lines),
            #[cfg(feature = "parquet")]
            StateForm::Parquet(parquet) => told(item, &mut **parquet),
        };
        if is_full { self.put() } else { Ok(()) }
    }

    fn put(&mut self) -> anyhow::Result<()> {
        let piece = match &mut self.form {
            StateForm::Csv(csv) => csv.piece()?,
            StateForm::Lines(lines) => lines.piece()?,
            #[cfg(feature = "parquet")]
            StateForm::Parquet(parquet) => parquet.piece()?,
        };
        self.target.put(&piece, Place::default)
    }

    /// Makes the file whole; how many transactions it holds.
    fn finish(mut self) -> anyhow::Result<u64> {
        self.put()?;
        let join: Option<Join> = match &self.form {
            StateForm::Csv(_) | StateForm::Lines(_) => None,
            #[cfg(feature = "parquet")]
            StateForm::Parquet(_) => Some(|file, pieces, out| {
                export::join_parquet(export::transactions::COLUMNS, file, pieces, out)
            }),
        };
        self.target.finish(join)?;
        Ok(self.written)
    }
}

/// Tells a transaction to a form; whether that is full.
fn told(item: &Transaction, form: &mut impl Form) -> bool {
    export::transactions::tell(item, form);
    form.is_full()
}

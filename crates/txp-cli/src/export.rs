//! Tables that are written to files: events and transactions, one row each, flat and typed.
//!
//! - [`events`], [`transactions`]: their columns, and the row of one;
//! - [`Csv`], [`Ndjson`], [`Parquet`]: the forms that a row is written in;
//! - [`Target`]: the file, and how a run that was cut goes on.
//!
//! A row is told to a form cell by cell, in the order of the columns: so each form keeps what it
//! likes of a cell, and nothing is allocated for it.

mod csv;
pub(crate) mod events;
mod ndjson;
#[cfg(feature = "parquet")]
mod parquet;
mod target;
pub(crate) mod transactions;

pub(crate) use csv::Csv;
pub(crate) use ndjson::Ndjson;
#[cfg(feature = "parquet")]
pub(crate) use parquet::{Parquet, join as join_parquet};
pub(crate) use target::{Join, Place, Target};

use crate::command::Refusal;
use clap::ValueEnum;
use std::fmt::{Display, Write as _};
use txp_domain::money::{Amount, Currency};
use txp_domain::time::Timestamp;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object a line
    Ndjson,
    /// One row a line, a header first; safe to open in a spreadsheet
    Csv,
    /// Columns of their types, packed; needs the feature `parquet`, and --out
    Parquet,
}

impl Format {
    /// The name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }

    /// Whether this txp writes it, to a file or to standard output.
    pub(crate) fn check(self, has_file: bool) -> anyhow::Result<()> {
        if self == Self::Parquet && !has_file {
            return Err(Refusal::wrong_use(
                "parquet is no text for standard output: name a file with --out FILE",
            ));
        }
        if self == Self::Parquet && !cfg!(feature = "parquet") {
            return Err(without_parquet());
        }
        Ok(())
    }
}

/// Parquet is written by a txp with the feature only.
pub(crate) fn without_parquet() -> anyhow::Error {
    Refusal::wrong_use(
        "this txp was built without the feature `parquet`, which writes it (cargo build -p txp-cli --features parquet); --format csv and ndjson are there",
    )
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name.
    pub(crate) name: &'static str,
    /// What its cells hold.
    pub(crate) kind: Kind,
}

impl Column {
    /// A column.
    pub(crate) const fn of(name: &'static str, kind: Kind) -> Self {
        Self { name, kind }
    }
}

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text of which the same comes often.
    Name,
    /// Text of its own.
    Text,
    /// A whole number.
    Integer,
    /// A moment, in UTC.
    Time,
    /// Money with its minor digits.
    Amount,
}

/// What takes rows, cell by cell in the order of the columns; [`Self::end`] behind each row.
pub(crate) trait Rows {
    /// Text.
    fn text(&mut self, text: Option<&str>);

    /// Room for a text that is being made.
    fn scratch(&mut self) -> &mut String;

    /// What is shown as text.
    fn shown(&mut self, value: Option<impl Display>) {
        let mut scratch = std::mem::take(self.scratch());
        scratch.clear();
        let is_there = value.is_some();
        if let Some(value) = value {
            // Writing to a String cannot fail.
            let _infallible = write!(scratch, "{value}");
        }
        self.text(is_there.then_some(&scratch));
        *self.scratch() = scratch;
    }

    /// A number.
    fn integer(&mut self, number: Option<u64>);

    /// A moment.
    fn time(&mut self, time: Option<Timestamp>);

    /// An amount.
    fn amount(&mut self, amount: Option<(Amount, Currency)>);

    /// The row is whole.
    fn end(&mut self);
}

/// A form of a table: takes rows, gives pieces of bytes.
pub(crate) trait Form: Rows {
    /// Whether it is time to put a piece out.
    fn is_full(&self) -> bool;

    /// What is to be put out of the rows since the last piece.
    fn piece(&mut self) -> anyhow::Result<Vec<u8>>;
}

//! The rejects report: a CSV that opens safely in a spreadsheet, and can be fixed and sent again.
//!
//! One row per rejected record: the columns that are known, in the file's order, then where the
//! record stood and why it was rejected. A merchant mends the cells, puts the card number back where
//! it says [`CARD_MASKED`], and sends the file: our own columns are ignored by the header's reader,
//! and the quote put before a formula is taken off by the domain.
//!
//! No cell shows a long number: what was rejected passed no check, so any cell may hold a card
//! number. Deliberately absent: the rejected row's unknown columns, any look at its values, and the
//! cells of a record with another number of fields: which value is which is not known of them.

mod cell;
mod read;

pub use cell::{holds_long_number, show, show_controls};
pub use read::{DamagedReport, read_rejects};

use crate::csv::{Header, Row};
use cell::{is_formula, show_into};
use std::fmt::Write as _;
use std::io::{self, Write};
use txp_domain::row::Column;
use txp_domain::violation::Violation;

/// What stands in place of a card number.
pub const CARD_MASKED: &str = "card_masked";

/// The columns that the report adds.
pub const OWN_COLUMNS: [&str; 4] = [
    "reject_line",
    "reject_record",
    "reject_codes",
    "reject_reasons",
];

/// How many characters of a cell are shown: no valid one is nearly as long, and a spreadsheet
/// takes 32,767.
const CELL_CHARS_MAX: usize = 1000;

/// Writes the report as a stream, in one reused line.
#[derive(Debug)]
pub struct RejectsWriter<W> {
    out: W,
    columns: Vec<Column>,
    line: String,
    cell: String,
}

impl<W: Write> RejectsWriter<W> {
    /// Starts the report of a file: writes its header.
    pub fn new(out: W, header: &Header) -> io::Result<Self> {
        let mut report = Self::resume(out, header);
        let names = report
            .columns
            .iter()
            .map(|column| column.name())
            .chain(OWN_COLUMNS);
        report.line = names.collect::<Vec<_>>().join(",");
        report.line.push('\n');
        report.out.write_all(report.line.as_bytes())?;
        Ok(report)
    }

    /// Goes on with a report whose header is written: what comes is put out behind it.
    #[must_use]
    pub fn resume(out: W, header: &Header) -> Self {
        let columns = header.columns().iter().map(|(column, _)| *column);
        Self {
            out,
            columns: columns.collect(),
            line: String::new(),
            cell: String::new(),
        }
    }

    /// What the report is written to.
    pub fn out(&mut self) -> &mut W {
        &mut self.out
    }

    /// Adds one record, with every reason.
    pub fn write(&mut self, row: &Row<'_>, violations: &[Violation]) -> io::Result<()> {
        self.line.clear();
        let is_shifted = row.faults.field_count.is_some();
        for column in &self.columns {
            let field = row
                .raw
                .0
                .get(column.index())
                .copied()
                .flatten()
                .unwrap_or_default();
            self.cell.clear();
            if is_shifted {
                // Left empty: a value shown in another column than its own makes another row.
            } else if *column == Column::CardNumber {
                let is_given = !field.trim_ascii().is_empty();
                self.cell.push_str(if is_given { CARD_MASKED } else { "" });
            } else {
                show_field(field, &mut self.cell);
            }
            push_quoted(&self.cell, &mut self.line);
            self.line.push(',');
        }
        // Writing to a String cannot fail.
        let _infallible = write!(self.line, "{},{},", row.place.line, row.place.record);
        self.cell.clear();
        write_codes(violations, &mut self.cell);
        push_quoted(&self.cell, &mut self.line);
        self.line.push(',');
        self.cell.clear();
        write_reasons(violations, &mut self.cell);
        push_quoted(&self.cell, &mut self.line);
        self.line.push('\n');
        self.out.write_all(self.line.as_bytes())
    }

    /// Ends the report; gives back what it was written to, flushed.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

fn show_field(field: &[u8], cell: &mut String) {
    let text = String::from_utf8_lossy(field);
    if is_formula(&text) {
        cell.push('\'');
    }
    show_into(&text, CELL_CHARS_MAX, cell);
}

fn write_codes(violations: &[Violation], cell: &mut String) {
    for (nth, violation) in violations.iter().enumerate() {
        cell.push_str(if nth == 0 { "" } else { " " });
        cell.push_str(violation.code.name());
    }
}

fn write_reasons(violations: &[Violation], cell: &mut String) {
    for (nth, violation) in violations.iter().enumerate() {
        cell.push_str(if nth == 0 { "" } else { "; " });
        if let Some(column) = violation.column {
            cell.push_str(column.name());
            cell.push_str(": ");
        }
        let _infallible = write!(cell, "{} ({})", violation.message(), violation.hint());
    }
}

/// Adds a cell of text that passed its checks, and so is shown as it is: a formula defused, control
/// characters visible, quoted as in the report.
pub fn push_cell(text: &str, line: &mut String) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'/');
    if text.bytes().all(is_plain) {
        line.push_str(text);
        return;
    }
    let shown = show_controls(text);
    if is_formula(&shown) {
        push_quoted(&format!("'{shown}"), line);
    } else {
        push_quoted(&shown, line);
    }
}

/// Adds a cell, in quotes where a reader of CSV, whatever delimiter it guesses, needs them.
fn push_quoted(cell: &str, line: &mut String) {
    let needs_quotes = |byte| matches!(byte, b',' | b';' | b'|' | b'"' | b' ' | b'\'');
    if !cell.bytes().any(needs_quotes) {
        line.push_str(cell);
        return;
    }
    line.push('"');
    for (nth, part) in cell.split('"').enumerate() {
        line.push_str(if nth == 0 { "" } else { "\"\"" });
        line.push_str(part);
    }
    line.push('"');
}

#[cfg(test)]
mod tests;

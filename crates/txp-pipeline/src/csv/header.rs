//! The header: its encoding, its delimiter, and which field of a row is which column.
//!
//! Sans-I/O: the caller brings the first [`HEADER_WINDOW_BYTES`] of the file, or all of it. The
//! delimiter is the one of [`DELIMITERS`] under which the header names the most columns that are
//! ours; no row is looked at. Every cause is reported at once, and what is echoed of a name is
//! redacted, without control characters, and short.

mod aliases;
pub(crate) mod column_name;
mod fault;

pub use aliases::{AliasFault, Aliases};
pub use fault::{HeaderFault, HeaderFaults};

use super::scan::{Checkpoint, Scanner, Step, Window};
use super::{COLUMNS_MAX, RECORD_BYTES_MAX, Record};
use crate::rejects::{OWN_COLUMNS, show};
use serde::{Deserialize, Serialize};
use txp_domain::redact::needs_redaction;
use txp_domain::row::{COLUMN_COUNT, Column, RawRow};

/// How much of a file is looked at to find its header: the mark, the longest record, a line end.
pub const HEADER_WINDOW_BYTES: usize = BYTE_ORDER_MARK.len() + RECORD_BYTES_MAX as usize + 2;

/// What may stand between fields; where two fit equally, the earlier.
pub const DELIMITERS: [u8; 4] = *b",;\t|";

/// How many unknown columns are named in a report; the others are counted.
const UNKNOWN_NAMES_MAX: usize = 20;

/// How many characters of a name are echoed.
const NAME_CHARS_MAX: usize = 64;

/// Columns of our own rejects report, which the merchant need not take out.
const OWN_PREFIX: &str = "reject_";

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What the first record says about the others. Serialised, it is a part of a reader's checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    delimiter: u8,
    width: usize,
    /// The known columns in the file's order, each with its field.
    columns: Vec<(Column, usize)>,
    unknown: Vec<String>,
    unknown_count: usize,
}

impl Header {
    /// Reads the header from the start of a file, which must be the whole file or at least
    /// [`HEADER_WINDOW_BYTES`] of it; also says where the rows begin.
    pub fn read(start: &[u8], aliases: &Aliases) -> Result<(Self, Checkpoint), HeaderFaults> {
        let is_last = start.len() < HEADER_WINDOW_BYTES;
        let start = start.get(..HEADER_WINDOW_BYTES).unwrap_or(start);
        if let Some(encoding) = other_encoding(start) {
            return Err(HeaderFault::Encoding { encoding }.into());
        }
        let mark = if start.starts_with(BYTE_ORDER_MARK) {
            BYTE_ORDER_MARK.len()
        } else {
            0
        };
        let from = Checkpoint {
            offset: mark as u64,
            ..Checkpoint::START
        };
        let bytes = start.get(mark..).unwrap_or_default();
        let window = Window {
            bytes,
            offset: from.offset,
            is_last,
        };

        let mut best: Option<(usize, usize, Scanner)> = None;
        let mut fault = None;
        for delimiter in DELIMITERS {
            let mut scanner = Scanner::new(delimiter, from);
            match scanner.step(window) {
                Step::Record(_) => {
                    let record = scanner.record(window);
                    let (known, count) = (count_known(&record, aliases), record.field_count());
                    if best
                        .as_ref()
                        .is_none_or(|(k, c, _)| (known, count) > (*k, *c))
                    {
                        best = Some((known, count, scanner));
                    }
                }
                Step::End => return Err(HeaderFault::Empty.into()),
                Step::Unclosed(unclosed) => fault = Some(HeaderFault::Unclosed(unclosed)),
                Step::TooLong(_) | Step::More => fault = fault.or(Some(HeaderFault::TooLong)),
            }
        }
        // A delimiter that breaks on a quote is the right one if no other names a column.
        let scanner = match (best, fault) {
            (None | Some((0, ..)), Some(fault)) => return Err(fault.into()),
            (None, None) => return Err(HeaderFault::Empty.into()),
            (Some((_, _, scanner)), _) => scanner,
        };
        let record = scanner.record(window);
        let header = Self::of(&record, scanner.delimiter(), aliases)
            .map_err(|faults| faults.at(record.place.line))?;
        Ok((header, scanner.checkpoint()))
    }

    fn of(record: &Record<'_>, delimiter: u8, aliases: &Aliases) -> Result<Self, HeaderFaults> {
        if memchr::memchr(0, record.bytes()).is_some() {
            return Err(HeaderFault::Nul {
                line: record.place.line,
            }
            .into());
        }
        if let Err(error) = std::str::from_utf8(record.bytes()) {
            let offset = record.place.start + error.valid_up_to() as u64;
            return Err(HeaderFault::NotUtf8 { offset }.into());
        }
        let width = record.field_count();
        if width > COLUMNS_MAX {
            return Err(HeaderFault::TooManyColumns { found: width }.into());
        }
        let names: Vec<_> = record.fields().map(clean).collect();
        let mut header = Self {
            delimiter,
            width,
            columns: Vec::with_capacity(COLUMN_COUNT),
            unknown: Vec::new(),
            unknown_count: 0,
        };
        // In our own report the columns have our names, whatever else the merchant calls so.
        let is_own = is_own_report(&names);
        let column_of = |name: &str| match Column::from_name(name) {
            Some(column) if is_own => Some(column),
            _ => aliases.column(name),
        };
        for (field, name) in names.iter().enumerate() {
            match column_of(name) {
                Some(column) => header.columns.push((column, field)),
                None if name.starts_with(OWN_PREFIX) => {}
                None if names.iter().take(field).any(|earlier| earlier == name) => {}
                None => header.note_unknown(name),
            }
        }
        let faults = header.faults(&names, aliases);
        if faults.is_empty() {
            return Ok(header);
        }
        Err(HeaderFaults::new(faults, header.unknown))
    }

    fn note_unknown(&mut self, name: &str) {
        let shown = if name.is_empty() {
            String::from("(no name)")
        } else {
            show(name, NAME_CHARS_MAX)
        };
        self.unknown_count += 1;
        if self.unknown.len() < UNKNOWN_NAMES_MAX {
            self.unknown.push(shown);
        }
    }

    fn faults(&self, names: &[String], aliases: &Aliases) -> Vec<HeaderFault> {
        let mut faults = Vec::new();
        let times = |column| {
            self.columns
                .iter()
                .filter(|(known, _)| *known == column)
                .count()
        };
        let missing = Column::REQUIRED
            .into_iter()
            .filter(|column| times(*column) == 0);
        faults.extend(missing.map(|column| HeaderFault::Missing { column }));
        if !faults.is_empty() && names.iter().any(|name| needs_redaction(name)) {
            faults.insert(0, HeaderFault::LooksLikeData);
        }
        let twice = Column::ALL.into_iter().filter(|column| times(*column) > 1);
        faults.extend(twice.map(|column| HeaderFault::Twice { column }));
        let absent = aliases
            .pairs()
            // A mended report of rejected rows, or what was made of it, has our names.
            .filter(|(theirs, ours)| times(*ours) == 0 && !names.iter().any(|name| name == theirs));
        faults.extend(absent.map(|(theirs, _)| HeaderFault::AliasAbsent {
            theirs: show(theirs, NAME_CHARS_MAX),
        }));
        faults
    }

    /// What stands between the fields.
    #[must_use]
    pub fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// How many fields a record has.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The columns that are read, in the file's order, each with the index of its field.
    #[must_use]
    pub fn columns(&self) -> &[(Column, usize)] {
        &self.columns
    }

    /// Names of columns that are dropped, fit to be shown: each once, the first few.
    #[must_use]
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// How many different columns are dropped, those not named included.
    #[must_use]
    pub fn unknown_count(&self) -> usize {
        self.unknown_count
    }

    /// The fields of a record by column.
    #[inline]
    #[must_use]
    pub fn raw_row<'r>(&self, record: &Record<'r>) -> RawRow<'r> {
        let mut row = RawRow::default();
        for (column, field) in &self.columns {
            if let Some(slot) = row.0.get_mut(column.index()) {
                *slot = record.get(*field);
            }
        }
        row
    }
}

/// A name as names are compared: without surrounding blanks, in lower case.
fn clean(name: impl AsRef<[u8]>) -> String {
    let name = String::from_utf8_lossy(name.as_ref());
    name.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
        .to_lowercase()
}

/// Whether a file is a report of rejected rows that is sent again.
fn is_own_report(names: &[String]) -> bool {
    OWN_COLUMNS
        .iter()
        .all(|own| names.iter().any(|name| name == own))
}

fn count_known(record: &Record<'_>, aliases: &Aliases) -> usize {
    let mut seen = [false; COLUMN_COUNT];
    for column in record
        .fields()
        .filter_map(|name| aliases.column(&clean(name)))
    {
        if let Some(seen) = seen.get_mut(column.index()) {
            *seen = true;
        }
    }
    seen.into_iter().filter(|seen| *seen).count()
}

/// The encoding of a file that is not UTF-8, as far as its first bytes tell: by its mark, or by
/// where the zero bytes of two plain characters stand.
fn other_encoding(start: &[u8]) -> Option<&'static str> {
    match start {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        [1..=255, 0, 0, 0, ..] | [0, 0, 0, 1..=255, ..] => Some("UTF-32"),
        [1..=255, 0, 1..=255, 0, ..] | [0, 1..=255, 0, 1..=255, ..] => Some("UTF-16"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

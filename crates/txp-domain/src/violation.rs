//! Why a row is rejected: a closed set of codes, each with its words and what to do about it.
//!
//! A violation is a small value: code, column, and a note of numbers (lengths, counts). It never
//! holds what the cell held, so that nothing a merchant wrote can leak through a message.

mod code;

pub use code::{CODE_COUNT, Code};

use crate::money::Currency;
use crate::row::Column;
use std::fmt;

/// Numbers that make a message exact; never a cell's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Note {
    /// Nothing to add.
    None,
    /// So many were found.
    Count {
        /// What the row has.
        found: u32,
    },
    /// So many were found, and this is the most or the number wanted.
    Counts {
        /// What the row has.
        found: u32,
        /// What it may or should have.
        limit: u32,
    },
    /// So many decimals were found, more than the currency has.
    Decimals {
        /// Decimals in the cell.
        found: u32,
        /// The row's currency.
        currency: Currency,
    },
}

/// One reason why a row is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Violation {
    /// What is wrong.
    pub code: Code,
    /// Where, if it is one column's fault.
    pub column: Option<Column>,
    /// Numbers to the message.
    pub note: Note,
}

impl Violation {
    /// A violation of one column, without numbers.
    #[must_use]
    pub const fn of(code: Code, column: Column) -> Self {
        Self {
            code,
            column: Some(column),
            note: Note::None,
        }
    }

    /// A violation of the whole record.
    #[must_use]
    pub const fn of_record(code: Code, note: Note) -> Self {
        Self {
            code,
            column: None,
            note,
        }
    }

    /// What is wrong, in words, numbers included.
    #[must_use]
    pub const fn message(&self) -> Message<'_> {
        Message(self)
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        self.code.hint()
    }
}

/// The words of a violation, to be written without allocation.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a>(&'a Violation);

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code.message())?;
        match self.0.note {
            Note::None => Ok(()),
            Note::Count { found } => write!(f, " ({found})"),
            Note::Counts { found, limit } => write!(f, " ({found}, not {limit})"),
            Note::Decimals { found, currency } => write!(
                f,
                " ({found} decimals, {} has {})",
                currency.code(),
                currency.minor_digits()
            ),
        }
    }
}

/// The violations of one row, reused from row to row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// No violations yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Forgets all, keeping the space.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds one.
    pub fn push(&mut self, violation: Violation) {
        self.0.push(violation);
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All, in the order found.
    #[must_use]
    pub fn as_slice(&self) -> &[Violation] {
        &self.0
    }

    /// All, in the order found.
    pub fn iter(&self) -> std::slice::Iter<'_, Violation> {
        self.0.iter()
    }

    /// Whether one has this code.
    #[must_use]
    pub fn has(&self, code: Code) -> bool {
        self.0.iter().any(|violation| violation.code == code)
    }
}

impl<'a> IntoIterator for &'a Violations {
    type Item = &'a Violation;
    type IntoIter = std::slice::Iter<'a, Violation>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

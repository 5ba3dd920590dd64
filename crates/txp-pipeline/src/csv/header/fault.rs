//! Why a file is refused at its header, in words that say what to do.

use crate::csv::{COLUMNS_MAX, RECORD_BYTES_MAX, Unclosed};
use std::fmt;
use txp_domain::row::Column;

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// There is not one record.
    #[error("the file is empty: the first row must name the columns")]
    Empty,
    /// It is written in another encoding.
    #[error("the file is {encoding}, not UTF-8: save it as \"CSV UTF-8\"")]
    Encoding {
        /// Its name.
        encoding: &'static str,
    },
    /// The header is not UTF-8.
    #[error("the header is not UTF-8 (byte {offset} of the file): save the file as \"CSV UTF-8\"")]
    NotUtf8 {
        /// Where, from 0.
        offset: u64,
    },
    /// A NUL byte in the header.
    #[error("the header (line {line}) holds a NUL byte: save the file as plain \"CSV UTF-8\"")]
    Nul {
        /// The physical line.
        line: u64,
    },
    /// The header is longer than a record may be.
    #[error("the header does not end within {RECORD_BYTES_MAX} bytes: is this a CSV file?")]
    TooLong,
    /// Too many columns.
    #[error("the header has {found} columns, more than {COLUMNS_MAX}: send fewer")]
    TooManyColumns {
        /// How many.
        found: usize,
    },
    /// A quote in the header is not closed.
    #[error(transparent)]
    Unclosed(Unclosed),
    /// The first row is not a header.
    #[error(
        "the first row looks like data (it holds a long number): put a row with the names of the \
         columns before it"
    )]
    LooksLikeData,
    /// A required column is not there.
    #[error("column {} is missing: add it, or say which of your columns it is", column.name())]
    Missing {
        /// Which.
        column: Column,
    },
    /// A column is there more than once.
    #[error("column {} is there more than once: keep one", column.name())]
    Twice {
        /// Which.
        column: Column,
    },
    /// A name that the upload's options give is not in the header.
    #[error("the header has no column \"{theirs}\", which the upload's columns name")]
    AliasAbsent {
        /// The name, fit to be shown.
        theirs: String,
    },
}

impl HeaderFault {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty | Self::LooksLikeData | Self::Missing { .. } => {
                "the first row must name the columns transaction_id, amount, merchant_id and card_number"
            }
            Self::Encoding { .. } | Self::NotUtf8 { .. } | Self::Nul { .. } => {
                "save it anew in UTF-8 and send it again"
            }
            Self::TooLong => "send a CSV file whose first row names the columns",
            Self::TooManyColumns { .. } => "take out columns that are not read and send it again",
            Self::Unclosed(_) => {
                "close the quoted field, or double the quote if it belongs to the value"
            }
            Self::Twice { .. } => "take out or rename the others and send it again",
            Self::AliasAbsent { .. } => {
                "give the names as they stand in the header, or leave out those that are not there"
            }
        }
    }

    /// A stable code: that of the failed upload.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty_file",
            Self::Encoding { .. } | Self::NotUtf8 { .. } | Self::Nul { .. } => "encoding",
            Self::TooLong => "header_too_long",
            Self::TooManyColumns { .. } => "too_many_columns",
            Self::Unclosed(_) => "unclosed_quote",
            Self::LooksLikeData => "header_missing",
            Self::Missing { .. } => "column_missing",
            Self::Twice { .. } => "column_twice",
            Self::AliasAbsent { .. } => "column_alias_absent",
        }
    }
}

/// Every reason why a header is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderFaults {
    faults: Vec<HeaderFault>,
    unknown: Vec<String>,
    line: Option<u64>,
}

impl HeaderFaults {
    pub(super) fn new(faults: Vec<HeaderFault>, unknown: Vec<String>) -> Self {
        Self {
            faults,
            unknown,
            line: None,
        }
    }

    /// The same of a header that stands on a physical line.
    pub(super) fn at(self, line: u64) -> Self {
        let line = Some(line);
        Self { line, ..self }
    }

    /// The physical line at fault, where the file could be read so far.
    #[must_use]
    pub fn line(&self) -> Option<u64> {
        self.line
    }

    /// The reasons, at least one.
    #[must_use]
    pub fn as_slice(&self) -> &[HeaderFault] {
        &self.faults
    }
}

impl From<HeaderFault> for HeaderFaults {
    fn from(fault: HeaderFault) -> Self {
        let line = match &fault {
            HeaderFault::Unclosed(unclosed) => Some(unclosed.line),
            _ => None,
        };
        Self {
            faults: vec![fault],
            unknown: Vec::new(),
            line,
        }
    }
}

impl std::error::Error for HeaderFaults {}

impl fmt::Display for HeaderFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, fault) in self.faults.iter().enumerate() {
            let separator = if nth == 0 { "" } else { "; " };
            write!(f, "{separator}{fault}")?;
        }
        let is_missing = |fault| matches!(fault, &HeaderFault::Missing { .. });
        if self.unknown.is_empty() || !self.faults.iter().any(is_missing) {
            return Ok(());
        }
        f.write_str("; columns in the file that are not known:")?;
        for (nth, name) in self.unknown.iter().enumerate() {
            let separator = if nth == 0 { "" } else { "," };
            write!(f, "{separator} \"{name}\"")?;
        }
        Ok(())
    }
}

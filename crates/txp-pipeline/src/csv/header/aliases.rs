//! The merchant's own names for our columns, as the upload's option `columns {theirs: ours}`.

use super::column_name::{CHARS_MAX, is_column_name};
use super::{NAME_CHARS_MAX, clean};
use crate::rejects::show;
use txp_domain::row::Column;

/// Checked names: each of theirs stands for one of our columns, and no column has two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases(Vec<(String, Column)>);

/// Why a set of names cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AliasFault {
    /// The name on our side is no column.
    #[error("\"{ours}\" is not a column that is read; use one of {}", known())]
    UnknownColumn {
        /// The name, fit to be shown.
        ours: String,
    },
    /// Two of theirs stand for one of ours.
    #[error("two names are given for {}; give one", column.name())]
    TwoForOne {
        /// Our column.
        column: Column,
    },
    /// One of theirs stands twice.
    #[error("\"{theirs}\" is given twice; give it once")]
    Twice {
        /// The name, fit to be shown.
        theirs: String,
    },
    /// The name on their side is empty.
    #[error("the name given for {} is empty; write the name in your header", column.name())]
    NoName {
        /// Our column.
        column: Column,
    },
    /// The name on their side could hold a card number, or cannot be shown as it is.
    #[error(
        "\"{theirs}\" cannot be a name: write 1 to {CHARS_MAX} letters and marks, no blank first, at most 11 digits"
    )]
    NoColumnName {
        /// The name, fit to be shown.
        theirs: String,
    },
}

impl Aliases {
    /// Checks pairs of (theirs, ours).
    pub fn new<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, AliasFault> {
        let mut aliases = Self::default();
        for (theirs, ours) in pairs {
            aliases.add(theirs, ours)?;
        }
        Ok(aliases)
    }

    /// Adds one, checked: it is kept with the upload, so it must not hold a card number.
    pub(crate) fn add(&mut self, theirs: &str, ours: &str) -> Result<(), AliasFault> {
        let Some(column) = Column::from_name(&clean(ours)) else {
            return Err(AliasFault::UnknownColumn {
                ours: show(ours, NAME_CHARS_MAX),
            });
        };
        let (name, shown) = (clean(theirs), || show(theirs, NAME_CHARS_MAX));
        if name.is_empty() {
            return Err(AliasFault::NoName { column });
        }
        if !is_column_name(theirs) {
            return Err(AliasFault::NoColumnName { theirs: shown() });
        }
        if self.0.iter().any(|(known, _)| *known == name) {
            return Err(AliasFault::Twice { theirs: shown() });
        }
        if self.0.iter().any(|(_, known)| *known == column) {
            return Err(AliasFault::TwoForOne { column });
        }
        self.0.push((name, column));
        Ok(())
    }

    /// The column of a clean name: as the merchant says, else as its own name says.
    pub(super) fn column(&self, name: &str) -> Option<Column> {
        match self.0.iter().find(|(theirs, _)| theirs == name) {
            Some((_, column)) => Some(*column),
            None => Column::from_name(name),
        }
    }

    /// Their names, clean, each with our column.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, Column)> {
        self.0
            .iter()
            .map(|(theirs, column)| (theirs.as_str(), *column))
    }
}

fn known() -> String {
    Column::ALL.map(Column::name).join(", ")
}

//! The forms that events are written in: their own lines, or rows of a table.

use crate::export::{self, Csv, Form as _, Format, Join};
use txp_pipeline::history::{self, Recorded};

/// A piece of lines is put out at this size.
const PIECE_BYTES: usize = 1 << 20;

/// What events are told to.
pub(super) enum EventForm {
    /// The events' own lines.
    Lines(Vec<u8>),
    /// A spreadsheet's rows.
    Csv(Box<Csv>),
    /// Row groups.
    #[cfg(feature = "parquet")]
    Parquet(Box<export::Parquet>),
}

impl EventForm {
    /// Begins a file, or goes on in one.
    pub(super) fn new(format: Format, goes_on: bool) -> anyhow::Result<Self> {
        Ok(match format {
            Format::Ndjson => Self::Lines(Vec::new()),
            Format::Csv => Self::Csv(Box::new(Csv::new(export::events::COLUMNS, goes_on))),
            #[cfg(feature = "parquet")]
            Format::Parquet => {
                Self::Parquet(Box::new(export::Parquet::new(export::events::COLUMNS)?))
            }
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => return Err(export::without_parquet()),
        })
    }

    /// Takes an event; `false` if nothing can be made of it.
    pub(super) fn tell(&mut self, event: &Recorded<'_>) -> bool {
        match self {
            Self::Lines(lines) => history::write_line(event, lines).is_ok(),
            Self::Csv(csv) => export::events::tell(event, &mut **csv),
            #[cfg(feature = "parquet")]
            Self::Parquet(parquet) => export::events::tell(event, &mut **parquet),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        match self {
            Self::Lines(lines) => lines.len() >= PIECE_BYTES,
            Self::Csv(csv) => csv.is_full(),
            #[cfg(feature = "parquet")]
            Self::Parquet(parquet) => parquet.is_full(),
        }
    }

    /// What is to be put out since the last piece.
    pub(super) fn piece(&mut self) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Lines(lines) => Ok(std::mem::take(lines)),
            Self::Csv(csv) => csv.piece(),
            #[cfg(feature = "parquet")]
            Self::Parquet(parquet) => parquet.piece(),
        }
    }

    /// How pieces become a file, where they do not stand as they are.
    pub(super) fn join(&self) -> Option<Join> {
        match self {
            Self::Lines(_) | Self::Csv(_) => None,
            #[cfg(feature = "parquet")]
            Self::Parquet(_) => Some(|file, pieces, out| {
                export::join_parquet(export::events::COLUMNS, file, pieces, out)
            }),
        }
    }
}

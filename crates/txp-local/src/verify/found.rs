//! The state's side: items in the order of their keys, out of runs or put in order here.

use super::VerifyError;
use crate::runs::{Entry, Iter, StateError};
use crate::sorter::{Record, SortError, Sorted, Sorter};
use crate::state::{StateView, item, transaction_key};
use std::path::Path;
use txp_domain::transaction::Transaction;

/// Items as they are stored, in order.
pub enum Found<'a> {
    /// A directory's, out of its runs.
    State(Iter<'a>),
    /// Others, put in order.
    Sorted(Sorted),
}

impl<'a> Found<'a> {
    /// The items of a directory.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn of_state(state: &'a mut StateView) -> Result<Self, StateError> {
        state.stored_transactions().map(Self::State)
    }

    /// Goes on to the next item.
    pub(super) fn step(&mut self) -> Result<(), VerifyError> {
        match self {
            Self::State(items) => {
                items.next()?;
            }
            Self::Sorted(items) => {
                items.next()?;
            }
        }
        Ok(())
    }

    /// Where it stands; `None` at the end.
    pub(super) fn current(&self) -> Option<Record<'_>> {
        match self {
            Self::State(items) => {
                items
                    .current()
                    .map(|Entry { hash, key, value }| Record { hash, key, value })
            }
            Self::Sorted(items) => items.current(),
        }
    }
}

/// Puts items from elsewhere in the order of a directory's.
#[derive(Debug)]
pub struct ItemSorter {
    sorter: Sorter,
    key: Vec<u8>,
}

impl ItemSorter {
    /// With files in `work`.
    #[must_use]
    pub fn new(work: &Path) -> Self {
        Self {
            sorter: Sorter::new(work, "state"),
            key: Vec::new(),
        }
    }

    /// Takes an item.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn push(&mut self, found: &Transaction) -> Result<(), SortError> {
        self.key.clear();
        let (merchant_id, transaction_id) = (&*found.key.merchant_id, &*found.key.transaction_id);
        let hash = transaction_key(merchant_id, transaction_id, &mut self.key);
        let encode = |out: &mut Vec<u8>| item::encode(found, out);
        self.sorter.push(hash, &self.key, encode)
    }

    /// All of them, in order.
    ///
    /// # Errors
    /// A file cannot be written or read.
    pub fn finish(self) -> Result<Found<'static>, SortError> {
        self.sorter.finish().map(Found::Sorted)
    }
}

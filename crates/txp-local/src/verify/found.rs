//! The state's side: items in the order of their keys, out of runs or put in order here.

use super::VerifyError;
use crate::runs::{Entry, Iter, StateError};
use crate::sorter::{MIDDLE_HASH, Record, SortError, Sorted, Sorter};
use crate::state::{StateView, item, transaction_key};
use std::path::Path;
use txp_domain::transaction::Transaction;

/// Items as they are stored, in order: the lower half of the hashes and the upper, to be walked apart.
pub struct Found<'a> {
    halves: [FoundHalf<'a>; 2],
}

/// The items of one half.
pub(super) enum FoundHalf<'a> {
    /// A directory's, out of its runs.
    State(Iter<'a>),
    /// A directory's, of which not even the first can be read: said when it is asked for.
    Damaged(Option<StateError>),
    /// Others, put in order.
    Sorted(Sorted),
}

impl<'a> Found<'a> {
    /// The items of a directory.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn of_state(state: &'a mut StateView) -> Result<Self, StateError> {
        let lower = state.stored_transactions_before(MIDDLE_HASH)?;
        let upper = match state.stored_transactions_from(MIDDLE_HASH) {
            Ok(items) => FoundHalf::State(items),
            Err(error) => FoundHalf::Damaged(Some(error)),
        };
        Ok(Self {
            halves: [FoundHalf::State(lower), upper],
        })
    }

    pub(super) fn halves(&mut self) -> &mut [FoundHalf<'a>; 2] {
        &mut self.halves
    }
}

impl FoundHalf<'_> {
    /// Goes on to the next item.
    pub(super) fn step(&mut self) -> Result<(), VerifyError> {
        match self {
            Self::State(items) => {
                items.next()?;
            }
            Self::Damaged(error) => {
                if let Some(error) = error.take() {
                    return Err(error.into());
                }
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
            Self::Damaged(_) => None,
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
        let halves = self.sorter.finish_halves()?;
        Ok(Found {
            halves: halves.map(FoundHalf::Sorted),
        })
    }
}

//! A state for one run: the history is folded into it again, and it is thrown away.
//!
//! It lies in a folder that the caller makes and removes, so memory stays bounded however long the
//! history is. Published now and then, since what waits for that is in memory; never opened again.
//! Beside it, labels of transactions by their names.

use crate::runs::{Keyspace, Options, StateError, Store};
use crate::state::State;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// What may wait in memory before it is written, in bytes.
const PENDING_BYTES_MAX: usize = 40 << 20;

const LABELS: Keyspace = Keyspace::new(0);

/// The state of a run.
#[derive(Debug)]
pub struct Scratch {
    /// The state.
    pub state: State,
}

impl Scratch {
    /// An empty state in a folder that is empty or not there yet.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn create(dir: &Path) -> Result<Self, StateError> {
        Ok(Self {
            state: State::open(dir)?,
        })
    }

    /// Writes what waits, if that is much.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn relieve(&mut self) -> Result<(), StateError> {
        if self.state.pending_bytes() < PENDING_BYTES_MAX {
            return Ok(());
        }
        self.state.checkpoint(&[])
    }
}

/// Labels by name: a byte each.
#[derive(Debug)]
pub struct Labels {
    store: Store,
    count: u64,
}

impl Labels {
    /// No labels yet, in a folder that is empty or not there yet.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn create(dir: &Path) -> Result<Self, StateError> {
        let store = Store::open(dir, &["labels"], Options::default())?;
        Ok(Self { store, count: 0 })
    }

    /// How many names have a label.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The label of a name.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn get(&mut self, name: &[u8]) -> Result<Option<u8>, StateError> {
        let found = self.store.get(LABELS, xxh3_64(name), name)?;
        Ok(found.and_then(|value| value.first().copied()))
    }

    /// Gives a name a label; one that it has stays, and is given back.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub fn put(&mut self, name: &[u8], label: u8) -> Result<Option<u8>, StateError> {
        if let Some(known) = self.get(name)? {
            return Ok(Some(known));
        }
        self.store.put(LABELS, xxh3_64(name), name, &[label])?;
        self.count += 1;
        if self.store.pending_bytes() >= PENDING_BYTES_MAX {
            self.store.checkpoint(&[])?;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_stays_as_it_was_given_first() {
        let dir = tempfile::tempdir().unwrap();
        let mut labels = Labels::create(dir.path()).unwrap();
        assert_eq!(labels.put(b"t-1", 1).unwrap(), None);
        assert_eq!(labels.put(b"t-1", 0).unwrap(), Some(1));
        assert_eq!(labels.put(b"t-2", 0).unwrap(), None);
        assert_eq!(labels.get(b"t-1").unwrap(), Some(1));
        assert_eq!(labels.get(b"t-3").unwrap(), None);
        assert_eq!(labels.count(), 2);
    }
}

//! Read-only access beside a living writer: one consistent snapshot, without a lock.

use std::path::Path;

use super::error::StateError;
use super::manifest::Manifest;
use super::merge::Iter;
use super::table::Tables;
use super::{Keyspace, MemoryUse, Options};

/// A checkpoint can come between reading the manifest and opening its files; that many in a row is no longer chance.
const MAX_ATTEMPTS: usize = 100;

/// The state at the last published checkpoint, as long as this lives: open files outlast the removal of their names.
#[derive(Debug)]
pub struct StoreReader {
    tables: Tables,
    meta: Option<Vec<u8>>,
}

impl StoreReader {
    /// Opens the last checkpoint. A directory without one reads as empty, with no meta.
    ///
    /// # Errors
    /// As [`super::Store::open`].
    pub fn open(
        directory: &Path,
        keyspaces: &[&str],
        options: Options,
    ) -> Result<Self, StateError> {
        let mut manifest = Manifest::read(directory)?;
        let mut attempt = 1;
        loop {
            match Tables::open(directory, keyspaces, manifest.as_ref(), &options) {
                Ok(tables) => {
                    return Ok(Self {
                        tables,
                        meta: manifest.map(|manifest| manifest.meta),
                    });
                }
                Err(error) => {
                    // Files go only after a newer manifest is in force: an unchanged one means real damage.
                    let newer = Manifest::read(directory)?;
                    if newer == manifest || attempt == MAX_ATTEMPTS {
                        return Err(error);
                    }
                    manifest = newer;
                    attempt += 1;
                }
            }
        }
    }

    /// The meta bytes of the checkpoint; `None` before the first.
    #[must_use]
    pub fn meta(&self) -> Option<&[u8]> {
        self.meta.as_deref()
    }

    /// As [`super::Store::get`].
    ///
    /// # Errors
    /// As [`super::Store::get`].
    pub fn get(
        &mut self,
        keyspace: Keyspace,
        hash: u64,
        key: &[u8],
    ) -> Result<Option<&[u8]>, StateError> {
        self.tables.get(keyspace, hash, key)
    }

    /// As [`super::Store::get_many`].
    ///
    /// # Errors
    /// As [`super::Store::get_many`].
    pub fn get_many<'k>(
        &mut self,
        keyspace: Keyspace,
        count: usize,
        key_at: impl Fn(usize) -> (u64, &'k [u8]),
        found: impl FnMut(usize, &[u8]),
    ) -> Result<(), StateError> {
        self.tables.get_many(keyspace, count, key_at, found)
    }

    /// As [`super::Store::scan_prefix`].
    ///
    /// # Errors
    /// As [`super::Store::scan_prefix`].
    pub fn scan_prefix(
        &mut self,
        keyspace: Keyspace,
        hash: u64,
        found: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), StateError> {
        self.tables.scan_prefix(keyspace, hash, found)
    }

    /// As [`super::Store::iter`].
    ///
    /// # Errors
    /// As [`super::Store::iter`].
    pub fn iter(&mut self, keyspace: Keyspace) -> Result<Iter<'_>, StateError> {
        self.tables.iter(keyspace)
    }

    /// As [`super::Store::iter_from`].
    ///
    /// # Errors
    /// As [`super::Store::iter_from`].
    pub fn iter_from(&self, keyspace: Keyspace, hash: u64) -> Result<Iter<'_>, StateError> {
        self.tables.iter_from(keyspace, hash)
    }

    /// As [`super::Store::iter`], up to the first entry of `hash` or a greater one.
    ///
    /// # Errors
    /// As [`super::Store::iter`].
    pub fn iter_before(&self, keyspace: Keyspace, hash: u64) -> Result<Iter<'_>, StateError> {
        Ok(self.tables.iter(keyspace)?.before_hash(hash))
    }

    /// What the reader holds in memory.
    #[must_use]
    pub fn memory(&self) -> MemoryUse {
        self.tables.memory()
    }
}

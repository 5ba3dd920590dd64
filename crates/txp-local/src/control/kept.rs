//! A small JSON file that is replaced whole, under a lock of its own, so that it can be changed
//! beside a running serve.

use super::{CONTROL_DIR, ControlError, file};
use crate::format;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use txp_domain::time::Timestamp;

/// The file, and what it holds.
#[derive(Clone, Debug)]
pub(super) struct Kept<T> {
    path: PathBuf,
    what: PhantomData<T>,
}

impl<T: Serialize + DeserializeOwned + Default> Kept<T> {
    /// Of a data directory, which is made and marked as ours if it is new.
    pub(super) fn open(dir: &Path, name: &str, now: Timestamp) -> Result<Self, ControlError> {
        format::ensure(dir, &now.to_string())?;
        Ok(Self::in_folder(&file::folder(dir)?, name))
    }

    /// The same to read only: nothing is made.
    pub(super) fn to_read(dir: &Path, name: &str) -> Self {
        Self::in_folder(&dir.join(CONTROL_DIR), name)
    }

    pub(super) fn in_folder(folder: &Path, name: &str) -> Self {
        Self {
            path: folder.join(name),
            what: PhantomData,
        }
    }

    pub(super) fn load(&self) -> Result<T, ControlError> {
        match file::read(&self.path)? {
            Some(bytes) => serde_json::from_slice(&bytes).map_err(damaged(&self.path)),
            None => Ok(T::default()),
        }
    }

    /// When it was changed last, and its size: another content is another of these.
    pub(super) fn stamp(&self) -> Option<(SystemTime, u64)> {
        let metadata = std::fs::metadata(&self.path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    }

    pub(super) fn change<A>(
        &self,
        change: impl FnOnce(&mut T) -> Result<A, ControlError>,
    ) -> Result<A, ControlError> {
        let lock_path = self.path.with_extension("lock");
        let locked = || -> std::io::Result<File> {
            let mut options = file::private();
            let lock = options.write(true).create(true).open(&lock_path)?;
            lock.lock()?;
            Ok(lock)
        };
        let _held = locked().map_err(ControlError::io("lock", &lock_path))?;
        let mut records = self.load()?;
        let answer = change(&mut records)?;
        let mut bytes = serde_json::to_vec_pretty(&records).map_err(damaged(&self.path))?;
        bytes.push(b'\n');
        file::replace(&self.path, &bytes)?;
        Ok(answer)
    }
}

pub(super) fn damaged(path: &Path) -> impl FnOnce(serde_json::Error) -> ControlError {
    let path = path.to_path_buf();
    move |source| ControlError::Damaged {
        path,
        line: None,
        source,
    }
}

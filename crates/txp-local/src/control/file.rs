//! Files that are whole or not there: written beside their place, synced, moved into it.

use super::{CONTROL_DIR, ControlError};
use crate::durable::{self, PRIVATE_MODE};
use std::fs::{self, DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const DIRECTORY_MODE: u32 = 0o700;

/// The folder of control records, made if it is not there yet.
pub(super) fn folder(dir: &Path) -> Result<PathBuf, ControlError> {
    let folder = dir.join(CONTROL_DIR);
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(&folder)
        .map_err(ControlError::io("create", &folder))?;
    Ok(folder)
}

/// How files of secrets are opened: for their owner only.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(PRIVATE_MODE);
    options
}

/// Replaces a file's content.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), ControlError> {
    durable::replace(path, bytes, PRIVATE_MODE).map_err(ControlError::io("write", path))
}

/// Makes a file, whole at once; where there is one already, that one stays.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<(), ControlError> {
    durable::create(path, bytes, PRIVATE_MODE).map_err(ControlError::io("write", path))
}

/// A file's content; `None` if there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, ControlError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ControlError::io("read", path)(error)),
    }
}

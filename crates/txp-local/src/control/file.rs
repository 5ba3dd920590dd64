//! Files that are whole or not there: written beside their place, synced, moved into it.

use super::{CONTROL_DIR, ControlError};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

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
    options.mode(FILE_MODE);
    options
}

/// Replaces a file's content.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), ControlError> {
    let write = || {
        let temporary = written_beside(path, bytes)?;
        fs::rename(&temporary, path)?;
        sync_parent(path)
    };
    write().map_err(ControlError::io("write", path))
}

/// Makes a file, whole at once; where there is one already, that one stays.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<(), ControlError> {
    let write = || {
        let temporary = written_beside(path, bytes)?;
        // Unlike a rename, a link leaves what another process has made in the meantime.
        let linked = fs::hard_link(&temporary, path);
        fs::remove_file(&temporary)?;
        match linked {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
            _ => sync_parent(path),
        }
    };
    write().map_err(ControlError::io("write", path))
}

fn written_beside(path: &Path, bytes: &[u8]) -> std::io::Result<PathBuf> {
    // Of this write alone, also where two threads of a process write the same file.
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let write = WRITES.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_extension(format!("{}-{write}.tmp", std::process::id()));
    let mut options = private();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(temporary)
}

/// Makes a new name in a folder durable.
pub(crate) fn sync_parent(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// A file's content; `None` if there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, ControlError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ControlError::io("read", path)(error)),
    }
}

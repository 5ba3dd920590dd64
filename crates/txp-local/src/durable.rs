//! What is there whole or not at all, and stays after the machine has lost its power: files written
//! beside their place and moved into it, and names in directories.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Of a file with secrets: for its owner only.
pub(crate) const PRIVATE_MODE: u32 = 0o600;
/// Of a file without: what the process' mask leaves of it.
pub(crate) const USUAL_MODE: u32 = 0o666;

/// Makes names created, renamed or removed in a directory durable.
pub(crate) fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Makes a new name in its folder durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync_directory(Path::new(".")),
        Some(parent) => sync_directory(parent),
        None => Ok(()),
    }
}

/// Replaces a file's content.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = written_beside(path, bytes, mode)?;
    fs::rename(&temporary, path)?;
    sync_parent(path)
}

/// Makes a file; where there is one already, that one stays.
pub(crate) fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = written_beside(path, bytes, mode)?;
    // Unlike a rename, a link leaves what another process has made in the meantime.
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_parent(path),
    }
}

fn written_beside(path: &Path, bytes: &[u8], mode: u32) -> io::Result<PathBuf> {
    // Of this write alone, also where two threads of a process write the same file.
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let write = WRITES.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_extension(format!("{}-{write}.tmp", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(temporary)
}

//! The exclusive lock of one writer on a data directory.
//!
//! An advisory lock of the operating system on the file `LOCK`: it goes when the process goes,
//! however that ends, so there is no stale lock to remove. The file's text only says who holds it.
//! Readers take no lock.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The file that is locked.
pub const LOCK_FILE: &str = "LOCK";

/// The most bytes of the holder's text that are echoed.
const HOLDER_BYTES_MAX: u64 = 256;

/// Why a directory cannot be locked.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another writer is at work.
    #[error(
        "{} is being written by {holder}: wait until it ends, or use another data directory; commands that only read work meanwhile",
        dir.display()
    )]
    Held {
        /// The data directory.
        dir: PathBuf,
        /// Process, command and since when, as the holder wrote it.
        holder: String,
    },
    /// The system refused.
    #[error(
        "cannot lock {}: this user must be able to write there (is it mounted read-only?)",
        path.display()
    )]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Held as long as it lives.
#[derive(Debug)]
pub struct DirLock {
    file: File,
}

impl DirLock {
    /// Locks a data directory at once or not at all. `command` (as typed, without its arguments)
    /// and `since` are what a second writer is told.
    ///
    /// # Errors
    /// Another process holds it, or the system refused.
    pub fn acquire(dir: &Path, command: &str, since: &str) -> Result<Self, LockError> {
        let path = dir.join(LOCK_FILE);
        let failed = |source| LockError::Io {
            path: path.clone(),
            source,
        };
        // Not truncated here: the text may be another's.
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held {
                    dir: dir.to_path_buf(),
                    holder: holder(&mut file),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).map_err(failed)?;
        let pid = std::process::id();
        let text = format!("process {pid} ({command}) since {since}\n");
        file.write_all(text.as_bytes()).map_err(failed)?;
        Ok(Self { file })
    }
}

impl Drop for DirLock {
    fn drop(&mut self) {
        // The name of a holder that is gone helps no one; the lock itself goes with the file.
        self.file.set_len(0).ok();
    }
}

/// Who writes to a data directory at this moment, in the holder's own words; `None` if no one does.
/// Changes nothing.
///
/// # Errors
/// The system refused.
pub fn current_holder(dir: &Path) -> Result<Option<String>, LockError> {
    let path = dir.join(LOCK_FILE);
    let failed = |source| LockError::Io {
        path: path.clone(),
        source,
    };
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(source)),
    };
    // A free lock has no text, unless its holder was killed: then alone it is tried, for a moment.
    if file.metadata().map_err(failed)?.len() == 0 {
        return Ok(None);
    }
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(holder(&mut file))),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn holder(file: &mut File) -> String {
    let mut bytes = Vec::new();
    let read = file.take(HOLDER_BYTES_MAX).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let text: String = text.trim().chars().filter(|c| !c.is_control()).collect();
    if read.is_err() || text.is_empty() {
        return "a process that has not given its name yet".to_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    const CHILD_DIR: &str = "TXP_LOCK_TEST_DIR";
    const CHILD_TEST: &str = "lock::tests::child_holds_the_lock";

    #[test]
    fn a_second_writer_is_told_who_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let held = DirLock::acquire(dir.path(), "txp serve", "2026-01-02T03:04:05Z").unwrap();
        let refused = DirLock::acquire(dir.path(), "txp process", "later").unwrap_err();
        let LockError::Held { holder, .. } = &refused else {
            panic!("{refused}");
        };
        let pid = std::process::id();
        let expected = format!("process {pid} (txp serve) since 2026-01-02T03:04:05Z");
        assert_eq!(*holder, expected);
        assert!(refused.to_string().contains(&expected));
        assert_eq!(current_holder(dir.path()).unwrap(), Some(expected));
        drop(held);
        assert_eq!(current_holder(dir.path()).unwrap(), None);
        DirLock::acquire(dir.path(), "txp process", "later").unwrap();
    }

    #[test]
    fn a_lock_of_a_killed_process_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", CHILD_TEST, "--nocapture"])
            .env(CHILD_DIR, dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(
            lines
                .map_while(Result::ok)
                .any(|line| line.contains("locked"))
        );
        let refused = DirLock::acquire(dir.path(), "txp process", "later").unwrap_err();
        assert!(
            refused
                .to_string()
                .contains(&format!("process {} (child)", child.id()))
        );
        child.kill().unwrap();
        child.wait().unwrap();
        DirLock::acquire(dir.path(), "txp process", "later").unwrap();
    }

    /// Run by `a_lock_of_a_killed_process_is_gone` in a process of its own; by itself it has
    /// nothing to hold.
    #[test]
    fn child_holds_the_lock() {
        let Some(dir) = std::env::var_os(CHILD_DIR) else {
            return;
        };
        let _held = DirLock::acquire(Path::new(&dir), "child", "now").unwrap();
        writeln!(io::stdout(), "locked").unwrap();
        let mut until_killed = String::new();
        io::stdin().read_line(&mut until_killed).unwrap();
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");
        let refused = DirLock::acquire(&missing, "txp process", "now").unwrap_err();
        assert!(refused.to_string().contains("missing/LOCK"), "{refused}");
    }
}

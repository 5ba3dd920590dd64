//! What can go wrong with state on disk.

use std::io;
use std::path::{Path, PathBuf};

/// An error of the state engine: what, where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file system refused.
    #[error("cannot {action} {}: check the disk and the rights, then run again", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file is damaged. Nothing is lost: state is a fold of the log.
    #[error(
        "state file {} is damaged at byte {offset}: {why}; remove the state directory, and the state is folded from the log again",
        file.display()
    )]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Where in it the damaged part begins.
        offset: u64,
        /// What is wrong there.
        why: &'static str,
    },
    /// A newer release wrote the directory.
    #[error(
        "state file {} has format {found}, this release reads up to {supported}: use the release that wrote it",
        file.display()
    )]
    NewerFormat {
        /// The file.
        file: PathBuf,
        /// Its format version.
        found: u32,
        /// The newest version that this release reads.
        supported: u32,
    },
    /// The directory holds a keyspace that the opener does not know.
    #[error("state file {} holds the unknown keyspace {name:?}: use the release that wrote it", file.display())]
    UnknownKeyspace {
        /// The manifest.
        file: PathBuf,
        /// The keyspace's name.
        name: String,
    },
    /// A keyspace index beyond the names given at open.
    #[error("there is no keyspace {index}: it must be one of the names given at open")]
    NoKeyspace {
        /// The index.
        index: u8,
    },
    /// Written to, or published again, while a checkpoint is on its way.
    #[error("a checkpoint is on its way: end it first")]
    Publishing,
    /// A key or value over its limit.
    #[error("a {what} of {bytes} bytes is over the limit of {max_bytes}: store less under one key")]
    TooLarge {
        /// `key`, `value` or `meta`.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
}

impl StateError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_path_buf(),
            source,
        }
    }

    pub(super) fn corrupt(file: &Path, offset: u64, why: &'static str) -> Self {
        Self::Corrupt {
            file: file.to_path_buf(),
            offset,
            why,
        }
    }
}

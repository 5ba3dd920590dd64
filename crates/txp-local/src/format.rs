//! The file `FORMAT`: marks a directory as one of ours and says in which version.
//!
//! Written once, at first use, whole or not at all. A newer version is refused, an older one is
//! for the caller to judge; a directory with other files in it is never written to.
//!
//! It also says what kind of directory it is: one with a history of its own, or what a replay has
//! folded of another's, which has a state and no log. A writer that would append to the latter is
//! refused, and a replay into the former too. Directories of the second kind are of version 2, so that
//! a program that does not know the kind refuses them by the version.

use crate::durable::{self, USUAL_MODE};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The marker's name.
pub const FORMAT_FILE: &str = "FORMAT";

/// The newest version of the directory's layout that this program reads and writes: a replay's target.
pub const FORMAT_VERSION: u32 = 2;

/// The version of a directory with a history of its own.
const WITH_HISTORY_VERSION: u32 = 1;

/// Only the owner may look into the data: card fingerprints are pseudonymous, not anonymous.
const DIRECTORY_MODE: u32 = 0o700;

/// What an otherwise empty directory may hold: a lock taken first, a mount point's own folder.
const HARMLESS_NAMES: [&str; 2] = [crate::lock::LOCK_FILE, "lost+found"];

/// What `FORMAT` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// The version of the directory's layout.
    pub format_version: u32,
    /// When the directory was first used, RFC 3339.
    pub created_at: String,
    /// What was replayed into it, if it is a replay's target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayOf>,
}

/// What a replay's target holds: the fold of another history, or of a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayOf {
    /// The replay: derived from what follows.
    pub id: String,
    /// The history, as `--source` says it.
    pub source: String,
    /// Only what arrived at or after this, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_millis: Option<i64>,
    /// Only what arrived before this, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_millis: Option<i64>,
}

/// Why a directory cannot be used.
#[derive(Debug, Error)]
pub enum FormatError {
    /// Written by a newer program.
    #[error(
        "{} has format version {found}, this program knows up to {supported}: use a newer txp, or another data directory",
        dir.display()
    )]
    Newer {
        /// The data directory.
        dir: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version known here.
        supported: u32,
    },
    /// Somebody else's files.
    #[error(
        "{} is not a data directory of txp and not empty: name an empty or a new one",
        dir.display()
    )]
    NotOurs {
        /// The directory.
        dir: PathBuf,
    },
    /// It holds what a replay has folded: there is no history in it to append to.
    #[error(
        "{} is what a replay has folded of {of}, it has no history of its own that could go on: write to the directory that was replayed, or name another one",
        dir.display()
    )]
    IsReplay {
        /// The directory.
        dir: PathBuf,
        /// The history that it was folded from.
        of: String,
    },
    /// It has a history of its own, which a replay must not write over.
    #[error(
        "{} is a data directory with a history of its own: a replay goes into a new directory, or into one that it made before",
        dir.display()
    )]
    HasHistory {
        /// The directory.
        dir: PathBuf,
    },
    /// Another history, or another part of it, was replayed into it.
    #[error(
        "{} holds a replay of {of}: name a new directory, or delete that one",
        dir.display()
    )]
    OtherReplay {
        /// The directory.
        dir: PathBuf,
        /// What was replayed.
        of: String,
    },
    /// Nothing was ever written there.
    #[error(
        "{} is no data directory of txp: check --data-dir, or write to it first",
        dir.display()
    )]
    Missing {
        /// The directory.
        dir: PathBuf,
    },
    /// The marker makes no sense.
    #[error("{} is damaged: restore it from a copy of the directory", path.display())]
    Damaged {
        /// The marker.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The directory may not be written or read.
    #[error(
        "cannot {action} {}: this user must have the right to, and it must not be mounted read-only; or choose another --data-dir",
        path.display()
    )]
    Denied {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// As the system says it.
        source: io::Error,
    },
    /// The path is a file.
    #[error("{} is not a directory: choose another --data-dir", path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// The system refused for another reason.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl FormatError {
    fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Denied {
                action,
                path,
                source,
            },
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                Self::NotADirectory { path }
            }
            _ => Self::Io {
                action,
                path,
                source,
            },
        }
    }
}

/// Makes sure that a directory is ours, for a writer: creates and marks it at first use. Call it
/// before taking the lock, so that nothing is written into a directory of somebody else.
///
/// # Errors
/// It is not ours, a replay's target, newer, damaged, or may not be written.
pub fn ensure(dir: &Path, created_at: &str) -> Result<Format, FormatError> {
    let format = ensure_kind(dir, created_at, None)?;
    match format.replay {
        None => Ok(format),
        Some(replay) => Err(FormatError::IsReplay {
            dir: dir.to_path_buf(),
            of: replay.source,
        }),
    }
}

/// The same for a replay's target: a new directory, or one that the same replay has made.
///
/// # Errors
/// It is not ours, not this replay's, newer, damaged, or may not be written.
pub fn ensure_replay(
    dir: &Path,
    created_at: &str,
    replay: &ReplayOf,
) -> Result<Format, FormatError> {
    let format = ensure_kind(dir, created_at, Some(replay))?;
    let dir = dir.to_path_buf();
    match &format.replay {
        Some(found) if found.id == replay.id => Ok(format),
        Some(found) => Err(FormatError::OtherReplay {
            dir,
            of: found.described(),
        }),
        None => Err(FormatError::HasHistory { dir }),
    }
}

impl ReplayOf {
    /// The history, and which part of it, in words.
    #[must_use]
    pub fn described(&self) -> String {
        if self.from_millis.or(self.to_millis).is_some() {
            format!("a part of {}", self.source)
        } else {
            self.source.clone()
        }
    }
}

/// The marker that is there, or a new one of this kind.
fn ensure_kind(
    dir: &Path,
    created_at: &str,
    replay: Option<&ReplayOf>,
) -> Result<Format, FormatError> {
    if !dir.is_dir() {
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(dir)
            .map_err(|source| FormatError::io("create", dir, source))?;
    }
    if let Some(format) = load(dir)? {
        return Ok(format);
    }
    refuse_foreign(dir)?;
    let format = Format {
        format_version: match replay {
            None => WITH_HISTORY_VERSION,
            Some(_) => FORMAT_VERSION,
        },
        created_at: created_at.to_owned(),
        replay: replay.cloned(),
    };
    store(dir, &format)?;
    Ok(format)
}

/// Reads the marker, for commands that only read.
///
/// # Errors
/// There is none, it is newer or damaged, or may not be read.
pub fn read(dir: &Path) -> Result<Format, FormatError> {
    load(dir)?.ok_or_else(|| FormatError::Missing {
        dir: dir.to_path_buf(),
    })
}

fn load(dir: &Path) -> Result<Option<Format>, FormatError> {
    #[derive(Deserialize)]
    struct Version {
        format_version: u32,
    }
    let path = dir.join(FORMAT_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(FormatError::io("read", &path, source)),
    };
    let damaged = |source| FormatError::Damaged {
        path: path.clone(),
        source,
    };
    // The version alone first: a newer marker may hold anything beside it.
    let Version { format_version } = serde_json::from_slice(&bytes).map_err(damaged)?;
    if format_version > FORMAT_VERSION {
        return Err(FormatError::Newer {
            dir: dir.to_path_buf(),
            found: format_version,
            supported: FORMAT_VERSION,
        });
    }
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

fn refuse_foreign(dir: &Path) -> Result<(), FormatError> {
    let failed = |source| FormatError::io("list", dir, source);
    for entry in fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let harmless = name.to_str().is_some_and(|name| {
            HARMLESS_NAMES.contains(&name)
                || name == FORMAT_FILE
                || (name.starts_with("FORMAT.") && name.ends_with(".tmp"))
        });
        if !harmless {
            return Err(FormatError::NotOurs {
                dir: dir.to_path_buf(),
            });
        }
    }
    Ok(())
}

fn store(dir: &Path, format: &Format) -> Result<(), FormatError> {
    let path = dir.join(FORMAT_FILE);
    let write = || -> io::Result<()> {
        let mut bytes = serde_json::to_vec(format)?;
        bytes.push(b'\n');
        durable::replace(&path, &bytes, USUAL_MODE)
    };
    write().map_err(|source| FormatError::io("write", &path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: &str = "2026-01-02T03:04:05Z";

    #[test]
    fn first_use_marks_the_directory_and_later_use_keeps_the_mark() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/b");
        let first = ensure(&dir, CREATED).unwrap();
        assert_eq!(ensure(&dir, "2027-01-01T00:00:00Z").unwrap(), first);
        assert_eq!(read(&dir).unwrap(), first);
        let text = fs::read_to_string(dir.join(FORMAT_FILE)).unwrap();
        assert_eq!(
            text,
            "{\"format_version\":1,\"created_at\":\"2026-01-02T03:04:05Z\"}\n"
        );
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
    }

    #[test]
    fn a_newer_directory_is_refused_naming_both_versions() {
        let dir = tempfile::tempdir().unwrap();
        let newer = r#"{"format_version":7,"shape":"unknown here"}"#;
        fs::write(dir.path().join(FORMAT_FILE), newer).unwrap();
        for refused in [ensure(dir.path(), CREATED), read(dir.path())] {
            let text = refused.unwrap_err().to_string();
            assert!(
                text.contains("version 7") && text.contains("up to 2"),
                "{text}"
            );
            assert!(text.contains("use a newer txp"), "{text}");
        }
    }

    #[test]
    fn a_replay_s_target_and_a_history_are_never_taken_for_each_other() {
        let root = tempfile::tempdir().unwrap();
        let (history, target) = (root.path().join("history"), root.path().join("target"));
        let replay = |id: &str| ReplayOf {
            id: id.to_owned(),
            source: "local:/srv/a".to_owned(),
            from_millis: None,
            to_millis: Some(7),
        };
        ensure(&history, CREATED).unwrap();
        let made = ensure_replay(&target, CREATED, &replay("b")).unwrap();
        assert_eq!(made.format_version, 2, "older programs refuse it");
        assert_eq!(ensure_replay(&target, "later", &replay("b")).unwrap(), made);
        assert_eq!(read(&target).unwrap(), made);
        let refusals = [
            (ensure(&target, CREATED), "no history of its own"),
            (
                ensure_replay(&target, CREATED, &replay("c")),
                "a replay of a part of local:/srv/a",
            ),
            (
                ensure_replay(&history, CREATED, &replay("b")),
                "a history of its own",
            ),
        ];
        for (refused, why) in refusals {
            let text = refused.unwrap_err().to_string();
            assert!(text.contains(why), "{text}");
        }
    }

    #[test]
    fn what_lies_in_the_directory_decides() {
        let cases: [(&[&str], bool); 5] = [
            (&[], true),
            (&["LOCK"], true),
            (&["lost+found", "FORMAT.17.tmp"], true),
            (&["thesis.doc"], false),
            (&["LOCK", ".hidden"], false),
        ];
        for (names, usable) in cases {
            let dir = tempfile::tempdir().unwrap();
            for name in names {
                fs::write(dir.path().join(name), "").unwrap();
            }
            assert!(matches!(read(dir.path()), Err(FormatError::Missing { .. })));
            match ensure(dir.path(), CREATED) {
                Ok(_) => assert!(usable, "{names:?}"),
                Err(FormatError::NotOurs { .. }) => assert!(!usable, "{names:?}"),
                Err(e) => panic!("{names:?}: {e}"),
            }
            let left = fs::read_dir(dir.path()).unwrap().count();
            assert_eq!(left, names.len() + usize::from(usable), "{names:?}");
        }
    }

    #[test]
    fn damage_a_file_and_a_missing_directory_are_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FORMAT_FILE), "{\"format_").unwrap();
        let damaged = ensure(dir.path(), CREATED).unwrap_err();
        assert!(matches!(damaged, FormatError::Damaged { .. }), "{damaged}");
        let file = dir.path().join(FORMAT_FILE);
        let refused = ensure(&file, CREATED).unwrap_err();
        assert!(
            matches!(refused, FormatError::NotADirectory { .. }),
            "{refused}"
        );
        let missing = read(&dir.path().join("missing")).unwrap_err();
        assert!(matches!(missing, FormatError::Missing { .. }), "{missing}");
    }

    #[test]
    fn a_directory_without_permission_says_what_is_needed() {
        for kind in [
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::ReadOnlyFilesystem,
        ] {
            let text = FormatError::io("write", Path::new("d/FORMAT"), kind.into()).to_string();
            assert!(
                text.starts_with("cannot write d/FORMAT: this user must"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_read_only_directory_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o500)).unwrap();
        if fs::File::create(dir.path().join("LOCK")).is_ok() {
            return; // root may write anywhere: the mapping above is all that can be tested
        }
        let refused = ensure(dir.path(), CREATED).unwrap_err();
        assert!(matches!(refused, FormatError::Denied { .. }), "{refused}");
    }
}

//! What is asked of whoever writes to a directory about its rules.
//!
//! The rules that judge are part of the history, and only the directory's one writer appends to it.
//! So a change is asked for in a file of `control/rules/`, whole or not there; a writer takes such
//! files up when it opens the directory and now and then after, in the order of their names, appends
//! the event, and takes the file away. One that it refuses gets the reason beside it. Whoever asks
//! waits for the file to go, or opens the directory itself when nobody else does.

use super::{ControlError, file};
use crate::clock::mint_upload_id;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const FOLDER: &str = "rules";
const ASKED: &str = "json";
const REFUSED: &str = "refused";

/// A wanted change of rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleRequest {
    /// Who wants it.
    pub by: String,
    /// What is wanted.
    #[serde(flatten)]
    pub change: RuleChange,
}

/// What is wanted of rules. The forms have no field in common: a writer that does not know of rules
/// that are tried refuses to try any, and does not let them judge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RuleChange {
    /// Other rules judge.
    Activate {
        /// How many activations there were when it was decided on: it holds for no other.
        after_activation: u64,
        /// The rule file.
        rules: serde_json::Value,
    },
    /// Other rules are tried beside them, or none are.
    Shadow {
        /// How many such changes there were when it was decided on.
        after_change: u64,
        /// The rule file; none if no rules are to be tried.
        shadow: Option<serde_json::Value>,
    },
}

/// A request in its file.
#[derive(Clone, Debug)]
pub struct Asked {
    path: PathBuf,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nobody has taken it up yet.
    Waiting,
    /// It is done.
    Done,
    /// It is refused, for this reason.
    Refused(String),
}

impl RuleRequest {
    /// Asks for it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn ask(&self, dir: &Path) -> Result<Asked, ControlError> {
        let folder = file::folder(dir)?.join(FOLDER);
        fs::create_dir_all(&folder).map_err(ControlError::io("create", &folder))?;
        // Letters that sort by time.
        let path = folder.join(format!("{}.{ASKED}", mint_upload_id()));
        let bytes = serde_json::to_vec(self)
            .map_err(|error| ControlError::io("write", &path)(io::Error::other(error)))?;
        file::replace(&path, &bytes)?;
        Ok(Asked { path })
    }
}

impl Asked {
    /// What became of it.
    ///
    /// # Errors
    /// It cannot be seen.
    pub fn answer(&self) -> Result<Answer, ControlError> {
        if self
            .path
            .try_exists()
            .map_err(ControlError::io("read", &self.path))?
        {
            return Ok(Answer::Waiting);
        }
        let refused = self.path.with_extension(REFUSED);
        let Some(why) = file::read(&refused)? else {
            return Ok(Answer::Done);
        };
        fs::remove_file(&refused).map_err(ControlError::io("remove", &refused))?;
        Ok(Answer::Refused(String::from_utf8_lossy(&why).into_owned()))
    }

    /// Takes it back, or notes that it is done.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn remove(&self) -> Result<(), ControlError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(ControlError::io("remove", &self.path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Refuses it.
    ///
    /// # Errors
    /// The reason cannot be written, or the file not removed.
    pub fn refuse(&self, why: &str) -> Result<(), ControlError> {
        file::replace(&self.path.with_extension(REFUSED), why.as_bytes())?;
        self.remove()
    }

    /// What is asked for; `None` if it is gone or makes no sense.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn request(&self) -> Result<Option<RuleRequest>, ControlError> {
        let bytes = file::read(&self.path)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }
}

/// The requests that wait, in the order in which they were made.
///
/// # Errors
/// They cannot be listed.
pub fn waiting(dir: &Path) -> Result<Vec<Asked>, ControlError> {
    let folder = dir.join(super::CONTROL_DIR).join(FOLDER);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(ControlError::io("list", &folder)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(ControlError::io("list", &folder))?.path();
        if path.extension().is_some_and(|extension| extension == ASKED) {
            found.push(Asked { path });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

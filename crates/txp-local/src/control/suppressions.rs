//! Suppressions: of which merchant and rule nobody is to be told for a while, by whose word and why.

use super::ControlError;
use super::kept::Kept;
use std::path::Path;
use std::time::SystemTime;
use txp_domain::alert::{Suppression, SuppressionList};
use txp_domain::time::Timestamp;

const FILE: &str = "suppressions.json";

/// Reads and changes the suppressions of a data directory.
#[derive(Clone, Debug)]
pub struct Suppressions {
    kept: Kept<SuppressionList>,
}

impl Suppressions {
    /// Those of a data directory, which is made if it is new.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn open(dir: &Path, now: Timestamp) -> Result<Self, ControlError> {
        let kept = Kept::open(dir, FILE, now)?;
        Ok(Self { kept })
    }

    /// The same to read only.
    #[must_use]
    pub fn to_read(dir: &Path) -> Self {
        let kept = Kept::to_read(dir, FILE);
        Self { kept }
    }

    /// Another content of the file is another of these.
    pub(crate) fn stamp(&self) -> Option<(SystemTime, u64)> {
        self.kept.stamp()
    }

    /// All of them, those that have ended too, oldest first.
    ///
    /// # Errors
    /// The records cannot be read.
    pub fn list(&self) -> Result<Vec<Suppression>, ControlError> {
        Ok(self.kept.load()?.suppressions)
    }

    /// Adds one; in the place of one of the same merchant and rule that has not ended.
    ///
    /// # Errors
    /// There are too many, or it cannot be written.
    pub fn add(&self, new: Suppression, now: Timestamp) -> Result<(), ControlError> {
        self.kept.change(|list| Ok(list.add(new, now)?))
    }

    /// Ends those of a merchant and rule now. Says how many that were.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn remove(
        &self,
        merchant_id: Option<&str>,
        rule: Option<&str>,
        now: Timestamp,
    ) -> Result<usize, ControlError> {
        self.kept
            .change(|list| Ok(list.end(merchant_id, rule, now)))
    }
}

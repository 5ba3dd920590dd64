//! Suppressions: of which merchant and rule nobody is to be told for a while, by whose word and why.

use super::ControlError;
use super::kept::Kept;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::SystemTime;
use txp_domain::alert::Suppression;
use txp_domain::time::Timestamp;

const FILE: &str = "suppressions.json";
/// More than these are no exceptions any more: change the rules.
const SUPPRESSIONS_MAX: usize = 1000;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Records {
    suppressions: Vec<Suppression>,
}

/// Reads and changes the suppressions of a data directory.
#[derive(Clone, Debug)]
pub struct Suppressions {
    kept: Kept<Records>,
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
        self.kept.change(|records| {
            let all = &mut records.suppressions;
            all.retain(|known| !(known.is_of(&new) && known.until > now));
            if all.iter().filter(|known| known.until > now).count() >= SUPPRESSIONS_MAX {
                return Err(ControlError::TooManySuppressions);
            }
            // Those that ended first are forgotten first.
            if let Some(surplus) = all.len().checked_sub(SUPPRESSIONS_MAX) {
                let mut left = surplus + 1;
                all.retain(|known| {
                    let goes = left > 0 && known.until <= now;
                    left -= usize::from(goes);
                    !goes
                });
            }
            all.push(new);
            Ok(())
        })
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
        self.kept.change(|records| {
            let mut ended = 0;
            for known in &mut records.suppressions {
                let is_asked =
                    known.merchant_id.as_deref() == merchant_id && known.rule.as_deref() == rule;
                if is_asked && known.until > now {
                    known.until = now;
                    ended += 1;
                }
            }
            Ok(ended)
        })
    }
}

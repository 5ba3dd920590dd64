//! A data directory as a reader sees it, beside a living writer or without one: the state at its
//! last checkpoint. Takes no lock and changes nothing.

use crate::format::{self, ReplayOf};
use crate::host::{AsOf, HostError, LOG_DIR, meta_of};
use crate::log::LogReader;
use crate::state::StateView;
use std::path::Path;

/// The state at a checkpoint.
#[derive(Debug)]
pub struct Snapshot {
    /// The state.
    pub state: StateView,
    /// How far the log was folded.
    pub as_of: AsOf,
    /// How many findings that history holds.
    pub findings: u64,
    /// How many of them are known to be recorded as alerts.
    pub alerted: u64,
    /// The ids of findings that are made and not in the log yet.
    pub outstanding: Vec<String>,
    /// The rule file that judges, as recorded; `None` in a directory that was never opened.
    pub rules: Option<serde_json::Value>,
    /// The rule file that is tried beside it.
    pub shadow: Option<serde_json::Value>,
    /// Whether any was ever tried.
    pub has_tried: bool,
    /// What was replayed into the directory, if it is a replay's target: then there is no log.
    pub replay: Option<ReplayOf>,
    /// How far a replay has read its source, as the source names it.
    pub replayed_through: Option<String>,
}

impl Snapshot {
    /// Opens the last checkpoint of a data directory, whose log holds what was folded into it.
    ///
    /// # Errors
    /// It is no data directory, of a newer format, or damaged.
    pub fn open(dir: &Path) -> Result<Self, HostError> {
        let snapshot = Self::of_state(dir)?;
        if snapshot.as_of.sequence > 0 && snapshot.replay.is_none() {
            LogReader::check_holds(&dir.join(LOG_DIR), snapshot.as_of.sequence)?;
        }
        Ok(snapshot)
    }

    /// The same without a look at the log, for who looks at it more closely.
    ///
    /// # Errors
    /// It is no data directory, of a newer format, or the state is damaged.
    pub fn of_state(dir: &Path) -> Result<Self, HostError> {
        let replay = format::read(dir)?.replay;
        let state = StateView::open(&dir.join(crate::host::STATE_DIR))?;
        let meta = meta_of(state.meta())?;
        let all_alerted = replay.is_none() && meta.alerted_through >= meta.as_of.sequence;
        Ok(Self {
            as_of: meta.as_of,
            alerted: if all_alerted { meta.findings } else { 0 },
            findings: meta.findings,
            outstanding: meta.outstanding_ids().collect(),
            rules: meta.rules.map(|r| r.file),
            has_tried: meta.shadow.is_some(),
            shadow: meta.shadow.and_then(|shadow| shadow.file),
            state,
            replay,
            replayed_through: meta.replayed_through,
        })
    }
}

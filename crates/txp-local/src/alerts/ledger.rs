//! Writing `alerts/table.jsonl`.
//!
//! Alerts are recorded in the order of the history, so "recorded already" is a comparison of
//! positions, and memory does not grow with the table.

use super::line::{AlertEntry, Delivery, Line, TABLE};
use super::newest::Newest;
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use txp_domain::alert::Notice;
use txp_domain::position::Position;
use txp_domain::time::Timestamp;
use txp_pipeline::port::{AlertLedger, AlertRecord, ErrorKind, Handed, PortError, Recorded};

/// The alert table, open for its one writer.
#[derive(Debug)]
pub struct Ledger {
    file: File,
    path: PathBuf,
    recorded_through: u64,
}

impl Ledger {
    /// Opens the table in a directory, or starts one. A torn last line is cut off: its alert is
    /// recorded again. Gives the alerts that a restart has to take up: those still to be handed on,
    /// and of each merchant and rule the last that was sent since `recent`.
    ///
    /// # Errors
    /// The table cannot be read or written, or is damaged.
    pub fn open(dir: &Path, recent: Timestamp) -> io::Result<(Self, Waiting)> {
        fs::create_dir_all(dir)?;
        let path = dir.join(TABLE);
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(&path)?;
        let mut newest = Newest::of(file.try_clone()?)?;
        if newest.sound_bytes() < file.metadata()?.len() {
            file.set_len(newest.sound_bytes())?;
            file.sync_data()?;
        }
        let (mut recorded_through, mut places) = (0, Vec::new());
        let mut sent = HashSet::new();
        while let Some((at, entry)) = newest.next_with_place()? {
            let sequence = entry.record.position.sequence.as_u64();
            recorded_through = recorded_through.max(sequence.unwrap_or(0));
            let is_taken_up = match entry.delivery {
                Delivery::Pending => true,
                Delivery::Sent if entry.record.decided_at >= recent => {
                    let notice = Notice::of(&entry.record.flagged.finding);
                    sent.insert((notice.merchant_id, notice.rule))
                }
                _ => false,
            };
            if is_taken_up {
                places.push((at, entry.delivery));
            }
        }
        file.seek(io::SeekFrom::End(0))?;
        let waiting = Waiting { newest, places };
        let ledger = Self {
            file,
            path,
            recorded_through,
        };
        Ok((ledger, waiting))
    }

    fn append(&mut self, lines: &[Line]) -> Result<(), PortError> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for line in lines {
            line.encode(&mut bytes).map_err(|e| {
                PortError::caused(
                    ErrorKind::Permanent,
                    "an alert cannot be written as JSON",
                    e,
                )
            })?;
        }
        self.file
            .write_all(&bytes)
            .and_then(|()| self.file.sync_data())
            .map_err(|error| {
                let context = format!("the alert table {} cannot be written", self.path.display());
                PortError::caused(ErrorKind::Permanent, context, error)
            })
    }
}

impl AlertLedger for Ledger {
    /// What a crash left waiting is taken up when the table is opened, so nothing waits here.
    async fn look_up(&mut self, _: &str, position: &Position) -> Result<Recorded, PortError> {
        let sequence = position.sequence.as_u64();
        Ok(
            if sequence.is_some_and(|sequence| sequence <= self.recorded_through) {
                Recorded::Yes
            } else {
                Recorded::No
            },
        )
    }

    async fn record(&mut self, alerts: &[AlertRecord]) -> Result<(), PortError> {
        let lines: Vec<_> = alerts
            .iter()
            .map(|alert| Line::Recorded {
                sequence: alert.position.sequence.as_u64().unwrap_or(0),
                bucket: alert.position.bucket.0,
                decision: alert.decision.name().to_owned(),
                decided_at: alert.decided_at,
                time: alert.flagged.time,
                finding: Box::new(alert.flagged.finding.clone()),
            })
            .collect();
        self.append(&lines)?;
        let last = alerts
            .iter()
            .filter_map(|alert| alert.position.sequence.as_u64())
            .max();
        self.recorded_through = self.recorded_through.max(last.unwrap_or(0));
        Ok(())
    }

    async fn mark(&mut self, handed: &[Handed], at: Timestamp) -> Result<(), PortError> {
        let lines: Vec<_> = handed
            .iter()
            .cloned()
            .map(|handed| match handed {
                Handed::Alert { id } => Line::Handed { id, at },
                Handed::Digest {
                    id,
                    merchant_id,
                    rule,
                    count,
                    alerts: _,
                } => Line::HandedDigest {
                    id,
                    merchant_id,
                    rule,
                    count,
                    at,
                },
            })
            .collect();
        self.append(&lines)
    }
}

/// Alerts that a restart takes up, in the order in which they were recorded. Their places are held,
/// not they themselves: a crash in a storm leaves very many.
#[derive(Debug)]
pub struct Waiting {
    newest: Newest,
    places: Vec<(u64, Delivery)>,
}

impl Waiting {
    /// The next of them.
    ///
    /// # Errors
    /// The table cannot be read.
    pub fn next_entry(&mut self) -> io::Result<Option<AlertEntry>> {
        let Some((at, delivery)) = self.places.pop() else {
            return Ok(None);
        };
        let record = self.newest.record_at(at)?;
        Ok(Some(AlertEntry { record, delivery }))
    }

    /// How many are left.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether none is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

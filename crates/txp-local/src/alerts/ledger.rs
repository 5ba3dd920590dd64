//! `alerts/table.jsonl`: a line per alert as recorded, a line per alert or digest as handed on.
//!
//! Alerts are recorded in the order of the history, so "recorded already" is a comparison of
//! positions, and memory does not grow with the table.

use crate::lines;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek, Write};
use std::path::{Path, PathBuf};
use txp_domain::alert::{Decision, Notice};
use txp_domain::event::AnomalyFlagged;
use txp_domain::finding::Finding;
use txp_domain::position::{Bucket, Position, Sequence};
use txp_domain::time::Timestamp;
use txp_pipeline::port::{AlertLedger, AlertRecord, ErrorKind, Handed, PortError};

const TABLE: &str = "table.jsonl";

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line {
    Recorded {
        sequence: u64,
        bucket: u8,
        decision: String,
        decided_at: Timestamp,
        time: Timestamp,
        finding: Box<Finding>,
    },
    Handed {
        id: String,
        at: Timestamp,
    },
    HandedDigest {
        id: String,
        merchant_id: String,
        rule: String,
        count: u64,
        at: Timestamp,
    },
}

/// What became of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Handed to the sink by itself.
    Sent,
    /// Handed to the sink in a digest.
    SentInDigest,
    /// Waits for its digest, or for the sink.
    Pending,
    /// Recorded only: its event time is too long ago.
    Recorded,
}

/// One alert of the table.
#[derive(Clone, Debug)]
pub struct AlertEntry {
    /// As recorded.
    pub record: AlertRecord,
    /// What became of it.
    pub delivery: Delivery,
}

/// The alert table, open for its one writer.
#[derive(Debug)]
pub struct Ledger {
    file: File,
    path: PathBuf,
    recorded_through: u64,
}

impl Ledger {
    /// Opens the table in a directory, or starts one. A torn last line is cut off: its alert is
    /// recorded again. Gives the alerts that are still to be handed on, and those since `recent`.
    ///
    /// # Errors
    /// The table cannot be read or written.
    pub fn open(dir: &Path, recent: Timestamp) -> io::Result<(Self, Vec<AlertEntry>)> {
        fs::create_dir_all(dir)?;
        let path = dir.join(TABLE);
        let mut file = lines::open(&path)?;
        file.rewind()?;
        let (mut open, mut recorded_through) = (Vec::new(), 0);
        for_each_line(&file, |line| {
            if let Line::Recorded { sequence, .. } = &line {
                recorded_through = recorded_through.max(*sequence);
            }
            take_up(&mut open, line);
            open.retain(|entry: &AlertEntry| {
                entry.delivery == Delivery::Pending || entry.record.decided_at >= recent
            });
        })?;
        Ok((
            Self {
                file,
                path,
                recorded_through,
            },
            open,
        ))
    }

    fn append(&mut self, lines: &[Line]) -> Result<(), PortError> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut bytes, line).map_err(|e| {
                PortError::caused(
                    ErrorKind::Permanent,
                    "an alert cannot be written as JSON",
                    e,
                )
            })?;
            bytes.push(b'\n');
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
    fn is_recorded(&self, _: &str, position: &Position) -> bool {
        position
            .sequence
            .as_u64()
            .is_some_and(|sequence| sequence <= self.recorded_through)
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

/// All alerts of the table in a directory, in order; none where there is no table.
///
/// # Errors
/// The table cannot be read.
pub fn read_entries(dir: &Path) -> io::Result<Vec<AlertEntry>> {
    let file = match File::open(dir.join(TABLE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut entries = Vec::new();
    for_each_line(&file, |line| take_up(&mut entries, line))?;
    Ok(entries)
}

/// Calls `each` with every line; one that is torn, or still being written, is passed over.
fn for_each_line(file: &File, mut each: impl FnMut(Line)) -> io::Result<()> {
    let mut reader = BufReader::new(file);
    let (mut line, mut sound) = (Vec::new(), 0);
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        if read == 0 || line.last() != Some(&b'\n') {
            return Ok(());
        }
        let Ok(parsed) = serde_json::from_slice(&line) else {
            let message = format!(
                "the alert table is damaged at byte {sound}; move it away to start a new one"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        };
        sound += read as u64;
        each(parsed);
    }
}

fn take_up(entries: &mut Vec<AlertEntry>, line: Line) {
    match line {
        Line::Recorded {
            sequence,
            bucket,
            decision,
            decided_at,
            time,
            finding,
        } => {
            let (decision, delivery) = match decision.as_str() {
                "sent" => (Decision::Send, Delivery::Pending),
                "digest" => (Decision::Digest, Delivery::Pending),
                _ => (Decision::RecordOnly, Delivery::Recorded),
            };
            let position = Position {
                bucket: Bucket(bucket),
                sequence: Sequence::from(sequence),
                subsequence: 0,
            };
            let flagged = AnomalyFlagged {
                finding: *finding,
                time,
            };
            entries.push(AlertEntry {
                record: AlertRecord {
                    flagged,
                    decision,
                    decided_at,
                    position,
                },
                delivery,
            });
        }
        Line::Handed { id, .. } => {
            let handed = entries
                .iter_mut()
                .rev()
                .find(|entry| entry.record.flagged.id() == id);
            if let Some(entry) = handed {
                entry.delivery = Delivery::Sent;
            }
        }
        Line::HandedDigest {
            merchant_id, rule, ..
        } => {
            let waiting = |entry: &&mut AlertEntry| {
                entry.record.decision == Decision::Digest && entry.delivery == Delivery::Pending
            };
            for entry in entries.iter_mut().filter(waiting) {
                let notice = Notice::of(&entry.record.flagged.finding);
                if notice.merchant_id == merchant_id && notice.rule == rule {
                    entry.delivery = Delivery::SentInDigest;
                }
            }
        }
    }
}

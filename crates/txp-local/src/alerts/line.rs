//! `alerts/table.jsonl`: a line per alert as recorded, a line per alert or digest as handed on.
//!
//! A line is a JSON object whose last member is a checksum of all that is before it, in letters: a
//! changed amount or name would be JSON as well.

use serde::{Deserialize, Serialize};
use txp_domain::alert::Decision;
use txp_domain::event::AnomalyFlagged;
use txp_domain::finding::Finding;
use txp_domain::letters::to_letters;
use txp_domain::position::{Bucket, Position, Sequence};
use txp_domain::time::Timestamp;
use txp_pipeline::port::AlertRecord;

/// The table's name in its directory.
pub(super) const TABLE: &str = "table.jsonl";

/// A line of the table.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Line {
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

/// What stands before the checksum, and behind it.
const CHECK_BEGINS: &[u8] = b",\"check\":\"";
const CHECK_ENDS: &[u8] = b"\"}";
/// A CRC-32C has four bytes, each two letters.
const CHECK_LETTERS: usize = 8;

impl Line {
    /// Writes the line, its end too.
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        let start = out.len();
        serde_json::to_writer(&mut *out, self)?;
        // The object goes on.
        out.pop();
        let check = check_of(out.get(start..).unwrap_or_default());
        out.extend_from_slice(CHECK_BEGINS);
        out.extend_from_slice(check.as_bytes());
        out.extend_from_slice(CHECK_ENDS);
        out.push(b'\n');
        Ok(())
    }

    /// Reads a line, if it is as it was written.
    pub(super) fn decode(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(verified(line)?).ok()
    }

    /// The alert that this line records, if it does.
    pub(super) fn into_record(self) -> Option<AlertRecord> {
        let Self::Recorded {
            sequence,
            bucket,
            decision,
            decided_at,
            time,
            finding,
        } = self
        else {
            return None;
        };
        let decision = [Decision::Send, Decision::Digest, Decision::Suppressed]
            .into_iter()
            .find(|known| known.name() == decision)
            .unwrap_or(Decision::RecordOnly);
        Some(AlertRecord {
            flagged: AnomalyFlagged {
                finding: *finding,
                time,
            },
            decision,
            decided_at,
            position: Position {
                bucket: Bucket(bucket),
                sequence: Sequence::from(sequence),
                subsequence: 0,
            },
        })
    }
}

/// A line that is as it was written, without its end.
pub(super) fn verified(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_suffix(b"\n")?;
    let rest = line.strip_suffix(CHECK_ENDS)?;
    let (rest, check) = rest.split_at_checked(rest.len().checked_sub(CHECK_LETTERS)?)?;
    let body = rest.strip_suffix(CHECK_BEGINS)?;
    (check_of(body).as_bytes() == check).then_some(line)
}

fn check_of(body: &[u8]) -> String {
    to_letters(&crc32c::crc32c(body).to_be_bytes())
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
    /// Recorded only: an operator had it suppressed.
    Suppressed,
}

impl Delivery {
    /// The name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::SentInDigest => "sent_in_digest",
            Self::Pending => "pending",
            Self::Recorded => "recorded",
            Self::Suppressed => "suppressed",
        }
    }

    /// Of an alert that is recorded and not handed on.
    pub(super) fn waiting(decision: Decision) -> Self {
        match decision {
            Decision::Send | Decision::Digest => Self::Pending,
            Decision::RecordOnly => Self::Recorded,
            Decision::Suppressed => Self::Suppressed,
        }
    }
}

/// One alert of the table.
#[derive(Clone, Debug)]
pub struct AlertEntry {
    /// As recorded.
    pub record: AlertRecord,
    /// What became of it.
    pub delivery: Delivery,
}

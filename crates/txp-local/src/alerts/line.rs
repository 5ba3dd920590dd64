//! `alerts/table.jsonl`: a line per alert as recorded, a line per alert or digest as handed on.

use serde::{Deserialize, Serialize};
use txp_domain::alert::Decision;
use txp_domain::event::AnomalyFlagged;
use txp_domain::finding::Finding;
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

impl Line {
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
        let decision = [Decision::Send, Decision::Digest]
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

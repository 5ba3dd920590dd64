//! Where a reading in steps stands, as it is put away between two steps.
//!
//! A version, a checksum, then JSON. What cannot be read, be it damaged or of a later version, is
//! taken as nothing: a file may always be read from its start, the events are the same. No byte of
//! the file is in it but names of columns, redacted as in reports.

use super::tally::{Tally, TallyForm, hexadecimal};
use crate::csv::{Checkpoint, DIGEST_STATE_BYTES, FileDigest, Header, RecordReader};
use serde::{Deserialize, Serialize};
use std::io::Read;
use txp_domain::event::FailureReason;
use xxhash_rust::xxh3::xxh3_64;

/// The form that is written.
const VERSION: u8 = 1;

/// What a reading is at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// The digest of all bytes, before any row is read.
    Hashing,
    /// The first pass of a strict upload: no event.
    Checking,
    /// Rows into events.
    Reading,
    /// The file failed; what is behind the fault is read for the digest only.
    Rest {
        /// Why it failed.
        reason: FailureReason,
        /// Whether rows before the fault became events.
        has_rows: bool,
    },
}

/// Where rows are read on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) header: Header,
    pub(super) at: Checkpoint,
}

/// All that a reading in steps must know to go on.
#[derive(Clone, Debug)]
pub(super) struct ReadState {
    /// upload.received is in the history.
    pub(super) is_announced: bool,
    /// How often it was stopped for want of time.
    pub(super) hops: u32,
    pub(super) phase: Phase,
    /// `None` at the start of a pass.
    pub(super) place: Option<Place>,
    /// Of all that was read in this phase, or more than was handed out as rows.
    pub(super) digest: FileDigest,
    pub(super) tally: Tally,
    /// What the report's store needs to go on.
    pub(super) report: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Form {
    is_announced: bool,
    hops: u32,
    phase: Phase,
    place: Option<Place>,
    digest: String,
    tally: TallyForm,
    report: Option<String>,
}

impl ReadState {
    pub(super) fn start(phase: Phase) -> Self {
        Self {
            is_announced: false,
            hops: 0,
            phase,
            place: None,
            digest: FileDigest::new(),
            tally: Tally::default(),
            report: None,
        }
    }

    /// Goes to the start of another pass; nothing is counted there yet.
    pub(super) fn next_pass(&mut self, phase: Phase) {
        self.phase = phase;
        self.place = None;
        self.digest = FileDigest::new();
        self.tally = Tally::default();
        self.report = None;
    }

    /// Rows were read up to where the reader stands.
    pub(super) fn read_to<R: Read>(&mut self, reader: &RecordReader<R>, tally: &Tally) {
        self.tally.clone_from(tally);
        self.digest = reader.digest().cloned().unwrap_or_default();
        let (header, at) = (reader.header().clone(), reader.checkpoint());
        self.place = Some(Place { header, at });
    }

    /// Grows as long as anything is read.
    pub(super) fn progress(&self) -> (u8, u64) {
        let row = self.place.as_ref().map_or(0, |place| place.at.offset);
        match self.phase {
            Phase::Hashing => (0, self.digest.bytes()),
            Phase::Checking => (1, row),
            Phase::Reading => (2, row),
            Phase::Rest { .. } => (3, self.digest.bytes()),
        }
    }

    /// The last record whose event is in the history, and the offset behind it.
    pub(super) fn acknowledged(&self) -> (u64, u64) {
        match (&self.phase, &self.place) {
            (Phase::Reading | Phase::Rest { has_rows: true, .. }, Some(place)) => {
                (place.at.record.saturating_sub(1), place.at.offset)
            }
            _ => (0, 0),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let form = Form {
            is_announced: self.is_announced,
            hops: self.hops,
            phase: self.phase.clone(),
            place: self.place.clone(),
            digest: hexadecimal(&self.digest.state()),
            tally: self.tally.to_form(),
            report: self.report.clone(),
        };
        // Texts, numbers, and maps with keys of those: always JSON. Nothing is a state as well.
        let json = serde_json::to_vec(&form).unwrap_or_default();
        let mut state = vec![VERSION];
        state.extend_from_slice(&xxh3_64(&json).to_be_bytes());
        state.extend_from_slice(&json);
        state
    }

    /// `None` if that is not what [`Self::encode`] wrote.
    pub(super) fn decode(state: &[u8]) -> Option<Self> {
        let state = state.strip_prefix(&[VERSION])?;
        let (checksum, json) = state.split_first_chunk()?;
        if u64::from_be_bytes(*checksum) != xxh3_64(json) {
            return None;
        }
        let form: Form = serde_json::from_slice(json).ok()?;
        let digest = FileDigest::restore(&unhexadecimal(&form.digest)?)?;
        Some(Self {
            is_announced: form.is_announced,
            hops: form.hops,
            phase: form.phase,
            place: form.place,
            digest,
            tally: Tally::of_form(&form.tally)?,
            report: form.report,
        })
    }
}

fn unhexadecimal(text: &str) -> Option<[u8; DIGEST_STATE_BYTES]> {
    let mut bytes = [0; DIGEST_STATE_BYTES];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;

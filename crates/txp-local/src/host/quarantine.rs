//! `quarantine.jsonl`: the events that cannot be processed, by position. The log keeps their bytes;
//! here stands where and why, so that the log moves on and someone can look. What was folded at its
//! place since, by a program that can read it, is marked as redriven.

use super::HostError;
use crate::lines;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use txp_domain::redact::redact;
use txp_domain::time::Timestamp;
use txp_pipeline::port::{ErrorKind, Poison, PortError};

const FILE: &str = "quarantine.jsonl";

/// An event in quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Its bucket.
    pub bucket: u8,
    /// Its sequence number.
    pub sequence: u64,
    /// The stage that could not process it.
    pub stage: String,
    /// Why.
    pub reason: String,
}

/// A line that says that an event counts where it stands.
#[derive(Serialize, Deserialize)]
struct Redriven {
    redriven: u64,
    at: Timestamp,
}

/// The quarantine, open for writing.
#[derive(Debug)]
pub struct Quarantine {
    path: PathBuf,
    known: BTreeSet<u64>,
    file: Option<File>,
}

impl Quarantine {
    /// Opens that of a data directory.
    ///
    /// # Errors
    /// What is there cannot be read.
    pub fn open(dir: &Path) -> Result<Self, HostError> {
        let known = read(dir).map_err(HostError::io("reading the quarantine in", dir))?;
        let known = known.into_iter().map(|event| event.sequence).collect();
        Ok(Self {
            path: dir.join(FILE),
            known,
            file: None,
        })
    }

    pub(super) fn is_new(&self, poison: &Poison) -> bool {
        poison
            .position
            .sequence
            .as_u64()
            .is_some_and(|sequence| !self.known.contains(&sequence))
    }

    fn append(&mut self, event: &Quarantined) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        // What a failed write leaves of a line is cut off when the file is opened again.
        let mut file = match self.file.take() {
            Some(file) => file,
            None => lines::open(&self.path)?,
        };
        file.write_all(&line)?;
        file.sync_data()?;
        self.file = Some(file);
        Ok(())
    }
}

impl txp_pipeline::port::Quarantine for Quarantine {
    async fn put(&mut self, poison: &Poison) -> Result<(), PortError> {
        let sequence = poison.position.sequence.as_u64().unwrap_or(0);
        if self.known.contains(&sequence) {
            return Ok(());
        }
        let event = Quarantined {
            bucket: poison.position.bucket.0,
            sequence,
            stage: poison.stage.to_owned(),
            reason: redact(&poison.reason).into_owned(),
        };
        self.append(&event).map_err(|error| {
            let context = format!("the quarantine {} cannot be written", self.path.display());
            PortError::caused(ErrorKind::Permanent, context, error)
        })?;
        self.known.insert(sequence);
        Ok(())
    }
}

/// The events that are in a directory's quarantine now; a torn last line is passed over.
///
/// # Errors
/// It cannot be read.
pub fn read(dir: &Path) -> io::Result<Vec<Quarantined>> {
    let all = read_all(dir)?.into_iter();
    Ok(all
        .filter_map(|(event, redriven_at)| redriven_at.is_none().then_some(event))
        .collect())
}

/// Marks events as redriven: they were folded at their places.
///
/// # Errors
/// It cannot be written.
pub(crate) fn mark_redriven(dir: &Path, sequences: &[u64], at: Timestamp) -> io::Result<()> {
    let mut marks = Vec::new();
    for redriven in sequences {
        let mark = Redriven {
            redriven: *redriven,
            at,
        };
        serde_json::to_writer(&mut marks, &mark)?;
        marks.push(b'\n');
    }
    let mut file = lines::open(&dir.join(FILE))?;
    file.write_all(&marks)?;
    file.sync_data()
}

/// Every event that was ever put there, by its place in the log, and when it was redriven. One that
/// came back since, because an older program could not read it, counts as new.
///
/// # Errors
/// It cannot be read.
pub fn read_all(dir: &Path) -> io::Result<Vec<(Quarantined, Option<Timestamp>)>> {
    let bytes = match std::fs::read(dir.join(FILE)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = BTreeMap::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else {
            continue;
        };
        if let Ok(event) = serde_json::from_slice::<Quarantined>(line) {
            found.insert(event.sequence, (event, None));
        } else if let Ok(mark) = serde_json::from_slice::<Redriven>(line)
            && let Some((_, redriven_at)) = found.get_mut(&mark.redriven)
        {
            *redriven_at = Some(mark.at);
        }
    }
    Ok(found.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block_on::block_on;
    use txp_domain::position::{Bucket, Position, Sequence};
    use txp_pipeline::port::Quarantine as _;

    fn poison(sequence: u64) -> Poison {
        Poison {
            position: Position {
                bucket: Bucket(7),
                sequence: Sequence::from(sequence),
                subsequence: 0,
            },
            stage: "fold",
            reason: "not JSON".to_owned(),
        }
    }

    /// Wherever a crash tears the last line, the event is there again after the next run, and the
    /// one after it too.
    #[test]
    fn a_torn_line_loses_no_event() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let put = |sequences: &[u64]| {
            let mut quarantine = Quarantine::open(dir.path()).unwrap();
            for sequence in sequences {
                block_on(quarantine.put(&poison(*sequence))).unwrap();
            }
        };
        put(&[1]);
        let first = std::fs::metadata(&path).unwrap().len();
        put(&[2]);
        let whole = std::fs::read(&path).unwrap();
        for torn in first as usize..whole.len() {
            std::fs::write(&path, &whole[..torn]).unwrap();
            put(&[2, 3]);
            let found = read(dir.path()).unwrap();
            let found: Vec<_> = found.iter().map(|event| event.sequence).collect();
            assert_eq!(found, [1, 2, 3], "torn at {torn}");
        }
    }
}

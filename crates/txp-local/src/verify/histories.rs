//! Two histories of the same events, as the archive and the stream that it was made of: every event of
//! the stretch that both hold is there in both, with the same bytes.
//!
//! Per bucket the stretch goes from the later of both beginnings to the earlier of both ends. What lies
//! outside of it is counted and not compared: a stream forgets, an archive is behind.

use super::VerifyError;
use crate::sorter::{Record, Sorted, Sorter};
use serde::Serialize;
use std::path::Path;
use txp_domain::position::{BUCKET_COUNT, Bucket, Position, Sequence};
use txp_pipeline::document::PositionDocument;
use txp_pipeline::port::{EventSource, Progress, SourceBatch};
use xxhash_rust::xxh3::xxh3_128;

/// Differing events that are told; more are counted.
const TOLD_MAX: usize = 100;

/// An event that is not the same in both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unequal {
    /// Where it stands.
    pub position: PositionDocument,
    /// What is wrong.
    pub what: &'static str,
}

/// What comparing two histories found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HistoriesReport {
    /// Events of the stretch that both hold.
    pub events: u64,
    /// Those of them that are not the same in both.
    pub drift: u64,
    /// In the first and not in the second.
    pub missing_in_against: u64,
    /// In the second and not in the first.
    pub missing_in_source: u64,
    /// In both, with other bytes.
    pub differing: u64,
    /// More than once in one of them, with the same bytes: a redelivery, which folds drop.
    pub repeated: u64,
    /// Events outside of the stretch.
    pub outside: u64,
    /// The first events that differ.
    pub unequal: Vec<Unequal>,
}

/// Two histories, gathered.
#[derive(Debug)]
pub struct Histories {
    sorter: Sorter,
    ends: Ends,
}

impl Histories {
    /// With files in `work`.
    #[must_use]
    pub fn new(work: &Path) -> Self {
        Self {
            sorter: Sorter::new(work, "events"),
            ends: [vec![None; BUCKET_COUNT], vec![None; BUCKET_COUNT]],
        }
    }

    /// Reads one of them to its end, for now: the first or the second. `watch` is told how many events
    /// were read, and says whether to go on; whether it did.
    ///
    /// # Errors
    /// It cannot be read, or files cannot be written.
    pub async fn read<S: EventSource>(
        &mut self,
        source: &mut S,
        is_second: bool,
        mut watch: impl FnMut(u64) -> bool,
    ) -> Result<bool, VerifyError> {
        let (mut raw, mut read) = (SourceBatch::default(), 0);
        loop {
            let progress = source.next(&mut raw).await?;
            for event in raw.events() {
                self.take(&event.position, event.bytes, is_second)?;
            }
            read += raw.len() as u64;
            if !watch(read) {
                return Ok(false);
            }
            if progress != Progress::More {
                return Ok(true);
            }
        }
    }

    fn take(
        &mut self,
        position: &Position,
        bytes: &[u8],
        is_second: bool,
    ) -> Result<(), VerifyError> {
        let [first, second] = &mut self.ends;
        let ends = if is_second { second } else { first };
        if let Some(ends) = ends.get_mut(position.bucket.index()) {
            match ends {
                None => *ends = Some((position.clone(), position.clone())),
                Some((first, last)) => {
                    if first.is_after(position) {
                        *first = position.clone();
                    }
                    if position.is_after(last) {
                        *last = position.clone();
                    }
                }
            }
        }
        let mut key = Vec::with_capacity(80);
        let hash = key_of(position, &mut key);
        let digest = xxh3_128(bytes);
        self.sorter.push(hash, &key, |out| {
            out.push(u8::from(is_second));
            out.extend_from_slice(&digest.to_le_bytes());
        })?;
        Ok(())
    }
}

/// First and last event of each bucket, by side.
type Ends = [Vec<Option<(Position, Position)>>; 2];

/// Whether a position lies in the stretch that both hold.
fn is_within(ends: &Ends, position: &Position) -> bool {
    ends.iter().all(|ends| {
        let ends = ends.get(position.bucket.index()).and_then(Option::as_ref);
        ends.is_some_and(|(first, last)| !first.is_after(position) && !position.is_after(last))
    })
}

/// The place in the order of buckets and positions.
fn key_of(position: &Position, key: &mut Vec<u8>) -> u64 {
    let digits = position.sequence.to_string();
    // Numbers without leading zeros: the longer one is the greater one. They have 129 digits at most.
    key.push(u8::try_from(digits.len()).unwrap_or(u8::MAX));
    key.extend_from_slice(digits.as_bytes());
    key.extend_from_slice(&position.subsequence.to_be_bytes());
    u64::from(position.bucket.0)
}

fn position_of(record: &Record<'_>) -> Option<Position> {
    let (length, rest) = record.key.split_first()?;
    let (digits, subsequence) = rest.split_at_checked(usize::from(*length))?;
    Some(Position {
        bucket: Bucket(u8::try_from(record.hash).ok()?),
        sequence: Sequence::parse(std::str::from_utf8(digits).ok()?)?,
        subsequence: u64::from_be_bytes(subsequence.try_into().ok()?),
    })
}

/// Compares them.
///
/// # Errors
/// Files cannot be written or read.
pub fn compare_histories(histories: Histories) -> Result<HistoriesReport, VerifyError> {
    let Histories { sorter, ends } = histories;
    let mut sorted = sorter.finish()?;
    let mut report = HistoriesReport::default();
    sorted.next()?;
    while let Some(record) = sorted.current() {
        let position = position_of(&record).ok_or(VerifyError::Garbled)?;
        let sides = sides_of(&mut sorted)?;
        if is_within(&ends, &position) {
            report.judge(&position, &sides);
        } else {
            report.outside += 1;
        }
    }
    Ok(report)
}

/// What each side has at one position: a digest, and how many times.
#[derive(Default)]
struct Side {
    digest: Option<u128>,
    times: u64,
    /// It has the position with several contents.
    differs: bool,
}

/// Takes all records of a position.
fn sides_of(sorted: &mut Sorted) -> Result<[Side; 2], VerifyError> {
    let mut sides = [Side::default(), Side::default()];
    let Some(Record { hash, key, .. }) = sorted.current() else {
        return Ok(sides);
    };
    let key = key.to_vec();
    while let Some(record) = sorted.current() {
        if record.hash != hash || record.key != key {
            break;
        }
        let (side, digest) = record.value.split_first().ok_or(VerifyError::Garbled)?;
        let digest = digest.try_into().map_err(|_| VerifyError::Garbled)?;
        let digest = u128::from_le_bytes(digest);
        let [first, second] = &mut sides;
        let side = if *side == 0 { first } else { second };
        side.times += 1;
        side.differs |= side.digest.is_some_and(|known| known != digest);
        side.digest = Some(digest);
        sorted.next()?;
    }
    Ok(sides)
}

impl HistoriesReport {
    fn judge(&mut self, position: &Position, [first, second]: &[Side; 2]) {
        self.events += 1;
        self.repeated += first.times.saturating_sub(1) + second.times.saturating_sub(1);
        let (count, what) = match (first.digest, second.digest) {
            (Some(_), None) => (&mut self.missing_in_against, "missing in --against"),
            (None, Some(_)) => (&mut self.missing_in_source, "missing in --source"),
            (one, other) if one != other || first.differs || second.differs => {
                (&mut self.differing, "other bytes")
            }
            _ => return,
        };
        *count += 1;
        self.drift += 1;
        if self.unequal.len() < TOLD_MAX {
            let position = PositionDocument::from(position);
            self.unequal.push(Unequal { position, what });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(bucket: u8, sequence: &str, subsequence: u64) -> Position {
        Position {
            bucket: Bucket(bucket),
            sequence: Sequence::parse(sequence).unwrap(),
            subsequence,
        }
    }

    fn compared(sides: [&[(Position, &str)]; 2]) -> HistoriesReport {
        let work = tempfile::tempdir().unwrap();
        let mut histories = Histories::new(work.path());
        for (events, is_second) in sides.into_iter().zip([false, true]) {
            for (position, bytes) in events {
                let bytes = bytes.as_bytes();
                histories.take(position, bytes, is_second).unwrap();
            }
        }
        compare_histories(histories).unwrap()
    }

    #[test]
    fn positions_are_in_the_order_of_numbers() {
        let ascending = [
            at(0, "9", 0),
            at(0, "10", 0),
            at(0, "10", 1),
            at(
                0,
                "49590338271490256608559692538361571095921575989136588898",
                0,
            ),
            at(1, "1", 0),
        ];
        let keys = ascending.clone().map(|position| {
            let mut key = Vec::new();
            (key_of(&position, &mut key), key)
        });
        assert!(keys.is_sorted());
        for (position, (hash, key)) in ascending.iter().zip(&keys) {
            let value: &[u8] = &[];
            let record = Record {
                hash: *hash,
                key,
                value,
            };
            assert_eq!(position_of(&record).as_ref(), Some(position));
        }
    }

    #[test]
    fn only_the_stretch_that_both_hold_is_compared_and_all_of_it_is() {
        let event = |sequence: &'static str, bytes: &'static str| (at(7, sequence, 0), bytes);
        let archive: Vec<_> = ["1", "2", "3", "4"].map(|n| event(n, n)).into();
        let stream: Vec<_> = ["3", "4", "5"].map(|n| event(n, n)).into();
        let report = compared([&archive, &stream]);
        assert_eq!((report.events, report.drift, report.outside), (2, 0, 3));

        let holes = [event("1", "1"), event("4", "4")];
        let report = compared([&archive, &holes]);
        assert_eq!((report.missing_in_against, report.drift), (2, 2));
        assert_eq!(report.unequal[0].position.sequence, "2");
        assert_eq!(compared([&holes, &archive]).missing_in_source, 2);

        let other = [
            event("1", "1"),
            event("2", "x"),
            event("3", "3"),
            event("4", "4"),
        ];
        let report = compared([&archive, &other]);
        assert_eq!((report.differing, report.drift), (1, 1));

        let twice = [&archive[..], &archive[..1]].concat();
        let report = compared([&twice, &archive]);
        assert_eq!((report.repeated, report.drift, report.events), (1, 0, 4));
        assert_eq!(compared([&archive, &[]]).events, 0);
    }
}

//! Rows of an earlier upload that are read again, from the same file, because they were rejected by
//! mistake. They are rows of a new upload and keep their record numbers, so each event's id leads to
//! the first try: `{new upload}:{record}` to `{upload_id}:{record}`.

use crate::id::UploadId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most records of one redrive: `upload.received` names each stretch of them.
pub const REDRIVE_RECORDS_MAX: usize = 20_000;

/// Which rows of which upload are read again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Redrive {
    /// The upload in which they were rejected.
    pub upload_id: UploadId,
    /// Their records.
    pub records: RecordSpans,
}

/// Record numbers, as stretches `[first, last]` in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RecordSpans(Vec<(u64, u64)>);

impl RecordSpans {
    /// Of record numbers in ascending order; one that is not above the last is left out.
    #[must_use]
    pub fn of(records: impl IntoIterator<Item = u64>) -> Self {
        let mut spans: Vec<(u64, u64)> = Vec::new();
        for record in records {
            match spans.last_mut() {
                Some((_, last)) if record <= *last => {}
                Some((_, last)) if record == *last + 1 => *last = record,
                _ => spans.push((record, record)),
            }
        }
        Self(spans)
    }

    /// Whether a record is one of them.
    #[must_use]
    pub fn contains(&self, record: u64) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= record);
        let before = after.checked_sub(1).and_then(|at| self.0.get(at));
        before.is_some_and(|(_, last)| record <= *last)
    }

    /// The stretches, first and last record, in ascending order.
    pub fn stretches(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().copied()
    }

    /// The sum of their numbers.
    #[must_use]
    pub fn sum(&self) -> u128 {
        let sums = self.stretches().map(|(first, last)| {
            let [first, last] = [first, last].map(u128::from);
            let length = (last + 1).saturating_sub(first);
            // Of two factors one is even, and what may be halved twice is halved once.
            ((first + last) / 2)
                .saturating_mul(length)
                .saturating_add((first + last) % 2 * (length / 2))
        });
        sums.fold(0, u128::saturating_add)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        let length = |(first, last): &(u64, u64)| last.saturating_sub(*first).saturating_add(1);
        self.0.iter().map(length).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn spans_hold_what_they_were_made_of() {
        for records in [
            vec![],
            vec![1],
            vec![1, 2, 3],
            vec![2, 4, 5, 6, 9],
            vec![u64::MAX - 1, u64::MAX],
        ] {
            let set: BTreeSet<u64> = records.iter().copied().collect();
            let spans = RecordSpans::of(records.iter().copied());
            assert_eq!(spans.count(), set.len() as u64);
            for record in (0..12).chain([u64::MAX - 2, u64::MAX - 1, u64::MAX]) {
                assert_eq!(spans.contains(record), set.contains(&record), "{record}");
            }
            let sum: u128 = set.iter().copied().map(u128::from).sum();
            assert_eq!(spans.sum(), sum);
            let json = serde_json::to_string(&spans).unwrap();
            assert_eq!(serde_json::from_str::<RecordSpans>(&json).unwrap(), spans);
        }
        let all = RecordSpans(vec![(0, u64::MAX)]);
        assert_eq!(all.sum(), u128::from(u64::MAX) << 63);
        let spans = RecordSpans::of([2, 4, 5, 6, 9]);
        assert_eq!(
            serde_json::to_string(&spans).unwrap(),
            "[[2,2],[4,6],[9,9]]"
        );
    }
}

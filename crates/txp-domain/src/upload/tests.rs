//! An upload's state: each row counted once, in whatever order its events come.

use super::*;
use crate::event::{Merchants, SourceFile, UploadFailed, UploadOptions, UploadParsed};
use crate::time::Timestamp;
use proptest::prelude::*;

fn id() -> UploadId {
    UploadId::new(1, [1; 6])
}

fn received() -> UploadEvent {
    UploadEvent::Received(UploadReceived {
        upload_id: id(),
        uploaded_at: Timestamp(1),
        trace: None,
        client_id: "c".into(),
        file: SourceFile::default(),
        options: UploadOptions::default(),
        merchants: Merchants::All,
    })
}

fn tally(ends: &[(u8, u64)]) -> UploadTally {
    UploadTally {
        last_record_by_bucket: BucketRecords(ends.iter().copied().collect()),
        ..UploadTally::default()
    }
}

fn parsed(ends: &[(u8, u64)]) -> UploadEvent {
    UploadEvent::Parsed(UploadParsed {
        upload_id: id(),
        uploaded_at: Timestamp(1),
        trace: None,
        tally: tally(ends),
    })
}

fn failed(ends: &[(u8, u64)]) -> UploadEvent {
    UploadEvent::Failed(UploadFailed {
        upload_id: id(),
        uploaded_at: Timestamp(1),
        trace: None,
        reason: FailureReason::default(),
        tally: tally(ends),
    })
}

/// A refused strict upload: its rows were validated and none was appended.
#[test]
fn rows_that_were_not_appended_are_counted_as_they_were_read() {
    let read = UploadTally {
        records: 3,
        valid: 1,
        rejected: 2,
        sums: [("USD".to_owned(), Default::default())].into(),
        ..tally(&[(3, 1), (9, 3)])
    };
    let refused = read.clone().without_rows();
    assert!(refused.has_no_rows() && !read.has_no_rows());
    assert!(refused.sums.is_empty());
    assert_eq!(
        (refused.records, refused.valid, refused.rejected),
        (3, 1, 2)
    );
    let ended = |tally: UploadTally| {
        let mut upload = Upload::new(id());
        upload.ending = Some(Ending::Failed(FailureReason::default(), tally));
        upload.row_counts()
    };
    let counted = ClassCounts {
        rejected: 2,
        ..ClassCounts::default()
    };
    assert_eq!(ended(refused), counted);
    assert_eq!(
        ended(read),
        ClassCounts::default(),
        "these are still folded"
    );
}

#[test]
fn a_row_at_or_below_the_watermark_is_counted_nowhere() {
    let mut upload = Upload::new(id());
    upload.count(Bucket(3), 5, Class::Accepted);
    for record in [1, 5] {
        assert!(upload.is_repeat(Bucket(3), record));
        upload.count(Bucket(3), record, Class::Conflict);
    }
    assert!(!upload.is_repeat(Bucket(3), 6));
    assert!(!upload.is_repeat(Bucket(4), 1));
    upload.count(Bucket(4), 1, Class::Duplicate);
    upload.count(Bucket(3), 6, Class::Rejected);
    upload.count(Bucket(3), 7, Class::Conflict);
    let once = ClassCounts {
        accepted: 1,
        rejected: 1,
        duplicates: 1,
        conflicts: 1,
    };
    assert_eq!((upload.counts, upload.counts.total()), (once, 4));
    let marks: Vec<_> = upload.watermarks.as_ref().unwrap().iter().collect();
    assert_eq!(marks, [(Bucket(3), 7), (Bucket(4), 1)]);
}

#[test]
fn it_is_completed_once_every_bucket_is_at_its_last_record() {
    let mut upload = Upload::new(id());
    assert_eq!(upload.state(), UploadState::Processing);
    // A row comes before the event that announces the upload: buckets promise nothing.
    upload.count(Bucket(1), 2, Class::Accepted);
    assert!(upload.apply(&received(), 10));
    assert!(!upload.close(11));
    // And the end before the rows of another bucket.
    assert!(upload.apply(&parsed(&[(1, 2), (9, 3)]), 12));
    assert_eq!(upload.state(), UploadState::Parsed);
    assert!(!upload.close(13));
    upload.count(Bucket(9), 1, Class::Accepted);
    assert!(!upload.close(14));
    assert_eq!(upload.changed_at_millis, 12);
    upload.count(Bucket(9), 3, Class::Accepted);
    assert!(upload.close(15));
    assert_eq!(upload.state(), UploadState::Completed);
    assert_eq!(upload.changed_at_millis, 15);
    assert!(!upload.close(16));
    // From here on all is a repeat.
    assert!(upload.is_repeat(Bucket(200), u64::MAX));
    let before = upload.clone();
    upload.count(Bucket(9), 4, Class::Accepted);
    assert_eq!(upload, before);
}

#[test]
fn its_own_events_are_applied_once() {
    let mut upload = Upload::new(id());
    for (event, first) in [
        (received(), true),
        (received(), false),
        (parsed(&[(1, 1)]), true),
    ] {
        assert_eq!(upload.apply(&event, 20), first);
    }
    let before = upload.clone();
    for event in [received(), parsed(&[]), failed(&[])] {
        assert!(!upload.apply(&event, 30));
    }
    assert_eq!(upload, before);
}

#[test]
fn a_failed_upload_stays_failed_and_its_rows_stand() {
    let mut upload = Upload::new(id());
    upload.apply(&received(), 1);
    upload.apply(&failed(&[(1, 2)]), 2);
    assert_eq!(upload.state(), UploadState::Failed);
    assert!(!upload.close(3));
    upload.count(Bucket(1), 2, Class::Accepted);
    assert!(upload.close(4));
    assert_eq!(upload.state(), UploadState::Failed);
    assert_eq!(upload.counts.accepted, 1);
    let mut without_rows = Upload::new(id());
    without_rows.apply(&failed(&[]), 1);
    assert!(without_rows.close(1));
}

proptest! {
    /// Each row once, however often and wherever a bucket's rows are sent again from.
    #[test]
    fn repeats_are_counted_nowhere(
        rows in prop::collection::vec(any::<u8>().prop_map(|n| n % 4), 1..60),
        restarts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let mut upload = Upload::new(id());
        let numbered: Vec<(u64, u8)> = (1..).zip(rows.iter().copied()).collect();
        let mut sent: Vec<&[(u64, u8)]> = Vec::new();
        for restart in &restarts {
            sent.push(&numbered[..restart.index(numbered.len()) + 1]);
        }
        sent.push(&numbered);
        for (record, bucket) in sent.into_iter().flatten() {
            let is_repeat = upload.is_repeat(Bucket(*bucket), *record);
            let before = upload.counts.total();
            upload.count(Bucket(*bucket), *record, Class::Accepted);
            prop_assert_eq!(upload.counts.total(), before + u64::from(!is_repeat));
        }
        prop_assert_eq!(upload.counts.accepted, rows.len() as u64);
    }
}

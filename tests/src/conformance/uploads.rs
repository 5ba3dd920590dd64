//! The port of uploads. What is stored is read by the caller's `read`: the port itself only folds.

use super::{NOW, upload_id};
use txp_domain::event::{
    BucketRecords, FailureReason, Merchants, SourceFile, UploadEvent, UploadFailed, UploadOptions,
    UploadParsed, UploadReceived, UploadTally,
};
use txp_domain::id::UploadId;
use txp_domain::position::Bucket;
use txp_domain::upload::{ClassCounts, Upload, UploadState};
use txp_pipeline::port::{Advance, UploadStore, Written};

/// The client of every upload here.
pub const CLIENT: &str = "conformance";

/// `upload.received`.
#[must_use]
pub fn received(upload_id: UploadId) -> UploadEvent {
    UploadEvent::Received(UploadReceived {
        upload_id,
        uploaded_at: NOW,
        trace: None,
        client_id: CLIENT.to_owned(),
        file: SourceFile {
            name: "sales.csv".to_owned(),
            ..SourceFile::default()
        },
        options: UploadOptions::default(),
        merchants: Merchants::Only(vec!["m-1".to_owned()]),
    })
}

/// `upload.parsed`, with the last record of each bucket.
#[must_use]
pub fn parsed(upload_id: UploadId, ends: &[(u8, u64)]) -> UploadEvent {
    UploadEvent::Parsed(UploadParsed {
        upload_id,
        uploaded_at: NOW,
        trace: None,
        tally: tally(ends),
    })
}

/// `upload.failed`, before any row.
#[must_use]
pub fn failed(upload_id: UploadId) -> UploadEvent {
    UploadEvent::Failed(UploadFailed {
        upload_id,
        uploaded_at: NOW,
        trace: None,
        reason: FailureReason {
            code: "header_missing".to_owned(),
            message: "no header".to_owned(),
            hint: "add one".to_owned(),
            line: Some(1),
        },
        tally: tally(&[]),
    })
}

fn tally(ends: &[(u8, u64)]) -> UploadTally {
    UploadTally {
        records: 10,
        valid: 9,
        rejected: 1,
        rejected_by_code: [("amount_negative".to_owned(), 1)].into(),
        last_record_by_bucket: BucketRecords(ends.iter().copied().collect()),
        ..UploadTally::default()
    }
}

fn step(upload_id: UploadId, bucket: u8, from: u64, to: u64, accepted: u64) -> Advance {
    Advance {
        upload_id,
        bucket: Bucket(bucket),
        from,
        to,
        counts: ClassCounts {
            accepted,
            duplicates: 1,
            ..ClassCounts::default()
        },
    }
}

/// A step that was taken is refused when it comes again, and counted once.
pub async fn a_watermark_is_advanced_once<S: UploadStore>(
    store: &mut S,
    read: impl AsyncFn(&mut S, UploadId) -> Upload,
) {
    let id = upload_id(11);
    assert_eq!(store.watermark(id, Bucket(4)).await.unwrap(), 0);
    for (from, to, expected) in [
        (0, 7, Written::Stored),
        (0, 7, Written::Conflict),
        (0, 9, Written::Conflict),
        (8, 9, Written::Conflict),
        (7, 9, Written::Stored),
    ] {
        let written = store.advance(&step(id, 4, from, to, 2), 50).await.unwrap();
        assert_eq!(written, expected, "{from} to {to}");
    }
    assert_eq!(store.watermark(id, Bucket(4)).await.unwrap(), 9);
    assert_eq!(store.watermark(id, Bucket(5)).await.unwrap(), 0);
    let upload = read(store, id).await;
    assert_eq!(upload.state(), UploadState::Processing);
    let counts = ClassCounts {
        accepted: 4,
        duplicates: 2,
        ..ClassCounts::default()
    };
    assert_eq!(upload.counts, counts);
}

/// All buckets of an upload move together; again, none does.
pub async fn all_buckets_advance_together<S: UploadStore>(
    store: &mut S,
    read: impl AsyncFn(&mut S, UploadId) -> Upload,
) {
    let id = upload_id(12);
    let first: Vec<_> = (0..=255).map(|b| step(id, b, 0, 300, 3)).collect();
    assert_eq!(store.advance_all(&first, 5).await.unwrap(), Written::Stored);
    assert_eq!(
        store.advance_all(&first, 5).await.unwrap(),
        Written::Conflict
    );
    let second: Vec<_> = (0..=255).map(|b| step(id, b, 300, 70_000, 1)).collect();
    assert_eq!(
        store.advance_all(&second, 6).await.unwrap(),
        Written::Stored
    );
    assert_eq!(store.advance_all(&[], 6).await.unwrap(), Written::Stored);
    let upload = read(store, id).await;
    assert_eq!(
        (upload.counts.accepted, upload.counts.duplicates),
        (1_024, 512)
    );
    let marks = upload.watermarks.unwrap();
    assert!((0..=255).all(|b| marks.last(Bucket(b)) == 70_000));
}

/// An upload's own events count once, and it is completed by the last row or by its ending,
/// whichever comes later.
pub async fn an_upload_completes_once<S: UploadStore>(
    store: &mut S,
    read: impl AsyncFn(&mut S, UploadId) -> Upload,
) {
    for (number, ending_first) in [(13, true), (14, false)] {
        let id = upload_id(number);
        store.apply(&received(id), 10).await.unwrap();
        let before = read(store, id).await;
        store.apply(&received(id), 11).await.unwrap();
        assert_eq!(read(store, id).await, before);
        assert_eq!(before.received.as_ref().unwrap().client_id, CLIENT);
        let ending = parsed(id, &[(1, 4), (200, 900)]);
        let rows = [step(id, 1, 0, 4, 3), step(id, 200, 0, 900, 5)];
        assert_eq!(store.advance(&rows[0], 20).await.unwrap(), Written::Stored);
        if ending_first {
            store.apply(&ending, 30).await.unwrap();
            assert_eq!(read(store, id).await.state(), UploadState::Parsed);
        }
        assert_eq!(store.advance(&rows[1], 40).await.unwrap(), Written::Stored);
        if !ending_first {
            assert_eq!(read(store, id).await.state(), UploadState::Processing);
            store.apply(&ending, 40).await.unwrap();
        }
        let done = read(store, id).await;
        assert_eq!(done.state(), UploadState::Completed);
        assert_eq!(done.counts.total(), 10);
        assert_eq!(done.changed_at_millis, 40);
        // All of it again.
        store.apply(&received(id), 50).await.unwrap();
        store.apply(&ending, 50).await.unwrap();
        for row in &rows {
            let written = store.advance(row, 50).await.unwrap();
            assert_eq!(written, Written::Conflict);
            let watermark = store.watermark(id, row.bucket).await.unwrap();
            assert_eq!(watermark, u64::MAX, "every row is a repeat");
        }
        assert_eq!(read(store, id).await, done);
    }
}

/// The first ending stands; one without rows is folded at once.
pub async fn a_failed_upload_stays_failed<S: UploadStore>(
    store: &mut S,
    read: impl AsyncFn(&mut S, UploadId) -> Upload,
) {
    let id = upload_id(15);
    store.apply(&received(id), 1).await.unwrap();
    store.apply(&failed(id), 2).await.unwrap();
    let upload = read(store, id).await;
    assert_eq!(upload.state(), UploadState::Failed);
    assert_eq!(upload.watermarks, None);
    store.apply(&parsed(id, &[(3, 9)]), 3).await.unwrap();
    assert_eq!(read(store, id).await, upload);
}

//! The port of reports of rejected rows. `begin` gives a writer of one upload's report, `read` the
//! report that is published. Each function is given an upload of its own.

use txp_pipeline::port::{ErrorKind, ReportSink, ReportStore};

/// Lengths of what is taken at a time, with parts of 5 MiB in mind: less, just one, many in one go.
const PIECES: [usize; 7] = [1, 0, 5_000_000, 242_879, 1, 11_000_000, 300];

/// Bytes that are not alike anywhere in a part.
fn report(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| ((at + seed) % 251) as u8).collect()
}

async fn take(writer: &mut impl ReportSink, bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    writer.take(&mut bytes).await.unwrap();
    assert!(bytes.is_empty(), "all of it is taken");
}

fn is(found: Option<Vec<u8>>, expected: Option<&[u8]>, when: &str) {
    let [lengths, expected_length] = [found.as_deref(), expected].map(|b| b.map(<[u8]>::len));
    assert_eq!(lengths, expected_length, "{when}");
    assert!(found.as_deref() == expected, "{when}: other bytes");
}

/// A report is there as a whole once it is published, and not before.
pub async fn a_report_is_there_once_it_is_published<R: ReportSink>(
    begin: impl AsyncFn() -> R,
    read: impl AsyncFn() -> Option<Vec<u8>>,
) {
    let bytes = report(PIECES.iter().sum(), 0);
    let mut writer = begin().await;
    let mut from = 0;
    for length in PIECES {
        take(&mut writer, &bytes[from..from + length]).await;
        is(read().await, None, "before it is published");
        from += length;
    }
    writer.publish().await.unwrap();
    is(read().await, Some(&bytes), "once it is published");
}

/// One that is cut off anywhere is none, and leaves what was published before as it is; one that is
/// written again stands in its place.
pub async fn a_report_is_whole_or_none<R: ReportSink>(
    begin: impl AsyncFn() -> R,
    read: impl AsyncFn() -> Option<Vec<u8>>,
) {
    let lengths = [100, 6_000_000];
    let mut before: Option<Vec<u8>> = None;
    for (seed, length) in lengths.into_iter().chain(lengths).enumerate() {
        for cut in [0, 1, length] {
            let mut writer = begin().await;
            take(&mut writer, &report(cut, seed)).await;
            drop(writer);
            is(read().await, before.as_deref(), "cut off");
        }
        let bytes = report(length, seed);
        let mut writer = begin().await;
        take(&mut writer, &bytes).await;
        writer.publish().await.unwrap();
        is(read().await, Some(&bytes), "written again");
        before = Some(bytes);
    }
}

/// One that is let go of is none.
pub async fn a_discarded_report_is_none<R: ReportSink>(
    begin: impl AsyncFn() -> R,
    read: impl AsyncFn() -> Option<Vec<u8>>,
) {
    for length in [0, 100, 6_000_000] {
        let mut writer = begin().await;
        take(&mut writer, &report(length, 3)).await;
        writer.discard().await.unwrap();
        is(read().await, None, "let go of");
    }
}

/// Another writer goes on where one has saved; what came after is lost, and written again.
pub async fn another_goes_on_where_one_saved<R: ReportStore>(
    begin: impl AsyncFn() -> R,
    read: impl AsyncFn() -> Option<Vec<u8>>,
) {
    let bytes = report(12_000_000, 5);
    let mut saved = None;
    for piece in bytes.chunks(3_500_000) {
        let mut writer = begin().await;
        writer.resume(saved.as_deref()).await.unwrap();
        take(&mut writer, piece).await;
        saved = Some(writer.save().await.unwrap());
        assert_eq!(writer.save().await.unwrap(), *saved.as_ref().unwrap());
        take(&mut writer, &vec![0; 6_000_000]).await;
        is(read().await, None, "saved");
    }
    // Who published it may die before that is known, and the next one does it again.
    for _ in 0..2 {
        let mut writer = begin().await;
        writer.resume(saved.as_deref()).await.unwrap();
        writer.publish().await.unwrap();
        is(read().await, Some(&bytes), "published by another");
    }
}

/// A writer that begins anew has nothing of what it had taken.
pub async fn one_that_begins_anew_has_nothing<R: ReportStore>(
    begin: impl AsyncFn() -> R,
    read: impl AsyncFn() -> Option<Vec<u8>>,
) {
    let mut writer = begin().await;
    take(&mut writer, &report(6_000_000, 1)).await;
    let _saved = writer.save().await.unwrap();
    writer.resume(None).await.unwrap();
    let bytes = report(40, 2);
    take(&mut writer, &bytes).await;
    writer.publish().await.unwrap();
    is(read().await, Some(&bytes), "begun anew");
}

/// What cannot be gone on with is said to be damaged, so that the file is read from its start: a text
/// that is none of ours, and one of which the bytes are gone, as `elsewhere` has them.
pub async fn what_is_gone_is_not_gone_on_with<R: ReportStore>(
    begin: impl AsyncFn() -> R,
    elsewhere: impl AsyncFn() -> R,
) {
    let mut other = elsewhere().await;
    take(&mut other, &report(70, 0)).await;
    let saved = other.save().await.unwrap();
    for place in ["", "nonsense", "{}", "[1]", &saved] {
        let mut writer = begin().await;
        let error = writer.resume(Some(place)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Corrupt, "{place}");
        assert!(!error.is_retryable());
    }
}

/// What could not be published is whole when it is published again, once its place is there.
pub async fn what_failed_is_whole_when_it_is_published_again<R: ReportSink>(
    mut writer: R,
    bytes: &[u8],
    mend: impl AsyncFnOnce(),
    read: impl AsyncFn() -> Option<Vec<u8>>,
) {
    take(&mut writer, bytes).await;
    for _ in 0..2 {
        let error = writer.publish().await.unwrap_err();
        assert!(!error.is_retryable(), "{error:?}");
    }
    mend().await;
    writer.publish().await.unwrap();
    is(read().await, Some(bytes), "published again");
}

//! What was put aside is tried again, counts where it belongs, and twice is the same as once.

use super::*;
use crate::host::{Host, HostOptions, Intake, LOG_DIR};
use crate::log::{FrameBuilder, LogReader, LogWriter, OpenOptions};
use crate::snapshot::Snapshot;
use std::path::Path;
use txp_domain::card::Fingerprinter;
use txp_domain::event::{Merchants, SourceFile, UploadOptions, UploadReceived};
use txp_domain::id::UploadId;
use txp_domain::transaction::Transaction;
use txp_domain::upload::ClassCounts;
use txp_pipeline::redrive::{Overrides, RowsAsked, RowsPlan};
use txp_pipeline::stage::ingest::arrival_of;

fn options() -> HostOptions {
    HostOptions {
        command: "test",
        fingerprinter: Fingerprinter::new([7; 32]),
        is_durable: false,
        alerts: true,
        terminal: None,
    }
}

const SALES: &str = "transaction_id,amount,merchant_id,card_number,timestamp\n\
    t1,12.50,m1,4111111111111111,2025-06-01T10:00:00\n\
    t2,7.00,m1,4111111111111111,2025-06-01T10:00:00Z\n\
    t3,7.00,m1,4111111111111112,2025-06-01T10:00:00\n\
    t2,8.00,m1,4111111111111111,2025-06-01T10:00:00\n\
    t4,9.00,m1,4111111111111111,2025-06-01T10:00:00\n\
    t5,19.00,m1,4111111111111111,2025-06-01T10:00:00Z\n";

/// Reads a file into a directory; gives its upload.
fn process(dir: &Path, file: &Path) -> UploadId {
    let host = Host::open(dir, options()).unwrap();
    let upload_id = host.mint_upload_id();
    let received = UploadReceived {
        upload_id,
        uploaded_at: arrival_of(crate::now()),
        client_id: "local".to_owned(),
        file: SourceFile::default(),
        options: UploadOptions::default(),
        merchants: Merchants::All,
        trace: None,
    };
    let intake = Intake {
        received,
        path: file.to_path_buf(),
        dry_run: false,
    };
    host.ingest(&intake, &mut |_| {}).unwrap();
    host.stop().unwrap();
    upload_id
}

fn item(dir: &Path, id: &str) -> Option<Transaction> {
    let mut snapshot = Snapshot::open(dir).unwrap();
    snapshot.state.transactions(id).unwrap().pop()
}

fn counts(dir: &Path, upload_id: UploadId) -> (u64, ClassCounts) {
    let mut snapshot = Snapshot::open(dir).unwrap();
    let upload = snapshot.state.upload(upload_id).unwrap().unwrap();
    (upload.ending.unwrap().tally().records, upload.counts)
}

fn asked(file: &Path, upload_id: UploadId) -> RowsAsked<'_> {
    RowsAsked {
        upload_id,
        file,
        overrides: Overrides {
            time_zone: Some("+02:00".to_owned()),
            ..Overrides::default()
        },
        max: 1000,
        fingerprinter: Fingerprinter::new([7; 32]),
    }
}

/// What a redrive of every rejected row would do.
fn planned(dir: &Path, asked: &RowsAsked<'_>) -> Result<RowsPlan, RedriveError> {
    let mut snapshot = Snapshot::open(dir).unwrap();
    let rejected = rejected_rows(dir, &mut snapshot, asked.upload_id, &[])?;
    plan_rows(asked, &rejected, &mut snapshot, crate::mint_upload_id())
}

fn run(dir: &Path, asked: &RowsAsked<'_>) -> Option<UploadId> {
    let host = Host::open(dir, options()).unwrap();
    host.checkpoint().unwrap();
    let plan = planned(dir, asked).unwrap();
    let did =
        (plan.valid > 0).then(|| run_rows(&host, asked, &plan.received, &mut |_| {}).unwrap());
    host.stop().unwrap();
    did.map(|report| report.upload.id)
}

/// Rows rejected for want of a time zone: valid with one. They keep their numbers, add up in both
/// uploads, and are not taken a second time.
#[test]
fn redrive_rows_twice_is_once() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("sales.csv"));
    std::fs::write(&file, SALES).unwrap();
    let first = process(&data, &file);
    assert_eq!(item(&data, "t1").unwrap().status().name(), "rejected");

    let mut snapshot = Snapshot::open(&data).unwrap();
    let zone = ["timestamp_zone".to_owned()];
    let found = rejected_rows(&data, &mut snapshot, first, &[]).unwrap();
    assert_eq!(found.records, [1, 3, 4, 5]);
    let code = found
        .by_code
        .keys()
        .find(|code| code.contains("timestamp"))
        .unwrap();
    let only = [code.clone()];
    let named = rejected_rows(&data, &mut snapshot, first, &only).unwrap();
    assert_eq!(named.records, [1, 3, 4, 5]);
    assert!(
        rejected_rows(&data, &mut snapshot, first, &zone)
            .unwrap()
            .records
            .len()
            <= 4
    );

    let mut asked = asked(&file, first);
    let plan = planned(&data, &asked).unwrap();
    assert_eq!((plan.tried, plan.valid, plan.left_out), (4, 3, 0));
    assert_eq!(plan.still.len(), 1, "{:?}", plan.still);
    let wanted = ClassCounts {
        accepted: 2,
        conflicts: 1,
        ..ClassCounts::default()
    };
    assert_eq!(plan.classes, Some(wanted));

    asked.max = 2;
    let second = run(&data, &asked).unwrap();
    let third = run(&data, &asked).unwrap();
    assert_eq!(run(&data, &asked), None);
    assert_eq!(counts(&data, second).0 + counts(&data, third).0, 3);
    for upload in [first, second, third] {
        let (records, classes) = counts(&data, upload);
        assert_eq!(classes.total(), records);
    }
    let t1 = item(&data, "t1").unwrap();
    assert_eq!(t1.status().name(), "validated");
    let event = t1.first.unwrap().event;
    assert_eq!((event.upload_id, event.record), (second, 1));
    assert_eq!(item(&data, "t2").unwrap().conflicts.len(), 1);
    assert_eq!(item(&data, "t3").unwrap().status().name(), "rejected");

    let mut snapshot = Snapshot::open(&data).unwrap();
    let found = rejected_rows(&data, &mut snapshot, first, &[]).unwrap();
    assert_eq!(found.redrives, [second, third]);
    assert_eq!(found.left().collect::<Vec<_>>(), [3]);
    let refused = rejected_rows(&data, &mut snapshot, second, &[]);
    assert!(matches!(
        refused,
        Err(RedriveError::Rows(RowsError::IsRedrive(..)))
    ));
}

#[test]
fn another_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("sales.csv"));
    std::fs::write(&file, SALES).unwrap();
    let first = process(&data, &file);
    std::fs::write(&file, SALES.replace("12.50", "12.51")).unwrap();
    let mut snapshot = Snapshot::open(&data).unwrap();
    let refused = planned(&data, &asked(&file, first));
    assert!(matches!(
        refused,
        Err(RedriveError::Rows(RowsError::OtherFile { .. }))
    ));
    let unknown = rejected_rows(&data, &mut snapshot, UploadId::default(), &[]);
    assert!(matches!(unknown, Err(RedriveError::Unknown(_))));
}

/// The log of one directory, written anew with one event changed.
fn copy_log(from: &Path, to: &Path, change: impl Fn(u64, &[u8]) -> Vec<u8>) {
    let open = OpenOptions::default();
    let (mut writer, _) = LogWriter::open(&to.join(LOG_DIR), &open).unwrap();
    let mut reader = LogReader::open(&from.join(LOG_DIR)).unwrap();
    while let Some(frame) = reader.next_frame().unwrap() {
        let mut builder = FrameBuilder::new();
        for event in frame.events {
            let bytes = change(event.sequence, event.bytes);
            builder.push(event.bucket, &bytes).unwrap();
        }
        writer.append(frame.arrival_ms, &mut builder).unwrap();
        writer.sync().unwrap();
    }
}

/// An event that a program cannot read is put aside; one that can read it folds it where it stands,
/// and the state is as if it had been readable at once.
#[test]
fn redrive_quarantine_is_as_if_it_had_been_readable_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (sound, data) = (folder.path().join("sound"), folder.path().join("data"));
    let file = folder.path().join("sales.csv");
    std::fs::write(&file, SALES).unwrap();
    let upload = process(&sound, &file);
    let t5 = item(&sound, "t5").unwrap();
    let place = t5.as_of.clone().unwrap().sequence.as_u64().unwrap();

    std::fs::create_dir_all(&data).unwrap();
    crate::format::ensure(&data, "2026-11-30T00:00:00Z").unwrap();
    copy_log(&sound, &data, |sequence, bytes| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let of_later = text.replace("transaction.accepted", "transaction.unheard-of");
        (if sequence == place { of_later } else { text }).into_bytes()
    });
    let host = Host::open(&data, options()).unwrap();
    assert_eq!(host.opened().quarantined, 1);
    host.stop().unwrap();
    assert_eq!(item(&data, "t5"), None);
    let nothing = run_quarantine(&data, options(), 10).unwrap();
    assert!(nothing.is_empty());

    // A program that can read it: here, the log as it should be.
    std::fs::remove_dir_all(data.join(LOG_DIR)).unwrap();
    copy_log(&sound, &data, |_, bytes| bytes.to_vec());
    let plan = plan_quarantine(&data).unwrap();
    assert_eq!(plan.readable(), [place]);
    let refused = run_quarantine(&data, options(), 0);
    assert!(matches!(
        refused,
        Err(RedriveError::TooMany { found: 1, max: 0 })
    ));
    assert_eq!(run_quarantine(&data, options(), 10).unwrap(), [place]);
    assert_eq!(item(&data, "t5"), Some(t5));
    for id in ["t1", "t2", "t3", "t4"] {
        assert_eq!(item(&data, id), item(&sound, id), "{id}");
    }
    assert_eq!(counts(&data, upload), counts(&sound, upload));
    assert!(run_quarantine(&data, options(), 10).unwrap().is_empty());
    let state = &plan_quarantine(&data).unwrap().entries[0].state;
    assert!(matches!(state, QuarantineState::Redriven { .. }));
}

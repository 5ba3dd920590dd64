//! Exported files and copied archives are read as every history is.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests: a panic is how they say no"
)]

use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use txp_domain::position::{Bucket, Position, Sequence};
use txp_local::files::{FileSource, FolderArchive};
use txp_pipeline::history::archive::ArchiveSource;
use txp_pipeline::history::{self, Recorded};
use txp_pipeline::port::{EventSource, PortError, Window};
use txp_tests::conformance::source;

/// Events of the history.
const EVENTS: u64 = 60;
/// 2023-11-14T23:59:59.000Z.
const BEFORE_MIDNIGHT: i64 = 1_700_006_399_000;

/// Files never wait: a future that is polled is done.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => unreachable!("a file waits"),
    }
}

fn events() -> Vec<Vec<u8>> {
    let event = |number| format!("{{\"id\":\"a:{number}\"}}").into_bytes();
    (0..EVENTS).map(event).collect()
}

/// Two a record, half a second apart over midnight, as a stream numbers them.
fn recorded(events: &[Vec<u8>]) -> Vec<Recorded<'_>> {
    let recorded = (0..).zip(events).map(|(number, bytes)| Recorded {
        position: Position {
            bucket: Bucket((number / 2 % 3) as u8),
            sequence: Sequence::parse(&format!("4959{:040}", number / 2)).unwrap(),
            subsequence: number % 2,
        },
        arrival_millis: BEFORE_MIDNIGHT + (number / 2) as i64 * 500,
        bytes,
    });
    recorded.collect()
}

fn lines(events: &[Recorded<'_>]) -> Vec<u8> {
    let mut lines = Vec::new();
    for event in events {
        history::write_line(event, &mut lines).unwrap();
    }
    lines
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

fn conforms<S: EventSource>(open: impl AsyncFn(Window) -> Result<S, PortError>) {
    let events = events();
    let mut by_bucket: BTreeMap<u8, Vec<Vec<u8>>> = BTreeMap::new();
    for event in recorded(&events) {
        let bucket = by_bucket.entry(event.position.bucket.0).or_default();
        bucket.push(event.bytes.to_vec());
    }
    let opened = async |window: Window| open(window).await.unwrap();
    now(source::every_event_comes_once_in_order(opened, &by_bucket));
    now(source::a_source_goes_on_from_any_place(opened));
    let times = [0, 700, 1_000, 8_000].map(|later| BEFORE_MIDNIGHT + later);
    now(source::a_window_of_time_is_what_arrived_in_it(
        opened, &times,
    ));
    now(source::a_foreign_place_is_refused(open));
}

fn file_conforms(path: &Path) {
    conforms(async |window| FileSource::open(path, window));
}

#[test]
fn a_file_conforms_however_it_is_packed() {
    let dir = tempfile::tempdir().unwrap();
    let events = events();
    let history = recorded(&events);
    let (first, second) = history.split_at(25);
    let overlapping = &history[20..];
    let all = lines(&history);
    for (name, bytes) in [
        ("plain", all.clone()),
        ("one.gz", gzip(&all)),
        ("one.zst", zstd(&all)),
        // Packed ones behind one another, as `cat` puts them together.
        (
            "two.gz",
            [gzip(&lines(first)), gzip(&lines(second))].concat(),
        ),
        (
            "two.zst",
            [zstd(&lines(first)), zstd(&lines(second))].concat(),
        ),
        (
            "again.gz",
            [gzip(&lines(first)), gzip(&lines(overlapping))].concat(),
        ),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        file_conforms(&path);
    }
}

#[test]
fn a_folder_of_parts_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let events = events();
    let history = recorded(&events);
    let of = |bucket: u8| {
        let of_bucket = history.iter().filter(|e| e.position.bucket.0 == bucket);
        lines(&of_bucket.cloned().collect::<Vec<_>>())
    };
    fs::write(dir.path().join("z.ndjson"), of(0)).unwrap();
    fs::write(dir.path().join("a.ndjson.zst"), zstd(&of(1))).unwrap();
    fs::write(dir.path().join("b.ndjson.gz"), gzip(&of(2))).unwrap();
    fs::write(dir.path().join("b.ndjson"), lines(&history[10..30])).unwrap();
    file_conforms(dir.path());
}

/// Deliveries that came again, cut elsewhere, over midnight; two shards, one the child of the other.
#[test]
fn a_copied_archive_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let events = events();
    let history = recorded(&events);
    for (day, shard, from, to) in [
        ("2023-11-14", 2, 0, 4),
        ("2023-11-14", 2, 2, 4),
        ("2023-11-15", 2, 4, 20),
        ("2023-11-15", 2, 10, 30),
        ("2023-11-15", 2, 26, 30),
        ("2023-11-15", 3, 30, 60),
        ("2023-11-15", 3, 30, 40),
    ] {
        let object = &history[from..to];
        let (first, last) = (&object[0], &object[object.len() - 1]);
        let day = dir.path().join(format!("date={day}"));
        fs::create_dir_all(&day).unwrap();
        let (first, last) = (&first.position.sequence, &last.position.sequence);
        let name = format!("shardId-{shard:012}-{first}-{last}.ndjson.gz");
        fs::write(day.join(name), gzip(&lines(object))).unwrap();
    }
    let archive = FolderArchive::of(dir.path()).unwrap().unwrap();
    conforms(async |window| ArchiveSource::open(archive.clone(), window).await);
}

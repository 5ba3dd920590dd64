//! Another release that wrote to the same log before it went: its events cannot all be read.

use super::reader;
use crate::random::Random;
use crate::workload::{Upload, Workload};
use std::collections::BTreeSet;
use std::path::Path;
use txp_domain::position::Bucket;
use txp_domain::time::Timestamp;
use txp_local::log::{FrameBuilder, LogReader, LogWriter, OpenOptions};

/// The most rows that it writes.
const ROWS_MAX: usize = 8;

/// Every event of a log, in order.
pub(super) fn events(log: &Path) -> Result<Vec<Vec<u8>>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("the log cannot be read: {error}");
    let mut reader = LogReader::open(log).map_err(|error| failed(&error))?;
    let mut events = Vec::new();
    while let Some(frame) = reader.next_frame().map_err(|error| failed(&error))? {
        for event in frame.events {
            if event.sequence != events.len() as u64 + 1 {
                let at = events.len() + 1;
                return Err(format!(
                    "event {at} of the log says it is {}",
                    event.sequence
                ));
            }
            events.push(event.bytes.to_vec());
        }
    }
    Ok(events)
}

/// How many events of a log can be read, in whatever way it ends.
pub(super) fn readable(log: &Path) -> usize {
    let mut events = 0;
    if let Ok(mut reader) = LogReader::open(log) {
        while let Ok(Some(frame)) = reader.next_frame() {
            events = frame.last;
        }
    }
    events as usize
}

/// Appends the first rows of an upload that is announced, events among them that cannot be read.
/// Those are added to `poison`, by their index in the log.
pub(super) fn write(
    random: &mut Random,
    log: &Path,
    workload: &Workload,
    (segment_bytes, now): (u64, Timestamp),
    poison: &mut BTreeSet<u64>,
) {
    let options = OpenOptions {
        segment_bytes,
        ..OpenOptions::default()
    };
    let (mut writer, _) = LogWriter::open(log, &options).unwrap();
    let there = events(log).unwrap();
    let is_announced = |upload: &&Upload| {
        let announced = format!("\"{}:received\"", upload.id);
        there
            .iter()
            .any(|event| String::from_utf8_lossy(event).contains(&announced))
    };
    let announced: Vec<_> = workload.uploads.iter().filter(is_announced).collect();
    let mut rows = Vec::new();
    if !announced.is_empty() {
        let upload = *random.pick(&announced);
        let (batches, _) = reader::read(random, upload, None, 1);
        let rows_max = random.below(ROWS_MAX);
        for batch in batches.iter().rev().take(rows_max) {
            let entry = &batch.entries()[0];
            rows.push((entry.bucket, batch.json(entry).to_vec()));
        }
    }
    let mut frame = FrameBuilder::new();
    let mut next = writer.last();
    let mut push = |bucket, json: &[u8]| {
        frame.push(bucket, json).unwrap();
        next += 1;
        next - 1
    };
    let bucket = Bucket(random.below(256) as u8);
    let unreadable: [&[u8]; 3] = [b"{\"specversion\":\"9\"}", b"\xff\x00 no event", b"{}"];
    poison.insert(push(bucket, random.pick::<&[u8]>(&unreadable)));
    for (bucket, json) in rows {
        if random.permille(300) {
            let text = String::from_utf8(json.clone()).unwrap();
            let newer = text.replacen("/1.json\"", "/7.json\"", 1);
            assert_ne!(text, newer, "a row's schema is of version 1");
            poison.insert(push(bucket, newer.as_bytes()));
        }
        push(bucket, &json);
    }
    let now_ms = now.unix_millis() as u64;
    writer.append(now_ms, &mut frame).unwrap();
    writer.sync().unwrap();
}

//! The archive in a bucket and the stream behind it as one history, while the stream is resharded:
//! the archive is of its first part, with deliveries that came again.

use crate::stream::Stream;
use crate::wrapped::{Expiring, Forgetful, Hasty, Throttled};
use crate::{Recorded, batch, write};
use std::sync::Arc;
use txp_aws::clock::SystemClock;
use txp_aws::history::JoinedSource;
use txp_aws::kinesis::deaggregate::deaggregate;
use txp_aws::kinesis::producer::{Producer, Settings};
use txp_aws::kinesis::read::{Place, ReadRecord, ReadShards};
use txp_aws::kinesis::source::{position_of, sequence_of};
use txp_aws::quarantine::S3Quarantine;
use txp_aws::s3::archive::Archive;
use txp_emulator::Emulator;
use txp_pipeline::history;
use txp_pipeline::port::{
    Clock as _, ErrorKind, EventSink as _, EventSource as _, Progress, SourceBatch, Window,
};
use txp_pipeline::stage::archive;
use txp_tests::conformance::source;

/// The batch behind which the archiver stands: the stream is resharded before it and after.
const ARCHIVED_THROUGH: u64 = 18;
/// Records of a delivery.
const DELIVERY: usize = 7;
/// The first shard.
const SHARD: &str = "shardId-000000000000";

/// Everything that a shard holds by now.
async fn records(stream: &Stream, shard: &str) -> Vec<ReadRecord> {
    let calls = stream.reader();
    let mut next = Some(calls.iterator(shard, Place::Beginning).await.unwrap());
    let mut records = Vec::new();
    while let Some(iterator) = next {
        let page = calls.records(&iterator).await.unwrap().unwrap();
        // An open shard has no end, but a page of it that is empty.
        next = page.next.filter(|_| !page.records.is_empty());
        records.extend(page.records);
    }
    records
}

async fn deliver(
    sink: &mut Archive,
    quarantine: &mut S3Quarantine,
    shard: &str,
    of: &[ReadRecord],
) {
    let mut events = Vec::new();
    for record in of {
        let mut users = Vec::new();
        deaggregate(&record.data, &record.partition_key, &mut users);
        for user in &users {
            let sequence = sequence_of(&record.sequence_number).unwrap();
            let position = position_of(user, &sequence);
            events.push((position, record.arrival_millis, user.data.to_vec()));
        }
    }
    let recorded: Vec<_> = events
        .iter()
        .map(|(position, arrival_millis, bytes)| history::Recorded {
            position: position.clone(),
            arrival_millis: *arrival_millis,
            bytes,
        })
        .collect();
    let archived = archive::archive(sink, quarantine, &SystemClock, shard, &recorded).await;
    assert!(archived.failed.is_none(), "{:?}", archived.failed);
}

/// Archives all that the stream holds by now; every third delivery comes again, cut elsewhere.
async fn archive_all(stream: &Stream, sink: &mut Archive, quarantine: &mut S3Quarantine) {
    for shard in stream.reader().shards().await.unwrap() {
        let records = records(stream, &shard.id).await;
        for (number, delivery) in records.chunks(DELIVERY).enumerate() {
            deliver(sink, quarantine, &shard.id, delivery).await;
            if number % 3 == 1 {
                let start = number * DELIVERY + DELIVERY / 2;
                let end = (start + DELIVERY).min(records.len());
                deliver(sink, quarantine, &shard.id, &records[start..end]).await;
            }
        }
    }
}

/// A stream of which the first part is archived, and what was written to it.
async fn history(name: &str) -> (Arc<Emulator>, Stream, Archive, Recorded) {
    let emulator = Emulator::shared().await;
    let bucket = emulator.bucket(name).await;
    let mut quarantine = S3Quarantine::new(bucket.clone(), archive::STAGE);
    let mut sink = Archive::new(bucket, "of/a/stream/");
    let stream = Stream::create(2).await;
    let recorded = write(&stream, async |number| {
        if number == ARCHIVED_THROUGH {
            archive_all(&stream, &mut sink, &mut quarantine).await;
        }
    })
    .await;
    (emulator, stream, sink, recorded)
}

/// Each event once, in the order of its bucket, from any place on, while calls are too many and
/// iterators too old.
#[tokio::test]
async fn an_archive_and_its_stream_conform() {
    let (_emulator, stream, archive, recorded) = history("joined").await;
    let open = async |window| {
        let calls = Throttled::new(Expiring::new(stream.reader()));
        JoinedSource::open(archive.clone(), calls, Hasty::default(), window)
            .await
            .unwrap()
    };
    source::every_event_comes_once_in_order(open, &recorded).await;
    source::a_source_goes_on_from_any_place(open).await;
}

/// A stream that has forgotten what the archive lacks is an error, behind all that the archive has.
#[tokio::test]
async fn a_gap_is_told() {
    let emulator = Emulator::shared().await;
    let bucket = emulator.bucket("joined-gap").await;
    let mut quarantine = S3Quarantine::new(bucket.clone(), archive::STAGE);
    let mut sink = Archive::new(bucket, "");
    let stream = Stream::create(1).await;
    let mut producer = Producer::new(stream.writer(), Hasty::default(), Settings::default());
    let mut written = Recorded::new();
    let mut archived = 0;
    for number in 0..4 {
        producer
            .append(&mut batch(number, &mut written))
            .await
            .unwrap();
        producer.flush().await.unwrap();
        if number == 1 {
            archive_all(&stream, &mut sink, &mut quarantine).await;
            archived = written.values().map(Vec::len).sum::<usize>();
        }
        // The next batch arrives later.
        let settled = records(&stream, SHARD).await;
        while SystemClock.now().unix_millis() <= settled[settled.len() - 1].arrival_millis {
            SystemClock.sleep(1).await;
        }
    }
    let held = records(&stream, SHARD).await;
    let calls = Forgetful {
        calls: stream.reader(),
        before_millis: held[held.len() - 1].arrival_millis,
    };
    let open = JoinedSource::open(sink, calls, Hasty::default(), Window::default()).await;
    let (mut source, mut batch, mut given) = (open.unwrap(), SourceBatch::default(), 0);
    let error = loop {
        match source.next(&mut batch).await {
            Ok(progress) => {
                assert_eq!(progress, Progress::More, "nothing was told");
                given += batch.len();
            }
            Err(error) => break error,
        }
    };
    assert_eq!(given, archived);
    assert_eq!(error.kind, ErrorKind::Corrupt);
    assert!(error.to_string().contains(SHARD), "{error}");
}

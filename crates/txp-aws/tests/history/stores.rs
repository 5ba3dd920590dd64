//! What lies in buckets does what every adapter of its port must do: the quarantine, reports of rejected
//! rows, and objects that are read.

use aws_sdk_s3::Client;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use txp_aws::clock::SystemClock;
use txp_aws::config::s3_client;
use txp_aws::quarantine::{PREFIX, S3Quarantine};
use txp_aws::s3::object::StoredObject;
use txp_aws::s3::report::RejectsReport;
use txp_aws::s3::{Bucket, key};
use txp_emulator::{Emulator, Proxy, Turn, config};
use txp_pipeline::port::ObjectStore as _;
use txp_tests::conformance::quarantine::{Kept, STAGE};
use txp_tests::conformance::{objects, quarantine, reports, upload_id};

/// A bucket of an emulator, as one client reaches it and as everyone else sees it.
struct Both {
    ours: Bucket,
    seen: Bucket,
}

impl Both {
    async fn create(emulator: &Emulator, client: Client, name: &str) -> Self {
        let seen = emulator.bucket(name).await;
        Self {
            ours: Bucket::new(client, seen.name()),
            seen,
        }
    }

    async fn kept(&self) -> Vec<Kept> {
        kept_in(&self.seen).await
    }
}

async fn kept_in(bucket: &Bucket) -> Vec<Kept> {
    let list = bucket.client().list_objects_v2().bucket(bucket.name());
    let listed = list.prefix(PREFIX).send().await.unwrap();
    let mut kept = Vec::new();
    for object in listed.contents() {
        let json = bucket.get(object.key().unwrap(), 10_000).await.unwrap();
        let document: Value = serde_json::from_slice(&json.unwrap()).unwrap();
        let position = &document["position"];
        kept.push(Kept {
            bucket: position["bucket"].as_u64().unwrap().try_into().unwrap(),
            sequence: position["sequence"].as_str().unwrap().parse().unwrap(),
            stage: document["stage"].as_str().unwrap().to_owned(),
            reason: document["reason"].as_str().unwrap().to_owned(),
        });
    }
    kept
}

/// The functions of one port over one client, which may be one whose calls go wrong.
pub(crate) mod over {
    use super::*;

    pub(crate) async fn quarantine(emulator: &Emulator, client: Client, name: &str) {
        let bucket = Both::create(emulator, client.clone(), name).await;
        let open = async || S3Quarantine::new(bucket.ours.clone(), STAGE);
        let read = async || bucket.kept().await;
        quarantine::an_event_is_kept_once(open, read).await;
        quarantine::many_are_kept_at_once(&mut open().await, read).await;
        quarantine::a_reason_is_masked(&mut open().await, read).await;
        let later = emulator.name(name);
        let seen = Bucket::new(emulator.s3(), &*later);
        let mut quarantine = S3Quarantine::new(Bucket::new(client, &*later), STAGE);
        quarantine::what_failed_is_kept_when_it_is_put_again(
            &mut quarantine,
            async || emulator.create(&seen).await,
            async || kept_in(&seen).await,
        )
        .await;
    }

    pub(crate) async fn reports(emulator: &Emulator, client: Client, name: &str) {
        let bucket = Both::create(emulator, client, name).await;
        let begin = |number| {
            let ours = &bucket.ours;
            async move || RejectsReport::new(ours.clone(), upload_id(number))
        };
        let read = |number| {
            let seen = &bucket.seen;
            async move || published(seen, number).await
        };
        reports::a_report_is_there_once_it_is_published(begin(1), read(1)).await;
        reports::a_report_is_whole_or_none(begin(2), read(2)).await;
        reports::a_discarded_report_is_none(begin(3), read(3)).await;
        reports::another_goes_on_where_one_saved(begin(4), read(4)).await;
        reports::one_that_begins_anew_has_nothing(begin(5), read(5)).await;
        reports::what_is_gone_is_not_gone_on_with(begin(6), begin(7)).await;
    }

    pub(crate) async fn objects(emulator: &Emulator, client: Client, name: &str) {
        let bucket = Both::create(emulator, client, name).await;
        let bytes: Vec<u8> = (0..1_500_000_u32).map(|at| (at % 251) as u8).collect();
        let put = bucket.seen.put("file.csv", "text/csv", bytes.clone());
        put.await.unwrap();
        let head = bucket.ours.head("file.csv", "null").await.unwrap();
        let open = async |offset| {
            let (bucket, head) = (bucket.ours.clone(), head.clone());
            let mut object = StoredObject::new(bucket, "file.csv", "null", head, SystemClock);
            object.open(offset).await.unwrap()
        };
        objects::an_object_is_read_from_any_offset(open, &bytes).await;
    }
}

async fn published(bucket: &Bucket, number: u8) -> Option<Vec<u8>> {
    let key = key::of_rejects(upload_id(number));
    bucket.get(&key, 1 << 30).await.unwrap()
}

#[tokio::test]
async fn the_quarantine_conforms() {
    let emulator = Emulator::shared().await;
    over::quarantine(&emulator, emulator.s3(), "quarantine-conforms").await;
}

#[tokio::test]
async fn reports_conform() {
    let emulator = Emulator::shared().await;
    over::reports(&emulator, emulator.s3(), "reports-conform").await;
}

#[tokio::test]
async fn objects_conform() {
    let emulator = Emulator::shared().await;
    over::objects(&emulator, emulator.s3(), "objects-conform").await;
}

/// A small report that has no bucket yet.
#[tokio::test]
async fn a_report_without_a_bucket_is_published_once_there_is_one() {
    let emulator = Emulator::shared().await;
    let bucket = Bucket::new(emulator.s3(), emulator.name("reports-later"));
    reports::what_failed_is_whole_when_it_is_published_again(
        RejectsReport::new(bucket.clone(), upload_id(1)),
        b"report",
        async || emulator.create(&bucket).await,
        async || published(&bucket, 1).await,
    )
    .await;
}

/// A report in parts of which the last is refused: it is not published without that.
#[tokio::test]
async fn a_report_is_not_published_without_its_last_part() {
    let emulator = Emulator::shared().await;
    let seen = emulator.bucket("reports-in-parts").await;
    let is_denied = Arc::new(AtomicBool::new(true));
    let denied = Arc::clone(&is_denied);
    let proxy = Proxy::before(emulator.port, move |request| {
        if request.line.contains("partNumber=2") && denied.load(Ordering::Relaxed) {
            let body = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";
            return Turn::Instead(403, body.to_owned());
        }
        Turn::Through
    });
    let bucket = Bucket::new(s3_client(&config(&proxy.endpoint())), seen.name());
    let bytes: Vec<u8> = (0..6_000_000_u32).map(|at| (at % 251) as u8).collect();
    reports::what_failed_is_whole_when_it_is_published_again(
        RejectsReport::new(bucket, upload_id(1)),
        &bytes,
        async || is_denied.store(false, Ordering::Relaxed),
        async || published(&seen, 1).await,
    )
    .await;
}

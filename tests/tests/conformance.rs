//! The embedded adapters do what every adapter of their ports must do.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: a panic is how they say no"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind as IoErrorKind, Seek as _, SeekFrom};
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use txp_domain::alert::Cooldowns;
use txp_domain::card::Fingerprinter;
use txp_domain::id::UploadId;
use txp_domain::position::Bucket;
use txp_domain::upload::Upload;
use txp_local::alerts::{Ledger, Sinks};
use txp_local::host::{
    Host, HostOptions, LOG_DIR, Quarantine, REJECTS_DIR, RejectsFile, read_quarantine,
};
use txp_local::log::{FrameBuilder, LogSource, LogWriter, OpenOptions};
use txp_local::state::State;
use txp_pipeline::port::{ErrorKind, Window};
use txp_tests::conformance::messages::Heard;
use txp_tests::conformance::quarantine::Kept;
use txp_tests::conformance::source::{Given, read_all};
use txp_tests::conformance::{
    NOW, alerts, events, messages, objects, profiles, quarantine, reports, source, transactions,
    upload_id, uploads,
};

/// The embedded adapters never wait: a future that is polled is done.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(done) => done,
        Poll::Pending => unreachable!("an embedded adapter waits"),
    }
}

fn with_state(test: impl AsyncFn(&mut State)) {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    now(test(&mut state));
}

async fn read(state: &mut State, id: UploadId) -> Upload {
    state.upload(id).unwrap().expect("the upload is known")
}

#[test]
fn transactions_conform() {
    with_state(async |state| {
        transactions::insert_new_tells_new_from_known(state).await;
        transactions::an_item_is_read_back_as_it_was_stored(state).await;
        transactions::store_is_conditional_on_the_revision(state).await;
        transactions::merchants_of_one_id_are_apart(state).await;
        transactions::prepared_items_are_those_stored(state).await;
    });
}

#[test]
fn uploads_conform() {
    with_state(async |state| {
        uploads::a_watermark_is_advanced_once(state, read).await;
        uploads::all_buckets_advance_together(state, read).await;
        uploads::an_upload_completes_once(state, read).await;
        uploads::a_failed_upload_stays_failed(state, read).await;
    });
}

#[test]
fn profiles_conform() {
    with_state(async |state| {
        profiles::a_profile_is_read_back_as_it_was_stored(state).await;
        profiles::store_is_conditional_on_the_revision(state).await;
        profiles::an_update_is_made_once(state).await;
        profiles::prepared_profiles_are_those_stored(state).await;
    });
}

#[test]
fn alerts_conform() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _waiting) = Ledger::open(dir.path(), NOW).unwrap();
    now(alerts::an_alert_is_recorded_then_marked(&mut ledger));
    let cooldowns = Cooldowns::default;
    now(alerts::a_storm_is_told_by_digests(&mut ledger, cooldowns()));
    now(alerts::an_old_finding_is_recorded_only(
        &mut ledger,
        cooldowns(),
    ));
}

/// When a frame of the log arrived: three of them at the same time.
const fn arrival_of(frame: u64) -> i64 {
    1_700_000_000_000 + (frame as i64 / 3) * 10
}

#[test]
fn the_log_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let options = OpenOptions {
        // Many segments.
        segment_bytes: 2_000,
        ..OpenOptions::default()
    };
    let (mut log, _recovery) = LogWriter::open(dir.path(), &options).unwrap();
    let mut recorded: BTreeMap<u8, Vec<Vec<u8>>> = BTreeMap::new();
    let mut frame = FrameBuilder::new();
    for number in 0..40 {
        frame.clear();
        for event in 0..=number % 4 {
            let bytes = format!("{{\"frame\":{number},\"event\":{event}}}").into_bytes();
            let bucket = Bucket((number * 7 + event) as u8 % 5);
            frame.push(bucket, &bytes).unwrap();
            recorded.entry(bucket.0).or_default().push(bytes);
        }
        let now = u64::try_from(arrival_of(number)).unwrap();
        log.append(now, &mut frame).unwrap();
    }
    let last = log.sync().unwrap();
    let open = |window| LogSource::open(dir.path(), window, last);
    let opened = async |window: Window| open(window).unwrap();
    now(source::every_event_comes_once_in_order(opened, &recorded));
    now(source::a_source_goes_on_from_any_place(opened));
    let times = [0, 1, 20, 21, 39].map(arrival_of);
    now(source::a_window_of_time_is_what_arrived_in_it(
        opened, &times,
    ));
    now(source::a_foreign_place_is_refused(async |window| {
        open(window)
    }));
}

fn host(dir: &Path) -> Host {
    let options = HostOptions {
        command: "conformance",
        fingerprinter: Fingerprinter::new([7; 32]),
        is_durable: true,
        alerts: true,
        terminal: None,
    };
    Host::open(dir, options).unwrap()
}

async fn history(dir: &Path) -> Vec<Given> {
    let log = LogSource::open(&dir.join(LOG_DIR), Window::default(), 0);
    read_all(&mut log.unwrap()).await
}

#[test]
fn appending_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let host = host(dir.path());
    let read = async || history(dir.path()).await;
    let mut sink = host.event_sink();
    now(events::nothing_adds_nothing(&mut sink, read));
    let repeats = now(events::what_is_flushed_is_there_in_order(&mut sink, read));
    assert_eq!(repeats, 0);
    let mut other = host.event_sink();
    now(events::two_keep_their_orders(&mut sink, &mut other, read));
    let stop = async || host.stop().unwrap();
    let kind = ErrorKind::Permanent;
    let failed =
        events::one_that_failed_takes_nothing_more(&mut sink, stop, async || {}, read, kind);
    now(failed);
}

#[test]
fn the_quarantine_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let open = async || Quarantine::open(dir.path()).unwrap();
    let read = async || kept_in(dir.path());
    now(quarantine::an_event_is_kept_once(open, read));
    let mut opened = now(open());
    now(quarantine::many_are_kept_at_once(&mut opened, read));
    now(quarantine::a_reason_is_masked(&mut opened, read));
    let gone = dir.path().join("gone");
    let mut opened = Quarantine::open(&gone).unwrap();
    now(quarantine::what_failed_is_kept_when_it_is_put_again(
        &mut opened,
        async || fs::create_dir(&gone).unwrap(),
        async || kept_in(&gone),
    ));
}

fn kept_in(dir: &Path) -> Vec<Kept> {
    let kept = read_quarantine(dir).unwrap().into_iter();
    kept.map(|event| Kept {
        bucket: event.bucket,
        sequence: event.sequence,
        stage: event.stage,
        reason: event.reason,
    })
    .collect()
}

#[test]
fn the_outbox_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let alerts = dir.path().join("alerts");
    fs::create_dir(&alerts).unwrap();
    let mut sink = Sinks::open(&alerts, None).unwrap();
    let read = async |is_enough: &dyn Fn(&[Heard]) -> bool| {
        let heard = heard_in(&alerts);
        assert!(is_enough(&heard), "{heard:?}");
        heard
    };
    now(messages::a_message_is_told_whole(&mut sink, read));
    now(messages::a_message_may_have_no_rule(&mut sink, read));
    now(messages::many_are_told(&mut sink, read));
    // Whom webhooks tell cannot be read.
    let endpoints = dir.path().join("control/webhooks.json");
    fs::create_dir_all(&endpoints).unwrap();
    now(messages::what_failed_is_told_when_it_is_sent_again(
        &mut sink,
        async || fs::remove_dir(&endpoints).unwrap(),
        read,
    ));
}

fn heard_in(dir: &Path) -> Vec<Heard> {
    let outbox = fs::read_to_string(dir.join("outbox.jsonl")).unwrap();
    let lines = outbox.lines().map(|line| {
        let sent: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |name| sent.get(name).unwrap().as_str().unwrap().to_owned();
        Heard {
            subject: text("subject"),
            body: text("body"),
            attributes: ["severity", "rule", "merchant_id"].map(text),
        }
    });
    lines.collect()
}

#[test]
fn reports_conform() {
    let whole = tempfile::tempdir().unwrap();
    let dir = whole.path();
    let path = |id| dir.join(REJECTS_DIR).join(format!("{id}.csv"));
    let of = |number| {
        let id = upload_id(number);
        let begin = async move || RejectsFile::create(dir, id).unwrap();
        (begin, async move || published(&path(id)))
    };
    let (open, read) = of(1);
    now(reports::a_report_is_there_once_it_is_published(open, read));
    let (open, read) = of(2);
    now(reports::a_report_is_whole_or_none(open, read));
    let (open, read) = of(3);
    now(reports::a_discarded_report_is_none(open, read));
    let (open, read) = of(4);
    let taken = path(upload_id(4));
    fs::create_dir(&taken).unwrap();
    now(reports::what_failed_is_whole_when_it_is_published_again(
        now(open()),
        &[7; 1_000_000],
        async || fs::remove_dir(&taken).unwrap(),
        read,
    ));
}

fn published(path: &Path) -> Option<Vec<u8>> {
    match fs::read(path) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == IoErrorKind::NotFound => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn files_conform() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file.csv");
    let bytes: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
    fs::write(&path, &bytes).unwrap();
    let open = async |offset| {
        let mut file = fs::File::open(&path).unwrap();
        file.seek(SeekFrom::Start(offset)).unwrap();
        file
    };
    now(objects::an_object_is_read_from_any_offset(open, &bytes));
}

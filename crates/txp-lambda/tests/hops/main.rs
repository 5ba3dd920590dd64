//! The real `validation`, as a process of its own, over a file that needs several invocations: each
//! has a real deadline of seconds, the file comes no faster than a merchant's connection, and the
//! process is killed in the middle of one. What it wrote is what one invocation writes that nobody
//! disturbs. And what the stream refuses is counted.
//!
//! `cargo xtask ci --only test` makes the emulator's Python environment and runs this.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests: a panic is how they say no, and figures are for whoever reads along"
)]

mod process;
mod world;

use process::{Ended, Killer, Process};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use txp_emulator::{Request, Turn};
use world::{File, Place, World};

/// Some 900 KB, five batches of events.
const ROWS: u64 = 12_000;
const FEW_ROWS: u64 = 2_000;
/// The time of an invocation at first, and one that is enough for all of the file.
const MILLIS: u128 = 4_000;
const MILLIS_ENOUGH: u128 = 900_000;
/// An invocation that got on less than this gives the next one twice the time: whoever shares the
/// machine may leave it hardly any.
const ROWS_EXPECTED: u64 = ROWS / 10;
/// What the file comes in, and how often: all of it takes more than four times the time of the first
/// invocation, so that the first two cannot read all of it, however fast the machine is.
const PIECE_BYTES: usize = 5 << 10;
const PAUSE: Duration = Duration::from_millis(100);
/// The invocation that is killed.
const KILLED: usize = 3;
/// The calls of which the stream takes only half.
const CALLS_REFUSED: usize = 3;
/// What a function of 128 MiB may take.
const PEAK_BYTES_MAX: u64 = 128 << 20;
/// More invocations than the file can need.
const INVOCATIONS_MAX: usize = 60;

const TICK: &str = r#"{"source":"aws.events","detail-type":"Scheduled Event","detail":{}}"#;

/// A file that comes as fast as it is, read in one invocation.
fn undisturbed(world: &World, file: &File, place: &Place) {
    let mut process = Process::start(&world.environment(place, None, None));
    assert_eq!(process.invoke(&file.event, MILLIS_ENOUGH), Ended::Answered);
    assert!(process.calls.is_empty(), "one invocation is enough");
    process.end();
}

/// Once the invocation that is to be killed writes to the stream, it is, and never learns that it was
/// stored.
fn killing(armed: &Arc<Mutex<Option<Killer>>>) -> impl Fn(&mut Request) -> Turn + use<> {
    let armed = Arc::clone(armed);
    move |request| {
        let killer = match request.operation() {
            "PutRecords" => armed.lock().unwrap().take(),
            _ => None,
        };
        let Some(killer) = killer else {
            return Turn::Through;
        };
        Turn::Changed(Box::new(move |stored| {
            killer.kill();
            stored.to_vec()
        }))
    }
}

#[tokio::test]
async fn a_file_of_many_invocations_one_of_them_killed_gives_what_one_invocation_gives() {
    let world = World::new().await;
    let file = world.put(ROWS).await;
    let (whole, parts) = (world.place().await, world.place().await);
    for place in [&whole, &parts] {
        world.announce(&file, place).await;
    }
    undisturbed(&world, &file, &whole);

    let slowly = world.before(|request: &mut Request| {
        if request.line.starts_with("GET /") && request.line.contains("/uploads/") {
            Turn::Slowly(PIECE_BYTES, PAUSE)
        } else {
            Turn::Through
        }
    });
    let armed = Arc::new(Mutex::new(None));
    let stream = world.before(killing(&armed));
    let environment = world.environment(&parts, Some(&slowly), Some(&stream));
    let mut process = Process::start(&environment);
    let mut waiting = vec![file.event.clone()];
    let (mut invocations, mut peak_bytes, mut was_killed) = (0, 0, false);
    let (mut millis, mut record) = (MILLIS, 0);
    while let Some(event) = waiting.pop() {
        invocations += 1;
        assert!(invocations < INVOCATIONS_MAX, "it gets nowhere");
        if invocations == KILLED {
            *armed.lock().unwrap() = Some(process.killer());
        }
        match process.invoke(&event, millis) {
            Ended::Answered => {
                let before = std::mem::replace(&mut record, world.record(&file, &parts).await);
                if record < before + ROWS_EXPECTED {
                    millis *= 2;
                }
            }
            Ended::Failed(error) => panic!("{error}"),
            Ended::Died => {
                assert!(invocations >= KILLED, "nobody killed it");
                was_killed = true;
                peak_bytes = process.peak_bytes;
                process = Process::start(&environment);
                // Lambda tries again at once. The dead one's claim still holds: nobody reads.
                assert_eq!(process.invoke(&event, millis), Ended::Answered);
                assert!(process.calls.is_empty());
                // Its end is not waited for.
                world.end_lease(&file, &parts).await;
                assert_eq!(process.invoke(TICK, millis), Ended::Answered);
                assert_eq!(process.calls.len(), 1, "the sweeper takes it up");
            }
        }
        waiting.extend(process.calls.drain(..));
    }
    peak_bytes = peak_bytes.max(process.peak_bytes);
    process.end();
    let kibibytes = peak_bytes >> 10;
    eprintln!("{invocations} invocations of {MILLIS} to {millis} ms, peak {kibibytes} KiB");
    assert!(was_killed && invocations > KILLED, "{invocations}");
    assert!(peak_bytes < PEAK_BYTES_MAX, "{peak_bytes} bytes at most");
    let (expected, _) = world.events(&whole).await;
    let (events, repeats) = world.events(&parts).await;
    // Not shown if it differs: it is megabytes.
    assert!(events == expected, "the events are not the same");
    assert!(
        repeats > 0,
        "what was stored and not heard of is there twice"
    );
    let report = world.report(&file, &whole).await;
    assert!(report.is_some() && world.report(&file, &parts).await == report);
}

/// The first calls that have several records are refused half of them.
fn refusing(refused: &Arc<AtomicU64>) -> impl Fn(&mut Request) -> Turn + use<> {
    let (refused, calls) = (Arc::clone(refused), AtomicUsize::new(0));
    move |request| {
        if request.operation() != "PutRecords" {
            return Turn::Through;
        }
        let mut records = 0;
        request.change(|body| records = body["Records"].as_array().unwrap().len());
        if records < 2 || calls.fetch_add(1, Ordering::Relaxed) >= CALLS_REFUSED {
            return Turn::Through;
        }
        let mut left = 0;
        request.change(|body| {
            let records = body["Records"].as_array_mut().unwrap();
            left = records.split_off(records.len().div_ceil(2)).len();
        });
        refused.fetch_add(left as u64, Ordering::Relaxed);
        Turn::Changed(Box::new(move |answer| {
            let mut answer: Value = serde_json::from_slice(answer).unwrap();
            let records = answer["Records"].as_array_mut().unwrap();
            let code = "ProvisionedThroughputExceededException";
            let throttled = json!({ "ErrorCode": code, "ErrorMessage": "too much" });
            records.extend(std::iter::repeat_n(throttled, left));
            answer["FailedRecordCount"] = json!(left);
            serde_json::to_vec(&answer).unwrap()
        }))
    }
}

/// The sum of a metric in the documents among a function's lines.
fn sum_of(lines: &[Value], metric: &str) -> u64 {
    let documents = lines.iter().filter(|line| line.get("_aws").is_some());
    let counts = documents.filter_map(|line| line.get(metric)?.as_f64());
    counts.sum::<f64>() as u64
}

#[tokio::test]
async fn what_a_stream_refuses_is_sent_again_and_counted() {
    let world = World::new().await;
    let file = world.put(FEW_ROWS).await;
    let (whole, throttled) = (world.place().await, world.place().await);
    for place in [&whole, &throttled] {
        world.announce(&file, place).await;
    }
    undisturbed(&world, &file, &whole);
    let refused = Arc::new(AtomicU64::new(0));
    let stream = world.before(refusing(&refused));
    let mut process = Process::start(&world.environment(&throttled, None, Some(&stream)));
    assert_eq!(process.invoke(&file.event, MILLIS_ENOUGH), Ended::Answered);
    // The line of metrics is written before the answer.
    let lines = process.end();
    let refused = refused.load(Ordering::Relaxed);
    assert!(refused > 0);
    for metric in ["emit_throttles", "emit_retries"] {
        assert_eq!(sum_of(&lines, metric), refused, "{metric}");
    }
    let (expected, _) = world.events(&whole).await;
    assert!(world.events(&throttled).await == (expected, 0));
}

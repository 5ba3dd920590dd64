//! The same functions while S3 throttles, breaks down, breaks off, does what it is asked and does not
//! say so, is silent, and stops in the middle of an object.

use crate::stores::over;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use txp_aws::config::s3_client;
use txp_emulator::{Emulator, Once, Proxy, Request, Turn, config};

/// What is not answered is given up after this; whatever is answered at all is answered sooner.
const PATIENCE: Duration = Duration::from_secs(5);
/// The one request that nobody answers: waiting for that takes [`PATIENCE`].
const UNANSWERED: usize = 12;
/// How much of an object comes before it stops.
const CUT_BYTES: usize = 300_000;

/// How often each fault came, by name.
type Faults = Arc<Mutex<BTreeMap<&'static str, usize>>>;

/// A client whose calls have faults, and which of them came.
fn faulty(
    emulator: &Emulator,
    fault_of: impl Fn(&Request) -> Option<(&'static str, Turn)> + Send + Sync + 'static,
) -> (Client, Faults) {
    let faults = Faults::default();
    let came = Arc::clone(&faults);
    let proxy = Proxy::before(emulator.port, move |request| match fault_of(request) {
        Some((fault, turn)) => {
            *came.lock().unwrap().entry(fault).or_default() += 1;
            turn
        }
        None => Turn::Through,
    });
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(PATIENCE);
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let config = config(&proxy.endpoint()).to_builder();
    let config = config
        .timeout_config(timeouts.build())
        .retry_config(retries)
        .build();
    (s3_client(&config), faults)
}

fn refusal(status: u16, code: &str) -> Turn {
    let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
    Turn::Instead(status, body)
}

/// Each call once, in turn.
fn each_once() -> impl Fn(&Request) -> Option<(&'static str, Turn)> {
    let once = Once::default();
    move |request| {
        let number = once.number(request)?;
        match (number, number % 8) {
            (UNANSWERED, _) => Some(("silence", Turn::Silence)),
            (_, 1) => Some(("throttle", refusal(503, "SlowDown"))),
            (_, 3) => Some(("breakdown", refusal(500, "InternalError"))),
            (_, 5) => Some(("reset", Turn::Reset)),
            (_, 7) => Some(("lost", Turn::Lost)),
            _ => None,
        }
    }
}

/// Every reading of an object, in turn: few get to its end.
fn each_reading() -> impl Fn(&Request) -> Option<(&'static str, Turn)> {
    let number = AtomicUsize::new(0);
    move |request| {
        if !request.line.starts_with("GET ") {
            return None;
        }
        match number.fetch_add(1, Ordering::Relaxed) {
            UNANSWERED => Some(("silence", Turn::Silence)),
            number => match number % 6 {
                0 => Some(("cut", Turn::Cut(CUT_BYTES))),
                1 => Some(("throttle", refusal(503, "SlowDown"))),
                2 => Some(("breakdown", refusal(500, "InternalError"))),
                3 => Some(("reset", Turn::Reset)),
                4 => Some(("lost", Turn::Cut(0))),
                _ => None,
            },
        }
    }
}

/// Each fault came.
fn came(faults: &Faults, expected: &[&str]) {
    let faults = faults.lock().unwrap();
    let of_all = ["throttle", "breakdown", "reset", "lost", "silence"];
    for fault in of_all.iter().chain(expected) {
        assert!(faults.contains_key(fault), "{fault}: {faults:?}");
    }
}

#[tokio::test]
async fn the_quarantine_conforms_whatever_goes_wrong() {
    let emulator = Emulator::shared().await;
    let (client, faults) = faulty(&emulator, each_once());
    over::quarantine(&emulator, client, "quarantine-faulty").await;
    came(&faults, &[]);
}

#[tokio::test]
async fn reports_conform_whatever_goes_wrong() {
    let emulator = Emulator::shared().await;
    let (client, faults) = faulty(&emulator, each_once());
    over::reports(&emulator, client, "reports-faulty").await;
    came(&faults, &[]);
}

#[tokio::test]
async fn objects_conform_whatever_goes_wrong() {
    let emulator = Emulator::shared().await;
    let (client, faults) = faulty(&emulator, each_reading());
    over::objects(&emulator, client, "objects-faulty").await;
    came(&faults, &["cut"]);
}

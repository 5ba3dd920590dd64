//! The same functions while calls are throttled, break down, break off and are not answered, while
//! parts of a call are left for later, and while a page holds three items: the stores do what they do
//! on a table that is at peace.

use crate::over;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use txp_emulator::{Emulator, Once, Proxy, Request, Turn};

/// What is not answered is given up after this; whatever is answered at all is answered sooner.
const PATIENCE: Duration = Duration::from_secs(5);
/// Items of a page.
const PAGE: u32 = 3;
/// The one request that nobody answers: waiting for that takes [`PATIENCE`].
const UNANSWERED: usize = 20;

/// How often each fault came, by name.
type Faults = Arc<Mutex<BTreeMap<&'static str, usize>>>;

/// A client whose calls go wrong, each once, and what went wrong.
fn faulty(emulator: &Emulator) -> (Client, Faults) {
    let faults = Faults::default();
    let proxy = Proxy::before(emulator.port, faults_of(&faults));
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(PATIENCE);
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let config = emulator.dynamodb().config().to_builder();
    let config = config
        .endpoint_url(proxy.endpoint())
        .timeout_config(timeouts.build())
        .retry_config(retries)
        .build();
    (Client::from_conf(config), faults)
}

fn faults_of(faults: &Faults) -> impl Fn(&mut Request) -> Turn + use<> {
    let (faults, once) = (Arc::clone(faults), Once::default());
    move |request| {
        let Some(number) = once.number(request) else {
            return Turn::Through;
        };
        let (fault, turn) = match (number, number % 8, request.operation()) {
            (UNANSWERED, ..) => ("silence", Turn::Silence),
            (_, 1, _) => (
                "throttle",
                refusal(400, "ProvisionedThroughputExceededException"),
            ),
            (_, 3, _) => ("breakdown", refusal(500, "InternalServerError")),
            (_, 5, _) => ("reset", Turn::Reset),
            (_, _, "BatchGetItem") => ("part", half(request)),
            (_, _, "Query" | "Scan") => ("page", page(request)),
            _ => return Turn::Through,
        };
        *faults.lock().unwrap().entry(fault).or_default() += 1;
        turn
    }
}

fn refusal(status: u16, code: &str) -> Turn {
    let body = json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}") });
    Turn::Instead(status, body.to_string())
}

/// Half of the keys of a request are left unread.
fn half(request: &mut Request) -> Turn {
    let mut left = Value::Null;
    request.change(|body| {
        let tables = body["RequestItems"].as_object_mut().unwrap();
        left = Value::Object(tables.clone());
        for (name, wanted) in tables {
            let keys = wanted["Keys"].as_array_mut().unwrap();
            left[name]["Keys"] = Value::Array(keys.split_off(keys.len().div_ceil(2)));
        }
    });
    let is_left = |table: &Value| {
        table["Keys"]
            .as_array()
            .is_some_and(|keys| !keys.is_empty())
    };
    if !left.as_object().unwrap().values().all(is_left) {
        return Turn::Through;
    }
    Turn::Changed(Box::new(move |answer| {
        let mut answer: Value = serde_json::from_slice(answer).unwrap();
        answer["UnprocessedKeys"] = left;
        serde_json::to_vec(&answer).unwrap()
    }))
}

/// A page ends early where the caller has not said how long it is to be.
fn page(request: &mut Request) -> Turn {
    request.change(|body| {
        if body["Limit"].is_null() {
            body["Limit"] = json!(PAGE);
        }
    });
    Turn::Through
}

/// Each fault that a port's calls can meet came.
fn came(faults: &Faults, expected: &[&str]) {
    let faults = faults.lock().unwrap();
    let of_all = ["throttle", "breakdown", "reset", "silence"];
    for fault in of_all.iter().chain(expected) {
        assert!(faults.contains_key(fault), "{fault}: {faults:?}");
    }
}

#[tokio::test]
async fn transactions_conform_whatever_goes_wrong() {
    let emulator = Emulator::shared().await;
    let (client, faults) = faulty(&emulator);
    over::transactions(&emulator, client).await;
    came(&faults, &["part", "page"]);
}

#[tokio::test]
async fn uploads_conform_whatever_goes_wrong() {
    let emulator = Emulator::shared().await;
    let (client, faults) = faulty(&emulator);
    over::uploads(&emulator, client).await;
    came(&faults, &["page"]);
}

#[tokio::test]
async fn profiles_conform_whatever_goes_wrong() {
    let emulator = Emulator::shared().await;
    let (client, faults) = faulty(&emulator);
    over::profiles(&emulator, client).await;
    came(&faults, &["part"]);
}

#[tokio::test]
async fn alerts_conform_whatever_goes_wrong() {
    let emulator = Emulator::shared().await;
    let (client, faults) = faulty(&emulator);
    over::alerts(&emulator, client).await;
    came(&faults, &[]);
}

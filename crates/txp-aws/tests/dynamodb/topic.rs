//! Alerts to a topic that throttles, breaks down, breaks off, publishes and does not say so, and is
//! silent: each reaches whoever subscribes, as it is told, if need be more than once.

use crate::emulator::{ASK_EVERY, Emulator, START_LIMIT};
use crate::proxy::{Once, Proxy, Turn};
use aws_sdk_sns::Client;
use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::config::timeout::TimeoutConfig;
use aws_sdk_sns::config::{BehaviorVersion, Config, Credentials, Region};
use aws_smithy_http_client::Builder;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use txp_aws::clock::SystemClock;
use txp_aws::sns::Topic;
use txp_domain::alert::{Decision, Message};
use txp_pipeline::port::AlertSink as _;
use txp_pipeline::retry::RetryPolicy;
use txp_tests::conformance::alerts::record;

/// What is not answered is given up after this; whatever is answered at all is answered sooner.
const PATIENCE: Duration = Duration::from_secs(5);
/// Messages: more calls than there are faults.
const MESSAGES: u64 = 95;

fn client(endpoint: &str) -> Client {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(PATIENCE);
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "emulator"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts.build())
        .http_client(Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

/// Remembers what is posted to it, and gives where that is.
fn subscriber() -> (String, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/alerts", listener.local_addr().unwrap());
    let posted = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&posted);
    // It ends with the test's process.
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut reader = BufReader::new(connection.try_clone().unwrap());
            if let Some(request) = crate::proxy::Request::read(&mut reader, &mut connection) {
                let body = serde_json::from_slice(&request.body).unwrap();
                kept.lock().unwrap().push(body);
                let answer = "HTTP/1.1 200 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                connection.write_all(answer.as_bytes()).unwrap();
            }
        }
    });
    (url, posted)
}

/// Waits until what was posted is enough.
async fn until(posted: &Mutex<Vec<Value>>, is_enough: impl Fn(&[Value]) -> bool) {
    let start = Instant::now();
    while !is_enough(&posted.lock().unwrap()) {
        assert!(start.elapsed() < START_LIMIT, "not all is delivered");
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// The texts that were delivered.
fn told(posted: &[Value]) -> Vec<String> {
    let messages = posted.iter().filter(|post| post["Type"] == "Notification");
    messages
        .map(|post| post["Message"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn every_alert_is_told_whatever_goes_wrong() {
    let emulator = Emulator::shared().await;
    let peaceful = client(&emulator.endpoint());
    let topic = peaceful.create_topic().name("alerts-faulty");
    let arn = topic.send().await.unwrap().topic_arn.unwrap();
    let (url, posted) = subscriber();
    let subscribe = peaceful.subscribe().topic_arn(&arn).protocol("http");
    subscribe.endpoint(url).send().await.unwrap();
    until(&posted, |posted| !posted.is_empty()).await;
    let token = posted.lock().unwrap()[0]["Token"]
        .as_str()
        .unwrap()
        .to_owned();
    let confirm = peaceful.confirm_subscription().topic_arn(&arn);
    confirm.token(token).send().await.unwrap();

    let faults = Arc::new(Mutex::new(BTreeMap::<&str, usize>::new()));
    let (came, once) = (Arc::clone(&faults), Once::default());
    let proxy = Proxy::before(emulator.port, move |request| {
        let refusal = |status, code| {
            let body = format!(
                "<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
            );
            Turn::Instead(status, body)
        };
        let (fault, turn) = match once.number(request) {
            Some(1) => ("throttle", refusal(400, "Throttled")),
            Some(3) => ("breakdown", refusal(500, "InternalError")),
            Some(5) => ("reset", Turn::Reset),
            Some(7) => ("lost", Turn::Lost),
            Some(9) => ("silence", Turn::Silence),
            _ => return Turn::Through,
        };
        *came.lock().unwrap().entry(fault).or_default() += 1;
        turn
    });
    let retry = RetryPolicy {
        first_wait_millis: 1,
        max_wait_millis: 5,
        attempts_max: 10,
    };
    let mut sink = Topic::new(client(&proxy.endpoint()), arn, SystemClock, retry);
    let messages: Vec<_> = (1..=MESSAGES)
        .map(|number| Message::of(&record(number, "m-1", Decision::Send).flagged.finding))
        .collect();
    sink.send_all(&messages).await.unwrap();
    let expected: BTreeSet<_> = messages.iter().map(|m| m.body.clone()).collect();
    let all = |posted: &[Value]| told(posted).into_iter().collect::<BTreeSet<_>>() == expected;
    until(&posted, all).await;
    let faults = faults.lock().unwrap();
    for fault in ["throttle", "breakdown", "reset", "lost", "silence"] {
        assert!(faults.contains_key(fault), "{fault}: {faults:?}");
    }
}

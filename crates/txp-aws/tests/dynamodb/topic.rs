//! Alerts to a topic that throttles, breaks down, breaks off, publishes and does not say so, and is
//! silent: each reaches whoever subscribes, as it is told, if need be more than once.

use aws_sdk_sns::Client;
use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::config::timeout::TimeoutConfig;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use txp_aws::clock::SystemClock;
use txp_aws::sns::Topic;
use txp_emulator::{ASK_EVERY, Emulator, Once, Proxy, Request, START_LIMIT, Turn, config};
use txp_pipeline::port::AlertSink as _;
use txp_pipeline::retry::RetryPolicy;
use txp_tests::conformance::messages::{self, Heard};

/// What is not answered is given up after this; whatever is answered at all is answered sooner.
const PATIENCE: Duration = Duration::from_secs(5);
/// Messages: more calls than there are faults.
const MESSAGES: u64 = 95;

fn client(endpoint: &str) -> Client {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(PATIENCE);
    let config = config(endpoint).into_builder();
    let config = config
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts.build());
    Client::new(&config.build())
}

/// Whoever listens to a topic.
struct Subscriber {
    url: String,
    posted: Arc<Mutex<Vec<Value>>>,
}

impl Subscriber {
    /// One that remembers what is posted to it. It ends with the test's process.
    fn listening() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}/alerts", listener.local_addr().unwrap());
        let posted = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&posted);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let mut reader = BufReader::new(connection.try_clone().unwrap());
                if let Some(request) = Request::read(&mut reader, &mut connection) {
                    let body = serde_json::from_slice(&request.body).unwrap();
                    kept.lock().unwrap().push(body);
                    let answer = "HTTP/1.1 200 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                    connection.write_all(answer.as_bytes()).unwrap();
                }
            }
        });
        Self { url, posted }
    }

    /// Subscribes to a topic, and confirms it.
    async fn subscribe(&self, client: &Client, arn: &str) {
        let subscribe = client.subscribe().topic_arn(arn).protocol("http");
        subscribe.endpoint(&self.url).send().await.unwrap();
        self.until(|posted| !posted.is_empty()).await;
        let token = self.posted.lock().unwrap()[0]["Token"].clone();
        let confirm = client.confirm_subscription().topic_arn(arn);
        let confirm = confirm.token(token.as_str().unwrap());
        confirm.send().await.unwrap();
    }

    /// Waits until what was posted is enough.
    async fn until(&self, is_enough: impl Fn(&[Value]) -> bool) {
        let start = Instant::now();
        while !is_enough(&self.posted.lock().unwrap()) {
            assert!(start.elapsed() < START_LIMIT, "not all is delivered");
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// What was heard, once it is enough.
    async fn heard(&self, is_enough: impl Fn(&[Heard]) -> bool) -> Vec<Heard> {
        self.until(|posted| is_enough(&heard(posted))).await;
        heard(&self.posted.lock().unwrap())
    }
}

/// The messages among what was posted.
fn heard(posted: &[Value]) -> Vec<Heard> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let messages = posted.iter().filter(|post| post["Type"] == "Notification");
    messages
        .map(|post| Heard {
            subject: text(&post["Subject"]),
            body: text(&post["Message"]),
            attributes: ["severity", "rule", "merchant_id"]
                .map(|name| text(&post["MessageAttributes"][name]["Value"])),
        })
        .collect()
}

fn retry() -> RetryPolicy {
    RetryPolicy {
        first_wait_millis: 1,
        max_wait_millis: 5,
        attempts_max: 10,
    }
}

#[tokio::test]
async fn a_topic_conforms() {
    let emulator = Emulator::shared().await;
    let client = client(&emulator.endpoint());
    let arn = emulator.topic().await;
    let subscriber = Subscriber::listening();
    subscriber.subscribe(&client, &arn).await;
    let mut sink = Topic::new(client.clone(), arn, SystemClock, retry());
    let read = async |is_enough: &dyn Fn(&[Heard]) -> bool| subscriber.heard(is_enough).await;
    messages::a_message_is_told_whole(&mut sink, read).await;
    messages::a_message_may_have_no_rule(&mut sink, read).await;
    messages::many_are_told(&mut sink, read).await;
}

/// One that is not there yet.
#[tokio::test]
async fn a_topic_that_is_made_later_conforms() {
    let emulator = Emulator::shared().await;
    let client = client(&emulator.endpoint());
    let name = emulator.name("alerts-later");
    let arn = format!("arn:aws:sns:us-east-1:000000000000:{name}");
    let subscriber = Subscriber::listening();
    let mut sink = Topic::new(client.clone(), &*arn, SystemClock, retry());
    let make = async || {
        let made = client.create_topic().name(&name).send().await.unwrap();
        assert_eq!(made.topic_arn.as_deref(), Some(&*arn));
        subscriber.subscribe(&client, &arn).await;
    };
    let read = async |is_enough: &dyn Fn(&[Heard]) -> bool| subscriber.heard(is_enough).await;
    messages::what_failed_is_told_when_it_is_sent_again(&mut sink, make, read).await;
}

#[tokio::test]
async fn every_alert_is_told_whatever_goes_wrong() {
    let emulator = Emulator::shared().await;
    let arn = emulator.topic().await;
    let subscriber = Subscriber::listening();
    let peaceful = client(&emulator.endpoint());
    subscriber.subscribe(&peaceful, &arn).await;

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
    let mut sink = Topic::new(client(&proxy.endpoint()), arn, SystemClock, retry());
    let messages: Vec<_> = (1..=MESSAGES)
        .map(|number| messages::message(number, "m-1"))
        .collect();
    sink.send_all(&messages).await.unwrap();
    let expected: BTreeSet<_> = messages.iter().map(|m| m.body.clone()).collect();
    let told = |heard: &[Heard]| heard.iter().map(|heard| heard.body.clone()).collect();
    let all =
        |heard: &[Heard]| -> bool { BTreeSet::<String>::is_superset(&told(heard), &expected) };
    let heard = subscriber.heard(all).await;
    assert_eq!(told(&heard), expected);
    let faults = faults.lock().unwrap();
    for fault in ["throttle", "breakdown", "reset", "lost", "silence"] {
        assert!(faults.contains_key(fault), "{fault}: {faults:?}");
    }
}

//! A service that answers as it is told: throttles, denials, faults, silence, answers cut short. None
//! of the emulators at hand gives these.

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::Credentials;
use aws_smithy_http_client::Builder;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A silent service is given up after this, where the functions wait for seconds.
const IMPATIENCE: Duration = Duration::from_secs(2);
/// Longer than any answer takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    pub(crate) how: How,
}

/// How an answer comes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum How {
    #[default]
    Whole,
    /// Its head promises all, and so many bytes of its body come.
    Cut(usize),
    /// The connection is closed instead.
    Reset,
    /// Nothing comes.
    Silence,
}

impl Answer {
    pub(crate) fn of(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            body: body.into(),
            ..Self::default()
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn that(how: How) -> Self {
        Self {
            how,
            ..Self::of(200, "")
        }
    }
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Request {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (given, value) = line.split_once(": ")?;
            given.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

pub(crate) struct Service {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Service {
    /// Gives these answers, one after the other, and the last one from then on.
    pub(crate) fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let answers: Arc<Vec<Answer>> = Arc::new(answers.into_iter().collect());
        let seen = Arc::clone(&requests);
        // It ends with the test's process.
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (answers, seen) = (Arc::clone(&answers), Arc::clone(&seen));
                thread::spawn(move || converse(connection.unwrap(), &answers, &seen));
            }
        });
        Self { address, requests }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// A configuration of clients that try so often, and wait.
    pub(crate) async fn config(&self, attempts: u32) -> SdkConfig {
        self.configured(attempts, PATIENCE).await
    }

    /// A configuration of clients that do not wait.
    pub(crate) async fn impatient(&self, attempts: u32) -> SdkConfig {
        self.configured(attempts, IMPATIENCE).await
    }

    async fn configured(&self, attempts: u32, timeout: Duration) -> SdkConfig {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(timeout);
        let retries = RetryConfig::standard()
            .with_max_attempts(attempts)
            .with_initial_backoff(Duration::from_millis(1));
        aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(format!("http://{}", self.address))
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .http_client(Builder::new().build_http())
            .retry_config(retries)
            .timeout_config(timeouts.build())
            .load()
            .await
    }
}

fn converse(connection: TcpStream, answers: &[Answer], seen: &Mutex<Vec<Request>>) {
    let mut writer = connection.try_clone().unwrap();
    let mut reader = BufReader::new(connection);
    while let Some(request) = request(&mut reader) {
        let is_head = request.head.starts_with("HEAD ");
        let answer = {
            let mut seen = seen.lock().unwrap();
            seen.push(request);
            answers[(seen.len() - 1).min(answers.len() - 1)].clone()
        };
        match answer.how {
            How::Reset => return,
            How::Silence => {
                // Until the other side has had enough.
                let _end = reader.read_to_end(&mut Vec::new());
                return;
            }
            How::Whole | How::Cut(_) => {}
        }
        let mut text = format!("HTTP/1.1 {} X\r\n", answer.status);
        for (name, value) in &answer.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !answer
            .headers
            .iter()
            .any(|(name, _)| *name == "content-length")
        {
            text.push_str(&format!("content-length: {}\r\n", answer.body.len()));
        }
        text.push_str("\r\n");
        if !is_head {
            text.push_str(match answer.how {
                How::Cut(bytes) => &answer.body[..bytes],
                _ => &answer.body,
            });
        }
        if writer.write_all(text.as_bytes()).is_err() || answer.how != How::Whole {
            return;
        }
    }
}

/// A request; none at the end.
fn request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut request = Request {
        head,
        body: String::new(),
    };
    let length = request.header("content-length");
    let length = length.map_or(0, |length| length.trim().parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    Some(request)
}

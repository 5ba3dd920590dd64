//! The real binary as Lambda runs it: a process that asks a Runtime API for events, one after the
//! other, each with a deadline, and calls Lambda to be called again. It may be killed at any time.

use serde_json::Value;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use txp_emulator::Request;

const RUNTIME_API: &str = "/2018-06-01/runtime/invocation/";
/// A function that says nothing for so long hangs.
const SILENCE_LIMIT: Duration = Duration::from_secs(180);
const ASK_EVERY: Duration = Duration::from_millis(50);

/// What the process told.
enum Seen {
    /// How an invocation ended: `response` or `error`, and the body.
    Answer(String, String),
    /// It wants itself called with this event.
    Call(String),
}

/// An event and its deadline, Unix milliseconds.
type Told = (String, u128);

/// How an invocation ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Ended {
    Answered,
    Failed(String),
    Died,
}

pub(crate) struct Process {
    child: Arc<Mutex<Child>>,
    events: Sender<Told>,
    seen: Receiver<Seen>,
    lines: Option<JoinHandle<Vec<Value>>>,
    /// What it wants to be called with.
    pub(crate) calls: VecDeque<String>,
    /// The most memory that was resident, after the last invocation.
    pub(crate) peak_bytes: u64,
}

/// Ends a process from elsewhere, between any two instructions of it.
#[derive(Clone)]
pub(crate) struct Killer(Arc<Mutex<Child>>);

impl Killer {
    pub(crate) fn kill(&self) {
        let mut child = self.0.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Process {
    /// Starts it with this environment and nothing of ours.
    pub(crate) fn start(environment: &[(&str, String)]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut child = Command::new(env!("CARGO_BIN_EXE_validation"))
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .env("AWS_LAMBDA_RUNTIME_API", &address)
            .env("AWS_ENDPOINT_URL_LAMBDA", format!("http://{address}"))
            .env("AWS_LAMBDA_FUNCTION_NAME", "validation")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let lines = thread::spawn(move || {
            let lines = output.lines().map_while(Result::ok);
            lines
                .filter_map(|line| serde_json::from_str(&line).ok())
                .collect()
        });
        let (events, waiting) = channel();
        let (tell, seen) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        // They end with the test's process.
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (waiting, tell) = (Arc::clone(&waiting), tell.clone());
                thread::spawn(move || converse(connection.unwrap(), &waiting, &tell).ok());
            }
        });
        Self {
            child: Arc::new(Mutex::new(child)),
            events,
            seen,
            lines: Some(lines),
            calls: VecDeque::new(),
            peak_bytes: 0,
        }
    }

    pub(crate) fn killer(&self) -> Killer {
        Killer(Arc::clone(&self.child))
    }

    /// Hands an event out, with so much time, and waits until its invocation has ended.
    pub(crate) fn invoke(&mut self, event: &str, millis: u128) -> Ended {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let deadline = now.as_millis() + millis;
        self.events.send((event.to_owned(), deadline)).unwrap();
        let mut waited = Duration::ZERO;
        loop {
            match self.seen.recv_timeout(ASK_EVERY) {
                Ok(Seen::Call(event)) => self.calls.push_back(event),
                Ok(Seen::Answer(kind, body)) => {
                    self.peak_bytes = self.peak_bytes.max(self.peak());
                    return match &*kind {
                        "response" => Ended::Answered,
                        _ => Ended::Failed(body),
                    };
                }
                Err(RecvTimeoutError::Timeout) => {
                    waited += ASK_EVERY;
                    if self.child.lock().unwrap().try_wait().unwrap().is_some() {
                        return Ended::Died;
                    }
                    assert!(waited < SILENCE_LIMIT, "the function hangs");
                }
                Err(RecvTimeoutError::Disconnected) => panic!("nobody listens to the function"),
            }
        }
    }

    /// The peak of its resident memory so far.
    fn peak(&self) -> u64 {
        let id = self.child.lock().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = peak.and_then(|peak| peak.trim().strip_suffix("kB"));
        kilobytes.unwrap().trim().parse::<u64>().unwrap() * 1024
    }

    /// Ends it, and gives the lines of its log that are JSON.
    pub(crate) fn end(mut self) -> Vec<Value> {
        self.killer().kill();
        self.lines.take().unwrap().join().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Not if the test fails elsewhere: it would live on.
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

fn converse(
    connection: TcpStream,
    waiting: &Mutex<Receiver<Told>>,
    tell: &Sender<Seen>,
) -> std::io::Result<()> {
    let mut writer = connection.try_clone()?;
    let mut reader = BufReader::new(connection);
    let mut number = 0;
    while let Some(request) = Request::read(&mut reader, &mut writer) {
        let path = request.line.split(' ').nth(1).unwrap_or_default();
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let (status, headers, answer) = if path == format!("{RUNTIME_API}next") {
            // Nothing comes any more once the test has let go of the process.
            let Ok((event, deadline)) = waiting.lock().unwrap().recv() else {
                return Ok(());
            };
            number += 1;
            let headers = format!(
                "lambda-runtime-aws-request-id: 12345678-1234-1234-9234-2dfe598c3f{number:02}\r\n\
                 lambda-runtime-deadline-ms: {deadline}\r\n\
                 lambda-runtime-invoked-function-arn: arn:aws:lambda:x\r\n"
            );
            (200, headers, event)
        } else if let Some(rest) = path.strip_prefix(RUNTIME_API) {
            let kind = rest.rsplit('/').next().unwrap_or_default().to_owned();
            tell.send(Seen::Answer(kind, body)).ok();
            (202, String::new(), String::new())
        } else {
            assert!(
                path.ends_with("/functions/validation/invocations"),
                "{path}"
            );
            tell.send(Seen::Call(body)).ok();
            (202, String::new(), String::new())
        };
        let length = answer.len();
        let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n");
        writer.write_all((head + &answer).as_bytes())?;
    }
    Ok(())
}

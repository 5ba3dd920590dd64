//! A Runtime API, and an endpoint for AWS, on one port of the loopback address.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

pub(crate) const FUNCTION: &str = "txp-probe";
pub(crate) const TRACE_ID: &str =
    "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

const RUNTIME_API: &str = "/2018-06-01/runtime/invocation/";
/// In the year 2200.
const DEADLINE_MILLIS: u64 = 7_258_118_400_000;

/// The name of the invocation with this number; twelve digits stand together in it.
pub(crate) fn request_id(number: usize) -> String {
    format!("12345678-1234-1234-9234-2dfe598c3f{number:02}")
}

/// A port that is listened on.
pub(crate) struct Lambda {
    listener: TcpListener,
    address: SocketAddr,
}

/// What a function did until it ended.
pub(crate) struct Ended {
    /// Everything on its standard output and error.
    pub(crate) output: String,
    /// The lines of it that are JSON.
    pub(crate) lines: Vec<Value>,
    /// `response` or `error`, and the body, by invocation.
    pub(crate) answers: Vec<(String, String)>,
    /// Heads of requests to AWS.
    pub(crate) calls: Vec<String>,
    /// It ended before it asked for more than there was.
    pub(crate) crashed: bool,
}

/// What the server tells.
enum Seen {
    Answer(String, String),
    Call(String),
    /// It asks for an event and there is none left.
    Drained,
}

impl Lambda {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    /// Runs this test binary as the function until it has taken all events or has ended.
    pub(crate) fn run(self, events: &[&str], set: impl FnOnce(&mut Command)) -> Ended {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", self.address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", FUNCTION)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_ENDPOINT_URL", format!("http://{}", self.address))
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        set(&mut command);
        let mut child = command.spawn().unwrap();
        let (tell, seen) = channel();
        let events: Vec<String> = events.iter().map(ToString::to_string).collect();
        let listener = self.listener;
        thread::spawn(move || serve(&listener, events, &tell));

        let stderr = child.stderr.take().unwrap();
        let errors = thread::spawn(move || read_all(stderr));
        let stdout = child.stdout.take().unwrap();
        let done = thread::spawn(move || read_all(stdout));
        let mut ended = Ended {
            output: String::new(),
            lines: Vec::new(),
            answers: Vec::new(),
            calls: Vec::new(),
            crashed: true,
        };
        ended.watch(&seen, || child.try_wait().unwrap().is_some());
        if !ended.crashed {
            child.kill().unwrap();
        }
        child.wait().unwrap();
        ended.output = done.join().unwrap() + &errors.join().unwrap();
        ended.lines = ended
            .output
            .lines()
            // The test runner may begin a line with the name of the test.
            .filter_map(|line| line.find("{\"").map(|start| &line[start..]))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        ended
    }
}

impl Ended {
    fn watch(&mut self, seen: &Receiver<Seen>, mut has_ended: impl FnMut() -> bool) {
        let tick = std::time::Duration::from_millis(20);
        loop {
            match seen.recv_timeout(tick) {
                Ok(Seen::Answer(kind, body)) => self.answers.push((kind, body)),
                Ok(Seen::Call(head)) => self.calls.push(head),
                Ok(Seen::Drained) => {
                    self.crashed = false;
                    return;
                }
                Err(_) if has_ended() => return,
                Err(_) => {}
            }
        }
    }
}

fn read_all(mut from: impl Read) -> String {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Answers every connection on a thread of its own until the test ends.
fn serve(listener: &TcpListener, events: Vec<String>, tell: &Sender<Seen>) {
    let events = std::sync::Arc::new(std::sync::Mutex::new(events.into_iter().enumerate()));
    for connection in listener.incoming() {
        let (events, tell) = (std::sync::Arc::clone(&events), tell.clone());
        let next = move || events.lock().unwrap().next();
        thread::spawn(move || converse(connection.unwrap(), next, &tell));
    }
}

/// Requests of one connection, one after the other.
fn converse(
    connection: TcpStream,
    next: impl Fn() -> Option<(usize, String)>,
    tell: &Sender<Seen>,
) {
    let mut writer = connection.try_clone().unwrap();
    let mut reader = BufReader::new(connection);
    while let Some((head, body)) = request(&mut reader) {
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let (headers, answer) = if path == format!("{RUNTIME_API}next") {
            let Some((number, event)) = next() else {
                // It waits for ever, as on Lambda; the test ends it.
                tell.send(Seen::Drained).unwrap();
                return wait_for_end(reader);
            };
            let headers = format!(
                "lambda-runtime-aws-request-id: {}\r\nlambda-runtime-deadline-ms: {DEADLINE_MILLIS}\r\n\
                 lambda-runtime-invoked-function-arn: arn:aws:lambda:x\r\nlambda-runtime-trace-id: {TRACE_ID}\r\n",
                request_id(number)
            );
            (headers, event)
        } else if let Some(rest) = path.strip_prefix(RUNTIME_API) {
            let kind = rest.rsplit('/').next().unwrap_or_default();
            tell.send(Seen::Answer(kind.to_owned(), body)).unwrap();
            (String::new(), "{}".to_owned())
        } else {
            tell.send(Seen::Call(head)).unwrap();
            (String::new(), "{}".to_owned())
        };
        let length = answer.len();
        let text = format!("HTTP/1.1 200 OK\r\n{headers}content-length: {length}\r\n\r\n{answer}");
        writer.write_all(text.as_bytes()).unwrap();
    }
}

fn wait_for_end(mut reader: BufReader<TcpStream>) {
    // A killed process may reset its connections.
    let _end = reader.read_to_end(&mut Vec::new());
}

/// Head and body of a request; none at the end.
fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, String)> {
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
    let lower = head.to_ascii_lowercase();
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.trim().parse().unwrap());
    let mut body = vec![0; length];
    let body = if lower.contains("transfer-encoding: chunked") {
        chunks(reader)
    } else {
        reader.read_exact(&mut body).ok()?;
        body
    };
    Some((head, String::from_utf8(body).ok()?))
}

fn chunks(reader: &mut BufReader<TcpStream>) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).unwrap();
        body.extend(&chunk[..size]);
        if size == 0 {
            return body;
        }
    }
}

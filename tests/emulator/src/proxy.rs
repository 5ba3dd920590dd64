//! What stands between the clients and an emulator and does to a call what a test decides for it:
//! lets it through, changes it or its answer, refuses it, or says nothing. The emulators at hand never
//! throttle, never fail and answer all that they are asked for at once.

use serde_json::Value;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const CONTENT_LENGTH: &str = "content-length";

/// A request on its way.
#[derive(Clone, Debug)]
pub struct Request {
    /// The request line.
    pub line: String,
    headers: Headers,
    /// The body, out of its chunks.
    pub body: Vec<u8>,
}

type Headers = Vec<(String, String)>;

type Rewrite = Box<dyn FnOnce(&[u8]) -> Vec<u8> + Send>;

/// What becomes of a request.
pub enum Turn {
    /// It goes to the emulator as it is by now.
    Through,
    /// So it does, and the body of its answer is changed.
    Changed(Rewrite),
    /// So it does, and what was asked for comes in pieces of so many bytes with a pause before each.
    /// The emulator gives all of an object's version, whatever was asked for: the rest comes at once.
    Slowly(usize, Duration),
    /// So it does, and so many bytes of its answer's body come before the connection is closed.
    Cut(usize),
    /// This status and body instead; the emulator hears nothing.
    Instead(u16, String),
    /// It goes to the emulator, and the connection is closed instead of an answer.
    Lost,
    /// The connection is closed; the emulator hears nothing.
    Reset,
    /// Nothing comes, and the emulator hears nothing.
    Silence,
}

/// Where clients are sent to.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens on the loopback address.
    pub port: u16,
}

impl Proxy {
    /// In front of what listens on a port. It ends with the test's process.
    pub fn before(
        port: u16,
        decide: impl Fn(&mut Request) -> Turn + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
        };
        let decide = Arc::new(decide);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let decide = Arc::clone(&decide);
                // Whoever has heard enough closes the connection, at any time.
                thread::spawn(move || converse(connection.unwrap(), port, &*decide).ok());
            }
        });
        proxy
    }

    /// Where clients are sent to.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// Decides for each request once: sent again just as it was, it goes through.
#[derive(Debug, Default)]
pub struct Once {
    seen: Mutex<HashSet<u64>>,
}

impl Once {
    /// The number of a request that was not seen before.
    pub fn number(&self, request: &Request) -> Option<usize> {
        let mut hasher = DefaultHasher::new();
        (&request.line, &request.body).hash(&mut hasher);
        let mut seen = self.seen.lock().unwrap();
        seen.insert(hasher.finish()).then_some(seen.len())
    }
}

impl Request {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The operation, for the services that name it in a header.
    pub fn operation(&self) -> &str {
        let target = self.header("x-amz-target").unwrap_or_default();
        target.rsplit('.').next().unwrap_or_default()
    }

    /// The first byte that is asked for.
    fn range_start(&self) -> usize {
        let range = self.header("range").unwrap_or_default();
        let start = range.strip_prefix("bytes=").and_then(|r| r.split_once('-'));
        start.map_or(0, |(start, _)| start.parse().unwrap())
    }

    /// Changes a body of JSON.
    pub fn change(&mut self, change: impl FnOnce(&mut Value)) {
        let mut body: Value = serde_json::from_slice(&self.body).unwrap();
        change(&mut body);
        self.body = serde_json::to_vec(&body).unwrap();
    }

    /// The next request of a connection; none at its end.
    pub fn read(reader: &mut impl BufRead, writer: &mut impl Write) -> Option<Self> {
        let (line, headers) = head(reader)?;
        let mut request = Self {
            line,
            headers,
            body: Vec::new(),
        };
        if request.header("expect").is_some() {
            writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
        }
        request.body = match request.header("transfer-encoding") {
            Some(_) => chunks(reader)?,
            None => exactly(reader, length(&request.headers).unwrap_or(0))?,
        };
        Some(request)
    }

    /// Sends it on, and gives the answer's status line, headers and body.
    fn send(&self, port: u16) -> Option<(String, Headers, Vec<u8>)> {
        let mut upstream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
        let mut text = self.line.clone() + "\r\n";
        for (name, value) in &self.headers {
            let is_ours = ["connection", "expect", "transfer-encoding", CONTENT_LENGTH];
            if !is_ours.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
                text += &format!("{name}: {value}\r\n");
            }
        }
        text += &format!(
            "connection: close\r\ncontent-length: {}\r\n\r\n",
            self.body.len()
        );
        upstream.write_all(text.as_bytes()).ok()?;
        upstream.write_all(&self.body).ok()?;
        let mut reader = BufReader::new(upstream);
        let (line, headers) = head(&mut reader)?;
        let is_chunked = headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding"));
        let body = match length(&headers) {
            _ if self.line.starts_with("HEAD ") => Vec::new(),
            _ if is_chunked => chunks(&mut reader)?,
            Some(length) => exactly(&mut reader, length)?,
            None => {
                let mut body = Vec::new();
                reader.read_to_end(&mut body).ok()?;
                body
            }
        };
        Some((line, headers, body))
    }
}

fn converse(
    connection: TcpStream,
    port: u16,
    decide: &dyn Fn(&mut Request) -> Turn,
) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut writer = connection.try_clone()?;
    let mut reader = BufReader::new(connection);
    while let Some(mut request) = Request::read(&mut reader, &mut writer) {
        let turn = decide(&mut request);
        match turn {
            Turn::Reset => return Ok(()),
            Turn::Silence => {
                reader.read_to_end(&mut Vec::new())?;
                return Ok(());
            }
            Turn::Instead(status, body) => {
                let length = body.len();
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n");
                writer.write_all(head.as_bytes())?;
                if !request.line.starts_with("HEAD ") {
                    writer.write_all(body.as_bytes())?;
                }
                continue;
            }
            Turn::Through | Turn::Changed(_) | Turn::Slowly(..) | Turn::Cut(_) | Turn::Lost => {}
        }
        let is_head = request.line.starts_with("HEAD ");
        let Some((line, headers, mut body)) = request.send(port) else {
            return Ok(());
        };
        let (mut pace, mut cut) = (None, None);
        match turn {
            Turn::Lost => return Ok(()),
            Turn::Changed(change) => body = change(&body),
            Turn::Cut(bytes) => cut = Some(bytes.min(body.len())),
            Turn::Slowly(bytes, pause) => pace = Some((bytes, pause)),
            _ => {}
        }
        let is_part = line.contains(" 206 ");
        let mut text = line + "\r\n";
        for (name, value) in &headers {
            let name = name.to_ascii_lowercase();
            let is_length = name == CONTENT_LENGTH && !is_head;
            if name != "connection" && name != "transfer-encoding" && !is_length {
                text += &format!("{name}: {value}\r\n");
            }
        }
        if !is_head {
            text += &format!("content-length: {}\r\n", body.len());
        }
        writer.write_all((text + "\r\n").as_bytes())?;
        if let Some(bytes) = cut {
            return writer.write_all(&body[..bytes]);
        }
        let Some((bytes, pause)) = pace else {
            writer.write_all(&body)?;
            continue;
        };
        let start = if is_part { 0 } else { request.range_start() };
        let (before, asked) = body.split_at(start.min(body.len()));
        writer.write_all(before)?;
        for piece in asked.chunks(bytes) {
            // Nobody wakes it sooner.
            thread::park_timeout(pause);
            writer.write_all(piece)?;
        }
    }
    Ok(())
}

fn head(reader: &mut impl BufRead) -> Option<(String, Headers)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" if !lines.is_empty() => break,
            "" => {}
            line => lines.push(line.to_owned()),
        }
    }
    let headers = lines[1..].iter().filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    let headers = headers.collect();
    Some((lines.swap_remove(0), headers))
}

fn length(headers: &[(String, String)]) -> Option<usize> {
    let mut headers = headers.iter();
    let found = headers.find(|(name, _)| name.eq_ignore_ascii_case(CONTENT_LENGTH));
    found.map(|(_, value)| value.parse().unwrap())
}

fn exactly(reader: &mut impl Read, length: usize) -> Option<Vec<u8>> {
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

fn chunks(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let chunk = exactly(reader, size + 2)?;
        body.extend_from_slice(&chunk[..size]);
        if size == 0 {
            return Some(body);
        }
    }
}

//! A server on a loopback port, and a client that says exactly what it is told to say.

use crate::options::Options;
use crate::run::Running;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use txp_domain::card::Fingerprinter;
use txp_domain::event::{Defaults, Merchants};
use txp_domain::time::Timestamp;
use txp_local::control::{Clients, IssuedKey, NewClient};
use txp_local::host::{Host, HostOptions};
use txp_pipeline::receipt::ReceiptKey;

/// How long a condition may take to come true.
const LIMIT: Duration = Duration::from_secs(30);
/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_millis(5);

pub(super) const CARD: &str = "4242424242424242";

pub(super) struct Server {
    pub(super) running: Running,
    pub(super) dir: Arc<TempDir>,
    /// Seconds by which the server's clock is ahead.
    pub(super) ahead: Arc<AtomicU64>,
}

pub(super) struct Response {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Response {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1);
        lines
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The name of the problem that it tells; checks its form.
    pub(super) fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{}",
            self.head
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        let id = self.header("x-request-id").unwrap();
        assert!(problem["instance"].as_str().unwrap().ends_with(id));
        let kind = problem["type"].as_str().unwrap();
        kind.rsplit(':').next().unwrap().to_owned()
    }
}

impl Server {
    pub(super) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut Options)) -> Self {
        Self::on(Arc::new(tempfile::tempdir().unwrap()), change)
    }

    pub(super) fn on(dir: Arc<TempDir>, change: impl FnOnce(&mut Options)) -> Self {
        let host_options = HostOptions {
            command: "test",
            fingerprinter: Fingerprinter::new([7; 32]),
            is_durable: false,
            alerts: true,
            terminal: None,
        };
        let host = Host::open(dir.path(), host_options).unwrap();
        let ahead = Arc::new(AtomicU64::new(0));
        let seconds = Arc::clone(&ahead);
        let mut options = Options {
            receipt_key: ReceiptKey::of_hexadecimal(&[b'7'; 64]),
            clock: Arc::new(move || {
                let ahead = seconds.load(Ordering::SeqCst).cast_signed();
                Timestamp(txp_local::now().0 + ahead * 1_000_000_000)
            }),
            ..Options::default()
        };
        change(&mut options);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let running = Running::start(host, listener, options).unwrap();
        Self {
            running,
            dir,
            ahead,
        }
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.running.addr()
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn clients(&self) -> Clients {
        Clients::open(self.path(), txp_local::now()).unwrap()
    }

    pub(super) fn client(&self, name: &str, merchants: &[&str]) -> IssuedKey {
        let merchants = match merchants {
            ["*"] => Merchants::All,
            names => Merchants::Only(names.iter().map(|name| (*name).to_owned()).collect()),
        };
        let new = NewClient {
            name: name.to_owned(),
            merchants,
            defaults: Defaults::default(),
            long_number_ids_allowed: false,
        };
        self.clients().add(new, txp_local::now()).unwrap()
    }

    /// Opens a connection and sends bytes.
    pub(super) fn raw(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.addr()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    }

    /// HTTP/1.0, so that an answer ends with its connection.
    pub(super) fn head(
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        length: Option<usize>,
    ) -> String {
        let mut head = format!("{method} {path} HTTP/1.0\r\nhost: localhost\r\n");
        if let Some(length) = length {
            head.push_str(&format!("content-length: {length}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head + "\r\n"
    }

    pub(super) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response {
        let length = (!body.is_empty() || matches!(method, "POST" | "PUT")).then_some(body.len());
        let head = Self::head(method, path, headers, length);
        receive(self.raw(&[head.as_bytes(), body.as_bytes()].concat()))
    }

    pub(super) fn get(&self, key: &IssuedKey, path: &str) -> Response {
        self.send("GET", path, &[("x-api-key", &key.key)], "")
    }

    pub(super) fn post(&self, key: &IssuedKey, headers: &[(&str, &str)], body: &str) -> Response {
        let own = [
            ("x-api-key", key.key.as_str()),
            ("content-type", "application/json"),
        ];
        self.send("POST", "/upload", &[&own, headers].concat(), body)
    }

    /// Asks for a link; its id and its path with the signature.
    pub(super) fn link(&self, key: &IssuedKey, body: &str) -> (String, String) {
        let answer = self.post(key, &[], body);
        assert_eq!(answer.status, 201, "{}", answer.body);
        link_of(&answer)
    }

    pub(super) fn put(&self, path: &str, body: &str) -> Response {
        self.send("PUT", path, &[("if-none-match", "*")], body)
    }

    /// Sends a file and waits until nothing changes any more.
    pub(super) fn upload(&self, key: &IssuedKey, request: &str, file: &str) -> (String, Value) {
        let (id, path) = self.link(key, request);
        let answer = self.put(&path, file);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let document = self.ended(key, &id);
        (id, document)
    }

    /// The document of an upload once it has ended.
    pub(super) fn ended(&self, key: &IssuedKey, id: &str) -> Value {
        wait_for(|| {
            let document = self.get(key, &format!("/uploads/{id}")).json();
            document["poll_after_s"].is_null().then_some(document)
        })
    }
}

pub(super) fn receive(mut stream: TcpStream) -> Response {
    let mut bytes = Vec::new();
    // A server that refuses a body may reset the connection after its answer.
    let _reset = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {text}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Response {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

pub(super) fn link_of(answer: &Response) -> (String, String) {
    let link = answer.json();
    let url = link["url"].as_str().unwrap();
    let path = url.strip_prefix("http://localhost").unwrap();
    (
        link["upload_id"].as_str().unwrap().to_owned(),
        path.to_owned(),
    )
}

/// What a condition gives once it comes true.
pub(super) fn wait_for<T>(mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(started.elapsed() < LIMIT, "it did not come true in time");
        std::thread::park_timeout(PAUSE);
    }
}

/// A file of rows `id,amount,merchant`.
pub(super) fn file(rows: &[(&str, &str, &str)]) -> String {
    let mut file = "transaction_id,amount,merchant_id,card_number\n".to_owned();
    for (id, amount, merchant) in rows {
        file.push_str(&format!("{id},{amount},{merchant},{CARD}\n"));
    }
    file
}

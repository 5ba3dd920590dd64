//! What a server can be told, and every limit it has.

use std::sync::Arc;
use std::time::Duration;
use txp_domain::time::Timestamp;
use txp_pipeline::api::UPLOAD_BYTES_MAX;
use txp_pipeline::receipt::ReceiptKey;

/// Takes one line of log: words, and the cause of what is told.
pub type Log = Arc<dyn Fn(&str) + Send + Sync>;

/// How a server behaves. [`Options::default`] is what the design says.
#[derive(Clone)]
pub struct Options {
    /// What links begin with, where it is not the host that the client asked: `https://example.com`.
    pub public_url: Option<String>,
    /// Signs receipts; without it they are not signed.
    pub receipt_key: Option<ReceiptKey>,
    /// The largest file that is taken.
    pub upload_bytes_max: u64,
    /// Connections at one time; more wait.
    pub connections_max: usize,
    /// Requests at one time; more are refused with 429.
    pub requests_max: usize,
    /// Files being sent at one time, and by one client.
    pub uploads_max: usize,
    /// Files being sent at one time by one client.
    pub uploads_per_client_max: usize,
    /// Files being read at one time.
    pub ingests_max: usize,
    /// Files that arrived and wait to be read; more are refused with 429.
    pub waiting_max: usize,
    /// Requests per second and client, on average.
    pub requests_per_second: u32,
    /// Requests that may come at once.
    pub burst: u32,
    /// A request's head must be there within this time; it is also how long a connection idles.
    pub head_timeout: Duration,
    /// The next piece of a body must be there within this time.
    pub body_idle_timeout: Duration,
    /// A small body must be there within this time.
    pub body_timeout: Duration,
    /// A file must be there within this time.
    pub upload_timeout: Duration,
    /// How long running requests have to end when the server stops.
    pub drain_timeout: Duration,
    /// Now: expiry of links, arrival of files.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Where errors of the server itself are told.
    pub log: Log,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            public_url: None,
            receipt_key: None,
            upload_bytes_max: UPLOAD_BYTES_MAX,
            connections_max: 1024,
            requests_max: 256,
            uploads_max: 64,
            uploads_per_client_max: 16,
            ingests_max: 2,
            waiting_max: 1000,
            requests_per_second: 1000,
            burst: 500,
            head_timeout: Duration::from_secs(15),
            body_idle_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(10),
            upload_timeout: Duration::from_secs(3600),
            drain_timeout: Duration::from_secs(20),
            clock: Arc::new(txp_local::now),
            log: Arc::new(|_| {}),
        }
    }
}

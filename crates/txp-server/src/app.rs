//! What every handler shares.

use crate::answer::Failure;
use crate::claims::Claims;
use crate::operator;
use crate::options::Options;
use crate::queue::Queue;
use crate::rate::Rates;
use crate::series::History;
use crate::spool::Spool;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Semaphore;
use txp_domain::time::Timestamp;
use txp_local::control::{ControlError, KeyRing, Links, OperatorToken, Signer, random_letters};
use txp_local::host::Host;

/// The parts of a server.
pub(crate) struct App {
    pub(crate) host: Host,
    pub(crate) keys: KeyRing,
    pub(crate) links: Links,
    pub(crate) signer: Signer,
    pub(crate) operator: OperatorToken,
    pub(crate) spool: Spool,
    pub(crate) queue: Queue,
    pub(crate) claims: Arc<Claims>,
    pub(crate) rates: Rates,
    /// Of wrong operator tokens.
    pub(crate) refusals: Rates,
    pub(crate) history: History,
    pub(crate) requests: Arc<Semaphore>,
    pub(crate) options: Options,
    pub(crate) openapi: Vec<u8>,
    pub(crate) started_at: Timestamp,
    request_prefix: String,
    requests_seen: AtomicU64,
}

impl App {
    pub(crate) fn open(host: Host, options: Options) -> Result<Self, ControlError> {
        let dir = host.dir().to_path_buf();
        let now = (options.clock)();
        Ok(Self {
            keys: KeyRing::open(&dir)?,
            links: Links::open(&dir, now)?,
            signer: Signer::open(&dir)?,
            operator: OperatorToken::open(&dir, now)?,
            spool: Spool::open(&dir).map_err(|source| ControlError::Io {
                action: "create",
                path: dir.clone(),
                source,
            })?,
            queue: Queue::default(),
            claims: Arc::new(Claims::new(
                options.uploads_max,
                options.uploads_per_client_max,
            )),
            rates: Rates::new(options.requests_per_second, options.burst),
            refusals: Rates::new(operator::REFUSALS_PER_SECOND, operator::REFUSALS_BURST),
            history: History::new()?,
            requests: Arc::new(Semaphore::new(options.requests_max)),
            openapi: txp_pipeline::api::openapi().to_string().into_bytes(),
            started_at: now,
            request_prefix: random_letters::<4>()?,
            requests_seen: AtomicU64::new(0),
            host,
            options,
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.options.clock)()
    }

    /// Whether anything more can be recorded; the reason if not.
    pub(crate) fn can_record(&self) -> Result<(), Failure> {
        match self.host.failed() {
            Some(cause) => Err(Failure::stopped(&cause)),
            None => Ok(()),
        }
    }

    pub(crate) fn log(&self, line: &str) {
        (self.options.log)(line);
    }

    /// A name for a request: letters only.
    pub(crate) fn request_id(&self) -> String {
        let number = self.requests_seen.fetch_add(1, Ordering::Relaxed);
        let mut id = self.request_prefix.clone();
        id.push_str(&txp_domain::letters::to_letters(&number.to_be_bytes()));
        id
    }
}

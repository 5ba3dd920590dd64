//! The wish to end: SIGINT or SIGTERM, as a condition that can be waited for.

use anyhow::Context as _;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// What a shell adds to a signal's number for a process that it ended.
const BY_SIGNAL: i32 = 128;

/// How long the work may take to come to its end before the process is ended from outside of it: it
/// may wait for a pipe that nobody writes to.
const GRACE: Duration = Duration::from_secs(2);

/// Comes once; whoever waits afterwards finds that it has come.
pub(crate) struct Interrupt {
    // Closed, never sent on.
    from_signal: Receiver<()>,
    exit_code: Arc<OnceLock<u8>>,
    // Closed once the work has ended.
    _until_end: Sender<()>,
}

impl Interrupt {
    /// From here on the signals do not end the process by themselves.
    pub(crate) fn catch() -> anyhow::Result<Self> {
        Self::start(|_, _| {})
    }

    /// The same for work that may be stuck: if it has not ended some time after a signal, and let go
    /// of this, the process cleans up and ends.
    pub(crate) fn catch_and_end(clean_up: impl FnOnce() + Send + 'static) -> anyhow::Result<Self> {
        Self::start(|code, ended| {
            if ended.recv_timeout(GRACE) == Err(RecvTimeoutError::Timeout) {
                clean_up();
                std::process::exit(i32::from(code));
            }
        })
    }

    fn start(after: impl FnOnce(u8, &Receiver<()>) + Send + 'static) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .context("listening for signals")?;
        let inside = runtime.enter();
        let mut interrupted = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        let mut terminated = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        drop(inside);
        let (until_signal, from_signal) = mpsc::channel();
        let (until_end, ended) = mpsc::channel();
        let exit_code = Arc::new(OnceLock::new());
        let told = Arc::clone(&exit_code);
        let wait = move || {
            let kind = runtime.block_on(async {
                tokio::select! {
                    _ = interrupted.recv() => SignalKind::interrupt(),
                    _ = terminated.recv() => SignalKind::terminate(),
                }
            });
            let code = u8::try_from(BY_SIGNAL + kind.as_raw_value()).unwrap_or(u8::MAX);
            // Set by no one else.
            told.set(code).ok();
            drop(until_signal);
            after(code, &ended);
        };
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(wait)
            .context("listening for signals")?;
        Ok(Self {
            from_signal,
            exit_code,
            _until_end: until_end,
        })
    }

    /// The exit code by which a shell knows a process that a signal ended, once it has come.
    pub(crate) fn exit_code(&self) -> Option<u8> {
        self.exit_code.get().copied()
    }

    /// Waits for it, at most so long; whether it has come.
    pub(crate) fn wait(&self, limit: Duration) -> bool {
        self.from_signal.recv_timeout(limit) != Err(RecvTimeoutError::Timeout)
    }

    /// Whether it has come.
    pub(crate) fn has_come(&self) -> bool {
        self.from_signal.try_recv() != Err(TryRecvError::Empty)
    }
}

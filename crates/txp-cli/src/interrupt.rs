//! The wish to end: SIGINT or SIGTERM, as a condition that can be waited for.

use anyhow::Context as _;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Comes once; whoever waits afterwards finds that it has come.
pub(crate) struct Interrupt {
    // Closed, never sent on.
    from_signal: Receiver<()>,
}

impl Interrupt {
    /// From here on the signals do not end the process by themselves.
    pub(crate) fn catch() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .context("listening for signals")?;
        let inside = runtime.enter();
        let mut interrupted = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        let mut terminated = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        drop(inside);
        let (until_signal, from_signal) = mpsc::channel();
        let wait = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupted.recv() => {}
                    _ = terminated.recv() => {}
                }
            });
            drop(until_signal);
        };
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(wait)
            .context("listening for signals")?;
        Ok(Self { from_signal })
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

//! Starting a server from code that is not async: for a command that serves until a signal comes,
//! and in a thread of a process that does other things.

use crate::options::Options;
use crate::serve::Prepared;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use txp_local::control::ControlError;
use txp_local::host::{Host, HostError};

/// Threads that run requests; what waits for the disk runs on others.
const WORKERS: usize = 2;

/// Why serving ended other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The control records.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The host.
    #[error(transparent)]
    Host(HostError),
    /// The server itself.
    #[error("the server cannot start")]
    Start(#[source] io::Error),
    /// It ended without telling why.
    #[error("the server's thread ended by itself")]
    Lost,
}

/// Serves on a bound listener until SIGTERM or SIGINT, then ends well and stops the host.
///
/// # Errors
/// It cannot start, or the host failed.
pub fn run(host: Host, listener: TcpListener, options: Options) -> Result<(), ServeError> {
    runtime()?.block_on(async {
        let mut term = signal(SignalKind::terminate()).map_err(ServeError::Start)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Start)?;
        let told = async {
            tokio::select! {
                _ = term.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let listener = asynchronous(listener)?;
        Prepared::open(host, options)?.serve(listener, told).await
    })
}

/// A server in a thread of this process. Dropped, it goes on; [`Running::stop`] ends it.
#[derive(Debug)]
pub struct Running {
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    /// Starts serving on a bound listener.
    ///
    /// # Errors
    /// The thread cannot start.
    pub fn start(host: Host, listener: TcpListener, options: Options) -> Result<Self, ServeError> {
        let addr = listener.local_addr().map_err(ServeError::Start)?;
        let (stop, told) = oneshot::channel::<()>();
        let work = move || {
            runtime()?.block_on(async {
                // The sender dropped without a word means that it is to go on for ever.
                let told = async {
                    if told.await.is_err() {
                        std::future::pending::<()>().await;
                    }
                };
                let listener = asynchronous(listener)?;
                Prepared::open(host, options)?.serve(listener, told).await
            })
        };
        let named = std::thread::Builder::new().name("serve".to_owned());
        let thread = named.spawn(work).map_err(ServeError::Start)?;
        Ok(Self { addr, stop, thread })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Ends it well and stops the host.
    ///
    /// # Errors
    /// It had not started, or the host failed.
    pub fn stop(self) -> Result<(), ServeError> {
        // Gone already: the thread says why.
        self.stop.send(()).ok();
        self.thread.join().unwrap_or(Err(ServeError::Lost))
    }
}

fn runtime() -> Result<Runtime, ServeError> {
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_io()
        .enable_time()
        .build()
        .map_err(ServeError::Start)
}

fn asynchronous(listener: TcpListener) -> Result<tokio::net::TcpListener, ServeError> {
    listener.set_nonblocking(true).map_err(ServeError::Start)?;
    tokio::net::TcpListener::from_std(listener).map_err(ServeError::Start)
}

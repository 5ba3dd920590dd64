//! Accepting connections, and ending well: no new request, running ones finish within a limit, the
//! reading of files stops at a safe point.

use crate::answer::chain;
use crate::app::App;
use crate::options::Options;
use crate::queue;
use crate::refuse::refuse;
use crate::router::router;
use crate::run::ServeError;
use crate::series;
use crate::unread::drained;
use crate::wire::{AnswerBody, Exchange, Wire};
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{interval, sleep, timeout};
use tower_service::Service;
use txp_local::host::Host;

/// The largest head of a request, and what is read of a body at once.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// The most headers of a request.
const HEADERS_MAX: usize = 100;
/// How often it is written down when keys were last used.
const LAST_USED_PERIOD: Duration = Duration::from_secs(60);
/// How often it is looked whether the host failed.
const FAILURE_PERIOD: Duration = Duration::from_millis(250);
/// How long to wait when the system has no file descriptor for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Both ends of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) remote: SocketAddr,
    pub(crate) local: SocketAddr,
}

/// A server that has read what it needs, and does not serve yet.
pub struct Prepared {
    app: Arc<App>,
    readers: Vec<JoinHandle<()>>,
}

impl Prepared {
    /// Reads the control records and takes up the files that a former run left.
    ///
    /// # Errors
    /// The control records cannot be read, or the server cannot start.
    pub fn open(host: Host, options: Options) -> Result<Self, ServeError> {
        let app = Arc::new(App::open(host, options)?);
        let readers = queue::start(&app).map_err(ServeError::Start)?;
        Ok(Self { app, readers })
    }

    /// Serves until `shutdown` is ready, then ends well: with the host stopped and the directory
    /// free.
    ///
    /// # Errors
    /// The host failed.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let Self { app, readers } = self;
        let graceful = GracefulShutdown::new();
        tokio::select! {
            () = accept(&app, &listener, &graceful) => {}
            () = note_last_used(&app) => {}
            () = tell_failure(&app) => {}
            () = series::keep(&app) => {}
            () = shutdown => {}
        }
        drop(listener);
        let drain = app.options.drain_timeout;
        if timeout(drain, graceful.shutdown()).await.is_err() {
            app.log("some requests did not end in time and were cut off");
        }
        app.queue.stop();
        let ended = tokio::task::spawn_blocking(move || {
            let stopped = app.host.clone().stop();
            for reader in readers {
                // A panic has been told by the thread itself.
                reader.join().ok();
            }
            app.keys.flush().map_err(ServeError::Control)?;
            stopped.map_err(ServeError::Host)
        });
        ended
            .await
            .map_err(|error| ServeError::Start(error.into()))?
    }
}

async fn accept(app: &Arc<App>, listener: &TcpListener, graceful: &GracefulShutdown) {
    let router = router(app);
    let connections = Arc::new(Semaphore::new(app.options.connections_max));
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else {
            return;
        };
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                app.log(&format!("a connection could not be taken: {error}"));
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(local) = stream.local_addr() else {
            continue;
        };
        let peer = Peer { remote, local };
        let watcher = graceful.watcher();
        let (router, app) = (router.clone(), Arc::clone(app));
        tokio::spawn(async move {
            connection(&app, router, stream, peer, watcher).await;
            drop(permit);
        });
    }
}

/// Answers the requests of one connection, and what is none.
async fn connection(app: &App, router: Router, stream: TcpStream, peer: Peer, watcher: Watcher) {
    // Small answers go out at once; where that cannot be set they are only slower.
    stream.set_nodelay(true).ok();
    let exchange = Arc::new(Exchange::default());
    let wire = Wire::new(stream, Arc::clone(&exchange));
    let asked = Arc::clone(&exchange);
    let idle = app.options.body_idle_timeout;
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        asked.ask();
        let mut request = drained(request, idle);
        request.extensions_mut().insert(peer);
        // A router is always ready.
        let answer = router.clone().call(request);
        let exchange = Arc::clone(&asked);
        async move {
            let response = answer.await?;
            Ok::<_, Infallible>(response.map(|body| AnswerBody::new(body, exchange)))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(app.options.head_timeout)
        .max_buf_size(BUFFER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(wire), service);
    if let Err(error) = watcher.watch(connection).await {
        refuse(app, &exchange, &error).await;
    }
}

/// Tells why the host failed, once. What is recorded is still served: a merchant can look, and
/// whoever runs the server sees it in /health and decides when to start it again.
async fn tell_failure(app: &Arc<App>) {
    let mut ticks = interval(FAILURE_PERIOD);
    loop {
        ticks.tick().await;
        if let Some(cause) = app.host.failed() {
            app.log(&format!(
                "recording has stopped: {}; status and uploads are still answered, uploads are \
                 refused with 503: mend it and start the server again",
                chain(&*cause)
            ));
            std::future::pending::<()>().await;
        }
    }
}

/// Keys are used more often than it is worth writing down.
async fn note_last_used(app: &Arc<App>) {
    let mut ticks = interval(LAST_USED_PERIOD);
    loop {
        ticks.tick().await;
        let shared = Arc::clone(app);
        let flushed = tokio::task::spawn_blocking(move || shared.keys.flush()).await;
        if let Ok(Err(error)) = flushed {
            app.log(&format!(
                "when keys were last used is not written down: {error}"
            ));
        }
    }
}

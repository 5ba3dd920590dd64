//! What needs no key: the description, health, metrics. And files as answers.

use crate::answer::{Answer, Failure, json, typed};
use crate::app::App;
use crate::meter;
use crate::origin::check_host;
use crate::router::no_route;
use crate::serve::Peer;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use std::fs::File;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use txp_pipeline::api::HealthDocument;

/// A file is read in pieces of this size.
const PIECE_BYTES: u64 = 64 * 1024;
/// Pieces that wait for the network.
const PIECES_MAX: usize = 4;

pub(crate) async fn openapi(State(app): State<Arc<App>>) -> Response {
    typed(StatusCode::OK, "application/json", app.openapi.clone())
}

/// The key that receipts can be checked with.
pub(crate) async fn receipt_key(State(app): State<Arc<App>>) -> Answer {
    let key = app.options.receipt_key.as_ref().ok_or_else(no_route)?;
    json(StatusCode::OK, &key.public().published())
}

/// Whether files are taken and processed: 503 says that an operator is needed.
pub(crate) async fn health(State(app): State<Arc<App>>) -> Answer {
    app.can_record()?;
    let document = HealthDocument {
        status: "ok".to_owned(),
    };
    json(StatusCode::OK, &document)
}

/// Metrics hold no data of clients, but they are the operator's: only the own machine gets them.
pub(crate) async fn metrics(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Answer {
    if !peer.remote.ip().to_canonical().is_loopback() {
        return Err(no_route());
    }
    // A browser of this machine reads it for our own page only.
    check_host(&app, &headers, peer)?;
    let text = tokio::task::spawn_blocking(move || {
        app.host.measure_standing(app.queue.waiting());
        meter::text(&app.host.meter().series())
    });
    let text = text.await.map_err(|error| Failure::internal(&error))?;
    Ok(typed(StatusCode::OK, "text/plain; version=0.0.4", text))
}

/// A file as a body, read ahead by a few pieces and never whole in memory. Its length is announced,
/// so that one that is cut off is seen to be.
pub(crate) struct FileBody {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    remaining: u64,
}

impl FileBody {
    /// Reads a file until its end, or until nobody has taken a piece for so long.
    pub(crate) fn of(mut file: File, stall: Duration) -> io::Result<Self> {
        let remaining = file.metadata()?.len();
        let (sender, pieces) = mpsc::channel(PIECES_MAX);
        let handle = Handle::current();
        tokio::task::spawn_blocking(move || {
            loop {
                let mut piece = Vec::new();
                let read = file.by_ref().take(PIECE_BYTES).read_to_end(&mut piece);
                let is_last = !matches!(read, Ok(1..));
                let sent = timeout(stall, sender.send(read.map(|_| Bytes::from(piece))));
                // A client that is gone or takes nothing ends the reading, and frees the thread.
                if is_last || !matches!(handle.block_on(sent), Ok(Ok(()))) {
                    break;
                }
            }
        });
        Ok(Self { pieces, remaining })
    }
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        self.pieces.poll_recv(context).map(|piece| match piece {
            Some(Ok(mut piece)) => {
                let taken = self.remaining.min(piece.len() as u64);
                self.remaining -= taken;
                // A report is never written to once it is there; if it were, no more than what was
                // announced would go out.
                piece.truncate(usize::try_from(taken).unwrap_or(usize::MAX));
                Some(Ok(Frame::data(piece)))
            }
            Some(Err(error)) => Some(Err(error)),
            None => Some(Err(io::ErrorKind::UnexpectedEof.into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

//! PUT /uploads/{upload_id}/content: the file itself, by a signed link, once.
//!
//! Acknowledged when the body is whole, durable, and written down as arrived; from then on it is
//! processed whatever happens. Of a body that is refused nothing is kept.

use crate::answer::{Answer, Failure, blocking, chain, json};
use crate::app::App;
use crate::claims::{Claim, Refused};
use crate::link::announced;
use crate::spool::{Bound, Incoming, Received, SpoolError};
use axum::body::{Body, Bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::IF_NONE_MATCH;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use std::io::ErrorKind;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use txp_domain::id::UploadId;
use txp_local::control::{Arrival, Client, Link};
use txp_pipeline::api::{ArrivedDocument, Route, hex_of_digest};
use txp_pipeline::document::ProblemKind;
use txp_pipeline::stage::ingest::arrival_of;

/// Pieces of a body that wait for the disk, at 8 to some 400 KiB each.
const PIECES_MAX: usize = 8;

type Pairs = Vec<(String, String)>;

/// What is handed to the thread that writes.
enum Piece {
    Data(Bytes),
    End,
}

pub(crate) async fn receive(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Pairs>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let link = signed_link(&app, path, query)?;
    app.can_record()?;
    let (client, claim) = admit(&app, &link, &headers)?;
    let bound = bound(&app, &link, &headers)?;
    let (pieces, from_body) = mpsc::channel(PIECES_MAX);
    let shared = Arc::clone(&app);
    let upload_id = link.upload_id;
    let writing = tokio::spawn(blocking(move || {
        // The claim is let go after the file: no other request finds half of it.
        let _claim: Claim = claim;
        let incoming = shared
            .spool
            .begin(upload_id, bound)
            .map_err(SpoolError::from);
        let received = incoming.and_then(|incoming| write(incoming, from_body));
        let Some(received) = received.map_err(failure)? else {
            return Ok(None);
        };
        arrived(&shared, &link, &client, received)?;
        Ok(Some(received))
    }));
    let sent = send(&app, body, pieces).await;
    let written = writing.await.map_err(|error| Failure::internal(&error))?;
    // What the disk says comes first: it ends the sending too.
    let received = match (written?, sent) {
        (Some(received), _) => received,
        (None, Err(failure)) => return Err(failure),
        (None, Ok(())) => return Err(cut()),
    };
    json(StatusCode::OK, &document(upload_id, received))
}

/// The link that a request is signed for.
fn signed_link(
    app: &App,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Pairs>, QueryRejection>,
) -> Result<Link, Failure> {
    let refused = || {
        Failure::new(
            ProblemKind::LinkRefused,
            "the link's signature does not fit",
        )
    };
    let Path(upload_id) = path.map_err(|_| refused())?;
    let Query(pairs) = query.map_err(|_| refused())?;
    let one = |name: &str| {
        let mut values = pairs.iter().filter(|(key, _)| key == name);
        let (first, second) = (values.next(), values.next());
        first
            .filter(|_| second.is_none())
            .map(|(_, value)| value.as_str())
    };
    let upload_id = UploadId::parse(upload_id.as_bytes()).ok_or_else(refused)?;
    let link = app.links.get(upload_id).ok_or_else(refused)?.link;
    let expires = one("expires").ok_or_else(refused)?;
    let is_signed = app
        .signer
        .verify(&link, one("signature").unwrap_or_default());
    if !is_signed || expires != link.expires_at.unix_seconds().to_string() {
        return Err(refused());
    }
    Ok(link)
}

/// Whether the file may come now.
fn admit(app: &App, link: &Link, headers: &HeaderMap) -> Result<(Arc<Client>, Claim), Failure> {
    let refused = |kind, detail| Err(Failure::new(kind, detail));
    if headers.get(IF_NONE_MATCH).is_none_or(|value| value != "*") {
        return refused(
            ProblemKind::PreconditionRequired,
            "If-None-Match: * is not there",
        );
    }
    let arrived = "a file came by this link already; a link is used once";
    if app
        .links
        .get(link.upload_id)
        .is_none_or(|known| known.arrival.is_some())
    {
        return refused(ProblemKind::AlreadyArrived, arrived);
    }
    if app.now() >= link.expires_at {
        return refused(ProblemKind::LinkRefused, "the link has expired");
    }
    let Some(client) = app.keys.client(&link.client_id)? else {
        return refused(
            ProblemKind::LinkRefused,
            "the client of the link is revoked",
        );
    };
    if app.queue.len() >= app.options.waiting_max {
        return refused(
            ProblemKind::TooManyRequests,
            "too many files wait to be read",
        );
    }
    let claim = match app.claims.claim(link.upload_id, &link.client_id) {
        Ok(claim) => claim,
        Err(Refused::InProgress) => {
            let detail = "another request is sending the file of this link";
            return refused(ProblemKind::UploadInProgress, detail);
        }
        Err(Refused::TooMany) => {
            return refused(
                ProblemKind::TooManyRequests,
                "too many files are being sent",
            );
        }
    };
    // Another request may have ended between the first look and the claim.
    if app
        .links
        .get(link.upload_id)
        .is_none_or(|known| known.arrival.is_some())
    {
        return refused(ProblemKind::AlreadyArrived, arrived);
    }
    Ok((client, claim))
}

/// What the body must be; refused at once where its announced length says that it is not.
fn bound(app: &App, link: &Link, headers: &HeaderMap) -> Result<Bound, Failure> {
    let bytes_max = app.options.upload_bytes_max;
    if let Some(bytes) = announced(headers) {
        if bytes > bytes_max {
            return Err(failure(SpoolError::TooLarge));
        }
        if link.content_length.is_some_and(|wanted| wanted != bytes) {
            return Err(failure(SpoolError::Length));
        }
    }
    Ok(Bound {
        bytes: link.content_length,
        sha256: link.sha256,
        bytes_max,
    })
}

/// Hands the body on piece by piece; a body that stops coming is given up.
async fn send(app: &App, mut body: Body, pieces: mpsc::Sender<Piece>) -> Result<(), Failure> {
    let late = || Failure::new(ProblemKind::RequestTimeout, "the file did not come in time");
    let deadline = Instant::now() + app.options.upload_timeout;
    loop {
        let frame = timeout(app.options.body_idle_timeout, body.frame());
        let frame = timeout_at(deadline, frame).await.map_err(|_| late())?;
        match frame.map_err(|_| late())? {
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else {
                    continue;
                };
                if pieces.send(Piece::Data(data)).await.is_err() {
                    // The writer has refused the body, and says why.
                    return Ok(());
                }
            }
            Some(Err(_)) => return Err(cut()),
            None => {
                // As above.
                pieces.send(Piece::End).await.ok();
                return Ok(());
            }
        }
    }
}

/// Writes what comes; `None` if the body was not sent to its end.
fn write(
    mut incoming: Incoming,
    mut pieces: mpsc::Receiver<Piece>,
) -> Result<Option<Received>, SpoolError> {
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::Data(data) => incoming.write(&data)?,
            Piece::End => return incoming.keep().map(Some),
        }
    }
    Ok(None)
}

/// Writes down that the file is there, and has it read.
fn arrived(app: &App, link: &Link, client: &Client, received: Received) -> Result<(), Failure> {
    let terms = link.terms(&client.who);
    let upload_received = terms.received(link.upload_id, arrival_of(app.now()), received.bytes);
    let arrival = Arrival::new(upload_received, link.dry_run);
    if let Err(error) = app.links.arrive(arrival.clone()) {
        // Not written down, so never acknowledged: the link can be used again.
        if let Err(error) = app.spool.delete(link.upload_id) {
            app.log(&format!(
                "a refused body stays until the next start: {}",
                chain(&error)
            ));
        }
        return Err(error.into());
    }
    app.queue.push(arrival);
    Ok(())
}

fn failure(error: SpoolError) -> Failure {
    let words = error.to_string();
    match error {
        SpoolError::TooLarge => Failure::new(ProblemKind::TooLarge, &words),
        SpoolError::Length => Failure::new(ProblemKind::LengthMismatch, &words),
        SpoolError::Digest => Failure::new(ProblemKind::DigestMismatch, &words),
        SpoolError::Io(source)
            if matches!(
                source.kind(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded
            ) =>
        {
            Failure {
                cause: Some(chain(&source)),
                ..Failure::new(ProblemKind::StorageFull, "the disk of the server is full")
            }
        }
        SpoolError::Io(source) => Failure::internal(&source),
    }
}

fn cut() -> Failure {
    Failure::new(
        ProblemKind::LengthMismatch,
        "the body ended before it was whole",
    )
}

fn document(upload_id: UploadId, received: Received) -> ArrivedDocument {
    let status = Route::GetUpload
        .path()
        .replace("{upload_id}", upload_id.as_str());
    ArrivedDocument {
        upload_id,
        bytes: received.bytes,
        sha256: hex_of_digest(&received.sha256),
        status_url: status,
    }
}

//! POST /upload: a link to send one file to, once.

use crate::answer::{Answer, Failure, blocking, json};
use crate::app::App;
use crate::caller::Caller;
use crate::serve::Peer;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::time::timeout;
use txp_domain::event::Defaults;
use txp_domain::redact::needs_redaction;
use txp_domain::time::Timestamp;
use txp_local::control::{Client, Idempotency, Issued, Link};
use txp_pipeline::api::{
    BODY_BYTES_MAX, IDEMPOTENCY_HEADER, IDEMPOTENCY_KEY_BYTES_MAX, LINK_SECONDS, LinkDocument,
    Route, UploadRequest,
};
use txp_pipeline::document::{FieldFault, Problem, ProblemKind};

/// The longest Host header that links are made with.
const HOST_BYTES_MAX: usize = 255;

pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Caller(client): Caller,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    app.can_record()?;
    let body = small_body(&app, &headers, body).await?;
    if !body.is_empty() && !is_json(&headers) {
        let detail = "the content-type is not application/json";
        return Err(Failure::new(ProblemKind::UnsupportedMediaType, detail));
    }
    let request = UploadRequest::read(&body)?;
    if request
        .content_length
        .is_some_and(|bytes| bytes > app.options.upload_bytes_max)
    {
        let detail = "the file is larger than this server takes";
        return Err(Failure::new(ProblemKind::TooLarge, detail));
    }
    let idempotency = idempotency(&headers, &client, &request)?;
    let shared = Arc::clone(&app);
    let issued = blocking(move || {
        let link = link(&shared, &client, request, idempotency);
        Ok(shared.links.issue(link, shared.now())?)
    })
    .await?;
    match issued {
        Issued::Link(link) => json(
            StatusCode::CREATED,
            &document(&app, &link, &base(&app, &headers, peer)),
        ),
        Issued::KeyReused => Err(Failure::new(
            ProblemKind::IdempotencyKeyReused,
            "this Idempotency-Key came with another body within the last 24 hours",
        )),
        Issued::TooMany => Err(Failure::new(
            ProblemKind::TooManyRequests,
            "too many links are open: use some, or wait until they expire",
        )),
    }
}

/// A body of the size of a form, in a bounded time.
async fn small_body(app: &App, headers: &HeaderMap, mut body: Body) -> Result<Vec<u8>, Failure> {
    let too_large = || Failure::new(ProblemKind::TooLarge, "the body has more than 64 KiB");
    if announced(headers).is_some_and(|bytes| bytes > BODY_BYTES_MAX as u64) {
        return Err(too_large());
    }
    let reading = async {
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| {
                Failure::new(
                    ProblemKind::BadRequest,
                    "the body ended before it was whole",
                )
            })?;
            bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            if bytes.len() > BODY_BYTES_MAX {
                return Err(too_large());
            }
        }
        Ok(bytes)
    };
    match timeout(app.options.body_timeout, reading).await {
        Ok(read) => read,
        Err(_) => Err(Failure::new(
            ProblemKind::RequestTimeout,
            "the body did not come in time",
        )),
    }
}

/// The length of a body, where it is announced.
pub(crate) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"))
}

fn idempotency(
    headers: &HeaderMap,
    client: &Client,
    request: &UploadRequest,
) -> Result<Option<Idempotency>, Failure> {
    let mut values = headers.get_all(IDEMPOTENCY_HEADER).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let key = value.as_bytes();
    let is_visible = key.iter().all(u8::is_ascii_graphic);
    if values.next().is_some()
        || key.is_empty()
        || key.len() > IDEMPOTENCY_KEY_BYTES_MAX
        || !is_visible
    {
        let detail = "the header Idempotency-Key is not valid";
        let fault = FieldFault::new(
            IDEMPOTENCY_HEADER,
            "expected 1 to 255 visible ASCII characters",
        );
        let problem = Problem::new(ProblemKind::InvalidParameter, detail).with_errors(vec![fault]);
        return Err(Box::new(problem).into());
    }
    // A client's keys are its own; no client's id holds a zero byte.
    let hash = Sha256::new()
        .chain_update(client.client_id.as_bytes())
        .chain_update([0])
        .chain_update(key);
    Ok(Some(Idempotency {
        key: hash.finalize().into(),
        body: request.digest(),
    }))
}

fn link(
    app: &App,
    client: &Client,
    request: UploadRequest,
    idempotency: Option<Idempotency>,
) -> Link {
    let now = app.now();
    let seconds = u64::try_from(now.unix_seconds()).unwrap_or(0);
    let expires_at = Timestamp::from_unix_seconds(seconds + u64::from(LINK_SECONDS));
    Link {
        upload_id: app.host.mint_upload_id(),
        client_id: client.client_id.clone(),
        issued_at: txp_pipeline::stage::ingest::arrival_of(now),
        expires_at: expires_at.unwrap_or(now),
        file_name: request.filename,
        content_length: request.content_length,
        sha256: request.sha256.as_deref().and_then(from_hex),
        strict: request.strict,
        dry_run: request.dry_run,
        defaults: Defaults {
            currency: request
                .defaults
                .currency
                .or_else(|| client.defaults.currency.clone()),
            time_zone: request
                .defaults
                .time_zone
                .or_else(|| client.defaults.time_zone.clone()),
        },
        columns: request.columns,
        idempotency,
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

fn document(app: &App, link: &Link, base: &str) -> LinkDocument {
    let path = Route::PutContent
        .path()
        .replace("{upload_id}", link.upload_id.as_str());
    let expires = link.expires_at.unix_seconds();
    let signature = app.signer.sign(link);
    let headers = [("if-none-match", "*"), ("content-type", "text/csv")];
    LinkDocument {
        upload_id: link.upload_id,
        url: format!("{base}{path}?expires={expires}&signature={signature}"),
        method: Route::PutContent.method().to_owned(),
        headers: BTreeMap::from(headers.map(|(name, value)| (name.to_owned(), value.to_owned()))),
        key: format!("uploads/{}/{}.csv", link.client_id, link.upload_id),
        expires_at: link.expires_at,
        max_bytes: link.content_length.unwrap_or(app.options.upload_bytes_max),
    }
}

/// What links begin with: as the operator says, else the host that the client asked.
fn base(app: &App, headers: &HeaderMap, peer: Peer) -> String {
    if let Some(url) = &app.options.public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    match host.filter(|host| is_host(host)) {
        Some(host) => format!("http://{host}"),
        None => format!("http://{}", peer.local),
    }
}

/// Whether a Host header can be echoed: name or address, then a port. An address in digits with a
/// port may have many digits; a card number has more between its dots.
fn is_host(host: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
    let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    (1..=HOST_BYTES_MAX).contains(&host.len())
        && host.bytes().all(is_plain)
        && (port.is_empty() || port.parse::<u16>().is_ok())
        && (is_address || !needs_redaction(name))
}

//! POST /upload: a link to send one file to, once.

use crate::answer::{Answer, Failure, blocking, json};
use crate::app::App;
use crate::caller::Caller;
use crate::serve::Peer;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::time::timeout;
use txp_domain::redact::needs_redaction;
use txp_local::control::{Issued, Link};
use txp_pipeline::api::{
    BODY_BYTES_MAX, IDEMPOTENCY_HEADER, Idempotency, LINK_HEADERS, LINK_METHOD, LinkDocument,
    Route, Terms, UploadRequest, link_expiry, refusal, upload_key,
};
use txp_pipeline::document::ProblemKind;
use txp_pipeline::stage::ingest::arrival_of;

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
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let request = UploadRequest::of(&body, content_type, app.options.upload_bytes_max)?;
    let keys = headers.get_all(IDEMPOTENCY_HEADER).iter();
    let keys = keys.map(HeaderValue::as_bytes);
    let idempotency = Idempotency::read(keys, &client.who.client_id, &request)?;
    let shared = Arc::clone(&app);
    let issued = blocking(move || {
        let link = link(&shared, Terms::of(request, &client.who), idempotency);
        Ok(shared.links.issue(link, shared.now())?)
    })
    .await?;
    match issued {
        Issued::Link(link) => json(
            StatusCode::CREATED,
            &document(&app, &link, &base(&app, &headers, peer)),
        ),
        Issued::KeyReused => Err(refusal::key_reused().into()),
        Issued::TooMany => Err(Failure::new(
            ProblemKind::TooManyRequests,
            "too many links are open: use some, or wait until they expire",
        )),
    }
}

/// A body of the size of a form, in a bounded time.
async fn small_body(app: &App, headers: &HeaderMap, mut body: Body) -> Result<Vec<u8>, Failure> {
    let too_large = || Failure::from(refusal::body_too_large());
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

fn link(app: &App, terms: Terms, idempotency: Option<Idempotency>) -> Link {
    let now = app.now();
    Link::of(
        terms,
        app.host.mint_upload_id(),
        arrival_of(now),
        link_expiry(now),
        idempotency,
    )
}

fn document(app: &App, link: &Link, base: &str) -> LinkDocument {
    let path = Route::PutContent
        .path()
        .replace("{upload_id}", link.upload_id.as_str());
    let expires = link.expires_at.unix_seconds();
    let signature = app.signer.sign(link);
    LinkDocument {
        upload_id: link.upload_id,
        url: format!("{base}{path}?expires={expires}&signature={signature}"),
        method: LINK_METHOD.to_owned(),
        headers: BTreeMap::from(
            LINK_HEADERS.map(|(name, value)| (name.to_owned(), value.to_owned())),
        ),
        key: upload_key(&link.client_id, link.upload_id),
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

//! The answer to what is no request, or not in time: a problem document, as to everything else.

use crate::answer::Failure;
use crate::app::App;
use crate::guard;
use crate::wire::Exchange;
use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderValue};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use std::time::{Duration, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use txp_pipeline::document::ProblemKind;

/// How long a client may take to read the answer while it still sends: a connection that is closed
/// with bytes unread takes the answer away with it.
const LINGER: Duration = Duration::from_secs(1);
/// So many bytes are read and thrown away meanwhile.
const LINGER_BYTES_MAX: u64 = 1 << 20;
/// At once.
const PIECE_BYTES: usize = 16 << 10;

/// Answers on a connection that the HTTP library has given up, if its client waits for one.
pub(crate) async fn refuse(app: &App, exchange: &Exchange, error: &hyper::Error) {
    let Some(failure) = failure(exchange, error) else {
        return;
    };
    let Some(mut stream) = exchange.take_stream() else {
        return;
    };
    let request_id = app.request_id();
    let response = guard::finish(
        app,
        failure.into_response(),
        &request_id,
        guard::Readers::AnyPage,
    );
    guard::measure(app, guard::NO_ROUTE, response.status(), Duration::ZERO);
    let bytes = bytes_of(app, response).await;
    // A client that is gone needs no answer.
    timeout(LINGER, send(&mut stream, &bytes)).await.ok();
}

fn failure(exchange: &Exchange, error: &hyper::Error) -> Option<Failure> {
    if exchange.is_answering() {
        return None;
    }
    // Too large is one of the faults of parsing.
    if error.is_parse_too_large() {
        let detail = "the request's line and headers have more than 64 KiB or 100 headers";
        return Some(Failure::new(ProblemKind::HeadersTooLarge, detail));
    }
    if error.is_parse() {
        let detail = "this is not a request of HTTP/1.1: its first line or a header is malformed";
        return Some(Failure::new(ProblemKind::BadRequest, detail));
    }
    // A connection that only idles is closed without a word.
    (error.is_timeout() && exchange.has_begun()).then(|| {
        let detail = "the request's line and headers did not come in time";
        Failure::new(ProblemKind::RequestTimeout, detail)
    })
}

/// A whole answer as it goes over the wire.
async fn bytes_of(app: &App, mut response: Response<Body>) -> Vec<u8> {
    let body = std::mem::take(response.body_mut()).collect().await;
    // It is in memory and cannot fail.
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let seconds = u64::try_from(app.now().unix_seconds()).unwrap_or(0);
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if let Ok(date) = HeaderValue::from_str(&date) {
        headers.insert(DATE, date);
    }
    let mut bytes = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    bytes
}

async fn send(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    stream.shutdown().await?;
    let mut piece = vec![0; PIECE_BYTES];
    let mut rest = stream.take(LINGER_BYTES_MAX);
    while rest.read(&mut piece).await? > 0 {}
    Ok(())
}

//! What surrounds every request: its id, limits, CORS, metrics, and the writing of problems.

use crate::answer::{Failure, Pending, typed};
use crate::app::App;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Instant;
use txp_pipeline::api::{PROBLEM_MEDIA_TYPE, REQUEST_ID_HEADER, Route};
use txp_pipeline::document::{PROBLEM_TYPE_PREFIX, ProblemKind};

/// The most bytes of names and values of a request's headers.
const HEADERS_BYTES_MAX: usize = 16 * 1024;

/// When to come back after 429 and 503.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

const ANY: HeaderValue = HeaderValue::from_static("*");
const ALLOWED_HEADERS: HeaderValue =
    HeaderValue::from_static("x-api-key, content-type, idempotency-key, if-none-match");
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static("x-request-id, retry-after");
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("600");

/// What requests without a route are counted as.
pub(crate) const NO_ROUTE: &str = "none";

/// Goes around every route.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = app.request_id();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .and_then(|path| Route::ALL.into_iter().find(|r| r.path() == path.as_str()));
    let response = admit(&app, route, request, next).await;
    let path = route.map_or(NO_ROUTE, Route::path);
    let response = finish(&app, response, &request_id);
    app.meter
        .request(path, response.status().as_u16(), started.elapsed());
    response
}

async fn admit(app: &App, route: Option<Route>, request: Request, next: Next) -> Response {
    if headers_bytes(request.headers()) > HEADERS_BYTES_MAX {
        let detail = "the headers have more than 16 KiB";
        return Failure::new(ProblemKind::HeadersTooLarge, detail).into_response();
    }
    if request.method() == Method::OPTIONS {
        return preflight(route);
    }
    let Ok(_permit) = app.requests.try_acquire() else {
        let detail = "the server is answering as many requests as it can";
        return Failure::new(ProblemKind::TooManyRequests, detail).into_response();
    };
    next.run(request).await
}

fn headers_bytes(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum()
}

/// What a browser asks before it sends a request from another page. Needs no key.
fn preflight(route: Option<Route>) -> Response {
    let Some(route) = route else {
        return crate::router::no_route().into_response();
    };
    let mut methods: Vec<&str> = Route::ALL
        .into_iter()
        .filter(|other| other.path() == route.path())
        .map(Route::method)
        .collect();
    methods.push("OPTIONS");
    let methods = HeaderValue::from_str(&methods.join(", ")).unwrap_or(ANY);
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(ALLOW, methods.clone());
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
    response
}

/// Writes a problem out, and what every answer has.
pub(crate) fn finish(app: &App, mut response: Response, request_id: &str) -> Response {
    if let Some(Pending { mut problem, cause }) = response.extensions_mut().remove::<Pending>() {
        if let Some(cause) = cause {
            let kind = problem.kind.trim_start_matches(PROBLEM_TYPE_PREFIX);
            app.log(&format!("request {request_id}: {kind}: {cause}"));
        }
        problem.instance = Some(format!("urn:transaction-processor:request:{request_id}"));
        let retry = matches!(problem.status, 429 | 503);
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let head = response.headers().clone();
        response = typed(response.status(), PROBLEM_MEDIA_TYPE, Body::from(body));
        // Allow, where the method was wrong.
        for (name, value) in head.iter().filter(|(name, _)| *name == ALLOW) {
            response.headers_mut().insert(name, value.clone());
        }
        if retry {
            response
                .headers_mut()
                .insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID_HEADER, id);
    }
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

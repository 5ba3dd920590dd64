//! What surrounds every request: its id, limits, CORS, metrics, and the writing of problems.

use crate::answer::{Failure, Pending, typed};
use crate::app::App;
use crate::{operator, page};
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{ACCESS_CONTROL_ALLOW_METHODS, ALLOW, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::{Duration, Instant};
use txp_pipeline::api::headers::{EVERY_ANSWER, PREFLIGHT, RETRY_AFTER_SECONDS};
use txp_pipeline::api::{PROBLEM_MEDIA_TYPE, REQUEST_ID_HEADER, Route};
use txp_pipeline::document::{PROBLEM_TYPE_PREFIX, ProblemKind};
use txp_pipeline::telemetry::{Metric, count_by, observe_millis};

/// The most bytes of names and values of a request's headers.
const HEADERS_BYTES_MAX: usize = 16 * 1024;

const ANY_METHOD: HeaderValue = HeaderValue::from_static("*");

/// What requests without a route are counted as.
pub(crate) const NO_ROUTE: &str = "none";

/// Goes around every route.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = app.request_id();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let matched = matched.as_ref().map(MatchedPath::as_str);
    let route = Route::ALL
        .into_iter()
        .find(|route| Some(route.path()) == matched);
    let own = own_paths().find(|path| Some(*path) == matched);
    let readers = match route {
        Some(Route::GetShell | Route::GetMetrics) => Readers::OwnPage,
        _ if own.is_some() || request.uri().path().starts_with(operator::PREFIX) => {
            Readers::OwnPage
        }
        _ => Readers::AnyPage,
    };
    let response = admit(&app, route, request, next).await;
    let response = finish(&app, response, &request_id, readers);
    // The page looks every few seconds: that tells nothing of what merchants ask.
    if own.is_none() {
        let path = route.map_or(NO_ROUTE, Route::path);
        measure(&app, path, response.status(), started.elapsed());
    }
    response
}

/// Counts an answer.
pub(crate) fn measure(app: &App, route: &str, status: StatusCode, took: Duration) {
    let dimensions = vec![
        ("route", route.to_owned()),
        ("status", status.as_str().to_owned()),
    ];
    app.host.measure(|| {
        count_by(Metric::Requests, dimensions, 1);
        observe_millis(Metric::RequestMilliseconds, took);
    });
}

/// Paths that are no part of the API.
fn own_paths() -> impl Iterator<Item = &'static str> {
    operator::PATHS.into_iter().chain([page::ASSETS_PATH])
}

/// Whose scripts may read an answer in a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Those of any page: it needs a key, or is for everyone.
    AnyPage,
    /// Those of our own page.
    OwnPage,
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
    let there = Route::at(route.path()).map(|(route, _)| route);
    let methods = HeaderValue::from_str(&Route::allowed(there)).unwrap_or(ANY_METHOD);
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(ALLOW, methods.clone());
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    insert(headers, PREFLIGHT);
    response
}

/// Writes a problem out, and what every answer has.
pub(crate) fn finish(
    app: &App,
    mut response: Response,
    request_id: &str,
    readers: Readers,
) -> Response {
    if let Some(Pending { problem, cause }) = response.extensions_mut().remove::<Pending>() {
        if let Some(cause) = cause {
            let kind = problem.kind.trim_start_matches(PROBLEM_TYPE_PREFIX);
            app.log(&format!("request {request_id}: {kind}: {cause}"));
        }
        let problem = problem.for_request(request_id);
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let head = response.headers().clone();
        response = typed(response.status(), PROBLEM_MEDIA_TYPE, Body::from(body));
        // Allow, where the method was wrong.
        for (name, value) in head.iter().filter(|(name, _)| *name == ALLOW) {
            response.headers_mut().insert(name, value.clone());
        }
        if problem.is_passing() {
            let seconds = HeaderValue::from(RETRY_AFTER_SECONDS);
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID_HEADER, id);
    }
    match readers {
        Readers::AnyPage => insert(headers, EVERY_ANSWER),
        Readers::OwnPage => insert(headers, page::OWN_ANSWER),
    }
    response
}

fn insert<const N: usize>(headers: &mut HeaderMap, fixed: [(&'static str, &'static str); N]) {
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

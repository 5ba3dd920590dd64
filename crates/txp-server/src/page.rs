//! The page for people at `/`: a shell without data, its scripts and styles, and the dashboards that
//! it draws, all of them in the binary. What it shows it asks for with the operator's token or with
//! a client's key.
//!
//! Nothing is fetched from anywhere else, no script stands in the document, and nothing may frame it.

use crate::answer::{Answer, typed};
use crate::app::App;
use crate::origin::{check_host, public_origin};
use crate::router::no_route;
use crate::serve::Peer;
use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use std::sync::Arc;

/// Where scripts, styles and dashboards are.
pub(crate) const ASSETS_PATH: &str = "/assets/{name}";

const HTML: &str = "text/html; charset=utf-8";
const SHELL: &str = include_str!("../page/index.html");

/// What every answer has that is for our own page only.
pub(crate) const OWN_ANSWER: [(&str, &str); 6] = [
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

struct Asset {
    name: &'static str,
    text: &'static str,
}

macro_rules! assets {
    ($($folder:literal: $($name:literal),+;)+) => {
        &[$($(Asset { name: $name, text: include_str!(concat!($folder, $name)) }),+),+]
    };
}

const ASSETS: &[Asset] = assets! {
    "../page/": "icon.svg", "base.css", "parts.css", "charts.css",
        "main.js", "alarms.js", "api.js", "chart.js", "dom.js", "evaluate.js", "format.js", "live.js", "panel.js",
        "parts.js", "session.js", "view_alerts.js", "view_dashboard.js", "view_overview.js",
        "view_send.js", "view_signin.js", "view_transaction.js", "view_uploads.js";
    "../../../dashboards/": "operations.json", "business.json", "cost.json", "alarms.json";
    "../../../schemas/": "metrics.json";
};

/// The shell.
pub(crate) async fn shell(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Answer {
    check_host(&app, &headers, peer)?;
    let mut response = typed(StatusCode::OK, HTML, SHELL);
    if let Ok(policy) = HeaderValue::from_str(&policy(&app)) {
        response
            .headers_mut()
            .insert(CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

/// A part of the page.
pub(crate) async fn asset(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Answer {
    check_host(&app, &headers, peer)?;
    let Path(name) = path.map_err(|_| no_route())?;
    let found = ASSETS.iter().find(|asset| asset.name == name);
    let asset = found.ok_or_else(no_route)?;
    Ok(typed(StatusCode::OK, media(asset.name), asset.text))
}

/// What the page may do: load and ask here, and send files to where the links point.
fn policy(app: &App) -> String {
    let links = public_origin(app).map_or_else(String::new, |origin| format!(" {origin}"));
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'{links}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

fn media(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "application/json",
    }
}

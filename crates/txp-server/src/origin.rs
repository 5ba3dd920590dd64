//! By which name a request came, and from whose page.
//!
//! The operator's page runs in a browser that other sites use too. A site can let a name of its own
//! point at this machine (DNS rebinding) and can send requests from its own pages: so the names by
//! which the page is opened are few and known, and what is only for our own page comes from there.
//! The API of merchants needs none of this: a key never travels by itself.

use crate::answer::Failure;
use crate::app::App;
use crate::serve::Peer;
use axum::http::header::{HOST, HeaderName, ORIGIN};
use axum::http::{HeaderMap, Uri};
use std::net::IpAddr;
use txp_pipeline::document::ProblemKind;

/// What a browser says about where a request comes from.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The request was sent to this server by a name that is its own: this machine's loopback, the
/// address at which it came, or the name that the operator gave it.
pub(crate) fn check_host(app: &App, headers: &HeaderMap, peer: Peer) -> Result<(), Failure> {
    match one(headers, &HOST) {
        // Every browser sends one.
        Found::None => Ok(()),
        Found::One(host) if is_own(app, host, peer) => Ok(()),
        _ => Err(Failure::new(
            ProblemKind::OriginRefused,
            "the header Host names another server",
        )),
    }
}

/// The request was sent by a page of this server, or by no page at all.
pub(crate) fn check_origin(app: &App, headers: &HeaderMap, peer: Peer) -> Result<(), Failure> {
    check_host(app, headers, peer)?;
    let site = one(headers, &SEC_FETCH_SITE);
    let is_same_site = matches!(site, Found::None | Found::One("same-origin" | "none"));
    let is_same_origin = match (one(headers, &ORIGIN), one(headers, &HOST)) {
        (Found::None, _) => true,
        (Found::One(origin), host) => {
            let of_host = matches!(host, Found::One(host) if authority(origin) == Some(host));
            of_host || public_authority(app).is_some_and(|own| authority(origin) == Some(own))
        }
        (Found::Several, _) => false,
    };
    if is_same_site && is_same_origin {
        return Ok(());
    }
    Err(Failure::new(
        ProblemKind::OriginRefused,
        "the request was sent by a page of another site",
    ))
}

/// Scheme and authority of the name that the operator gave, where that is one.
pub(crate) fn public_origin(app: &App) -> Option<String> {
    let url: Uri = app.options.public_url.as_ref()?.parse().ok()?;
    Some(format!("{}://{}", url.scheme_str()?, url.authority()?))
}

fn public_authority(app: &App) -> Option<&str> {
    let url = app.options.public_url.as_deref()?;
    authority(url).and_then(|rest| rest.split(['/', '?', '#']).next())
}

fn authority(origin: &str) -> Option<&str> {
    let schemes = ["http://", "https://"];
    schemes
        .iter()
        .find_map(|scheme| origin.strip_prefix(scheme))
}

fn is_own(app: &App, host: &str, peer: Peer) -> bool {
    if public_authority(app).is_some_and(|own| own.eq_ignore_ascii_case(host)) {
        return true;
    }
    let Some(name) = without_port(host) else {
        return false;
    };
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    // Any port: a tunnel has another one on this side.
    let address = name.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok_and(|address| {
        let address = address.to_canonical();
        address.is_loopback() || address == peer.local.ip().to_canonical()
    })
}

/// The name or address of `name`, `name:port`, `[address]` or `[address]:port`.
fn without_port(host: &str) -> Option<&str> {
    let end = match host.find(']') {
        Some(bracket) => bracket + 1,
        None => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at_checked(end)?;
    let is_port = match port.strip_prefix(':') {
        Some(digits) => digits.parse::<u16>().is_ok(),
        None => port.is_empty(),
    };
    is_port.then_some(name)
}

enum Found<'a> {
    None,
    One(&'a str),
    Several,
}

/// A header that stands once, in plain text. Anything else counts as several, which is nothing good.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Found<'a> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Found::None,
        (Some(value), None) => value.to_str().map_or(Found::Several, Found::One),
        _ => Found::Several,
    }
}

#[cfg(test)]
mod tests {
    use super::without_port;

    #[test]
    fn a_host_is_a_name_and_maybe_a_port() {
        for (host, name) in [
            ("localhost", Some("localhost")),
            ("localhost:8420", Some("localhost")),
            ("[::1]:80", Some("[::1]")),
            ("[::1]", Some("[::1]")),
            ("127.0.0.1:", None),
            ("localhost:evil", None),
            ("localhost:80:80", None),
            ("[::1]evil.example", None),
        ] {
            assert_eq!(without_port(host), name, "{host}");
        }
    }
}

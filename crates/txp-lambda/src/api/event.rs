//! A request as API Gateway hands it over (REST API, Lambda proxy integration), and as the handlers
//! see it.
//!
//! Read with more patience than `aws_lambda_events` has: whatever a client can put into a header or
//! a query must end in an answer of ours, and an event that cannot be read ends in the gateway's.
//! A test holds it to that crate's type.

use aws_smithy_types::base64;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use std::collections::HashMap;
use txp_domain::trace::TraceParent;
use txp_pipeline::api::{BODY_BYTES_MAX, refusal};
use txp_pipeline::document::{Problem, ProblemKind};

/// Base64 writes three bytes as four characters.
const BASE64_BODY_BYTES_MAX: usize = BODY_BYTES_MAX.div_ceil(3) * 4;

type Map<T> = Option<HashMap<String, Option<T>>>;

/// The event.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxyEvent {
    http_method: Option<String>,
    path: Option<String>,
    headers: Map<String>,
    multi_value_headers: Map<Vec<String>>,
    query_string_parameters: Map<String>,
    multi_value_query_string_parameters: Map<Vec<String>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
    request_context: Option<Context>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Context {
    stage: Option<String>,
    path: Option<String>,
    request_id: Option<String>,
    identity: Option<Identity>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Identity {
    api_key_id: Option<String>,
}

/// A request.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    /// The method, as it came.
    pub(super) method: String,
    /// The path below the stage, not decoded.
    pub(super) path: String,
    /// The path as the client sent it, with the stage or whatever a domain of ours maps to it.
    pub(super) public_path: String,
    /// The parameters, decoded.
    pub(super) query: Vec<(String, String)>,
    /// The id of the gateway's API key that the request came with.
    pub(super) api_key_id: Option<String>,
    /// What the gateway calls the request.
    pub(super) id: String,
    /// The trace that it belongs to.
    pub(super) trace: Option<TraceParent>,
    headers: Vec<(String, String)>,
    body: String,
    is_base64: bool,
}

impl From<ProxyEvent> for Request {
    fn from(event: ProxyEvent) -> Self {
        let context = event.request_context.unwrap_or_default();
        let path = event.path.unwrap_or_default();
        let identity = context.identity.unwrap_or_default();
        Self {
            method: event.http_method.unwrap_or_default(),
            public_path: context.path.unwrap_or_else(|| path.clone()),
            path: below(path, context.stage.as_deref()),
            query: pairs(
                event.multi_value_query_string_parameters,
                event.query_string_parameters,
            ),
            api_key_id: identity.api_key_id.filter(|id| !id.is_empty()),
            id: context.request_id.unwrap_or_default(),
            trace: None,
            headers: pairs(event.multi_value_headers, event.headers),
            body: event.body.unwrap_or_default(),
            is_base64: event.is_base64_encoded.unwrap_or(false),
        }
    }
}

/// A path without its stage: the gateway leaves it out, what stands in for the gateway may not.
fn below(path: String, stage: Option<&str>) -> String {
    let below = stage.and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage));
    match below.filter(|rest| rest.starts_with('/')) {
        Some(rest) => rest.to_owned(),
        None => path,
    }
}

/// What came several times stands in one map with all of its values, in the other with the last.
fn pairs(many: Map<Vec<String>>, one: Map<String>) -> Vec<(String, String)> {
    let many = many.filter(|many| !many.is_empty()).map(|many| {
        many.into_iter().flat_map(|(name, values)| {
            let values = values.unwrap_or_default();
            values.into_iter().map(move |value| (name.clone(), value))
        })
    });
    match many {
        Some(pairs) => pairs.collect(),
        None => one
            .unwrap_or_default()
            .into_iter()
            .map(|(name, value)| (name, value.unwrap_or_default()))
            .collect(),
    }
}

impl Request {
    /// The values of a header.
    pub(super) fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.headers.iter();
        named
            .filter(move |(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body, decoded.
    ///
    /// # Errors
    /// It is larger than a form, or said to be base64 and is not.
    pub(super) fn body(&self) -> Result<Vec<u8>, Box<Problem>> {
        if !self.is_base64 {
            return match self.body.len() {
                0..=BODY_BYTES_MAX => Ok(self.body.clone().into_bytes()),
                _ => Err(refusal::body_too_large()),
            };
        }
        if self.body.len() > BASE64_BODY_BYTES_MAX {
            return Err(refusal::body_too_large());
        }
        base64::decode(&self.body).map_err(|_| {
            let detail = "the body is said to be base64 and is not";
            Box::new(Problem::new(ProblemKind::BadRequest, detail))
        })
    }
}

/// A segment of a path, decoded once; what is no UTF-8 then is nothing of ours.
pub(super) fn decoded(segment: &str) -> Option<String> {
    let text = percent_decode_str(segment).decode_utf8().ok()?;
    Some(text.into_owned())
}

#[cfg(test)]
mod tests;

//! Answers: JSON documents, and problems, which are written out in one place.

use serde::Serialize;
use std::collections::BTreeMap;
use txp_domain::letters::to_letters;
use txp_domain::redact::redact;
use txp_pipeline::api::headers::{EVERY_ANSWER, PREFLIGHT, RETRY_AFTER_SECONDS};
use txp_pipeline::api::{PROBLEM_MEDIA_TYPE, REQUEST_ID_HEADER};
use txp_pipeline::document::{PROBLEM_TYPE_PREFIX, Problem, ProblemKind};
use txp_pipeline::port::PortError;

/// What the gateway sends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyAnswer {
    /// The HTTP status.
    pub status_code: u16,
    /// The headers, each once.
    pub headers: BTreeMap<&'static str, String>,
    /// The body.
    pub body: String,
    /// Never: all bodies are text.
    pub is_base64_encoded: bool,
}

/// What a handler gives.
pub(super) type Outcome = Result<ProxyAnswer, Failure>;

/// A request that is not answered as it wished: a problem, and for our own faults the cause.
#[derive(Debug)]
pub(super) struct Failure {
    problem: Box<Problem>,
    cause: Option<String>,
    allow: Option<String>,
}

impl Failure {
    /// The path is there and the method is not.
    pub(super) fn method(problem: Box<Problem>, allow: String) -> Self {
        Self {
            allow: Some(allow),
            ..Self::from(problem)
        }
    }

    /// Our own fault: the client learns that there was one, the log what it was.
    pub(super) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        let detail = "the server met an error of its own";
        Self::caused(ProblemKind::Internal, detail, error)
    }

    fn caused(kind: ProblemKind, detail: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        Self {
            cause: Some(chain(error)),
            ..Self::from(Box::new(Problem::new(kind, detail)))
        }
    }
}

impl From<Box<Problem>> for Failure {
    fn from(problem: Box<Problem>) -> Self {
        Self {
            problem,
            cause: None,
            allow: None,
        }
    }
}

impl From<PortError> for Failure {
    fn from(error: PortError) -> Self {
        if !error.is_retryable() {
            return Self::internal(&error);
        }
        let detail = "something that the answer needs is too busy or out of reach";
        Self::caused(ProblemKind::Unavailable, detail, &error)
    }
}

/// An error and its causes in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    redact(&text).into_owned()
}

impl ProxyAnswer {
    fn new(status_code: u16, media: &str, body: String) -> Self {
        Self {
            status_code,
            headers: BTreeMap::from([("content-type", media.to_owned())]),
            body,
            is_base64_encoded: false,
        }
    }

    /// An answer without a body.
    fn empty(status_code: u16) -> Self {
        Self {
            status_code,
            headers: BTreeMap::new(),
            body: String::new(),
            is_base64_encoded: false,
        }
    }

    /// To OPTIONS: what a browser asks before it sends a request from another page.
    pub(super) fn preflight(allowed: String) -> Self {
        let mut answer = Self::empty(204);
        let fixed = PREFLIGHT.map(|(name, value)| (name, value.to_owned()));
        answer.headers.extend(fixed);
        answer.headers.insert("allow", allowed.clone());
        answer
            .headers
            .insert("access-control-allow-methods", allowed);
        answer
    }

    /// What was asked for is at another address.
    pub(super) fn see_other(location: String) -> Self {
        let mut answer = Self::empty(303);
        answer.headers.insert("location", location);
        answer
    }
}

/// A document as JSON.
pub(super) fn json(status_code: u16, document: &impl Serialize) -> Outcome {
    let body = serde_json::to_string(document).map_err(|error| Failure::internal(&error))?;
    Ok(ProxyAnswer::new(status_code, "application/json", body))
}

/// Writes a problem out, and what every answer has. `gateway_id` is what the gateway calls the
/// request: the log has both names.
pub(super) fn finish(outcome: Outcome, gateway_id: &str) -> ProxyAnswer {
    let request_id = request_id(gateway_id);
    let mut answer = match outcome {
        Ok(answer) => answer,
        Err(failure) => problem(failure, gateway_id, &request_id),
    };
    let fixed = EVERY_ANSWER.map(|(name, value)| (name, value.to_owned()));
    answer.headers.extend(fixed);
    answer.headers.insert(REQUEST_ID_HEADER, request_id);
    answer
}

fn problem(failure: Failure, gateway_id: &str, request_id: &str) -> ProxyAnswer {
    let Failure {
        problem,
        cause,
        allow,
    } = failure;
    if let Some(cause) = cause {
        let kind = problem.kind.trim_start_matches(PROBLEM_TYPE_PREFIX);
        tracing::error!(request_id, gateway_id, kind, cause, "a request failed");
    }
    let problem = problem.for_request(request_id);
    let body = serde_json::to_string(&problem).unwrap_or_default();
    let mut answer = ProxyAnswer::new(problem.status, PROBLEM_MEDIA_TYPE, body);
    if let Some(allow) = allow {
        answer.headers.insert("allow", allow);
    }
    if problem.is_passing() {
        let seconds = RETRY_AFTER_SECONDS.to_string();
        answer.headers.insert("retry-after", seconds);
    }
    answer
}

/// The gateway's name of a request in letters, as all that we call things: no digit.
fn request_id(gateway_id: &str) -> String {
    let digits: Vec<u8> = gateway_id
        .chars()
        .filter_map(|c| c.to_digit(16))
        .filter_map(|digit| u8::try_from(digit).ok())
        .collect();
    // Two letters stand for a byte: the second is the digit's.
    let letters = to_letters(&digits);
    let name: String = letters.chars().skip(1).step_by(2).collect();
    if name.is_empty() {
        return "unnamed".to_owned();
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use txp_pipeline::port::ErrorKind;

    #[test]
    fn a_request_is_named_in_letters() {
        for (given, named) in [
            ("0a1f-9", "bnctm"),
            ("", "unnamed"),
            ("\u{661}zz", "unnamed"),
        ] {
            let name = request_id(given);
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase()), "{name}");
            assert_eq!(name, named, "{given}");
        }
    }

    #[test]
    fn errors_of_ports_are_told_by_what_can_be_done() {
        for (kind, status) in [
            (ErrorKind::Throttled, 503),
            (ErrorKind::Transient, 503),
            (ErrorKind::Corrupt, 500),
            (ErrorKind::Full, 500),
            (ErrorKind::Denied, 500),
            (ErrorKind::Permanent, 500),
        ] {
            let error = PortError::new(kind, "reading the table secret-name failed");
            let answer = finish(Err(error.into()), "ab");
            assert_eq!(answer.status_code, status);
            assert!(!answer.body.contains("secret-name"), "{}", answer.body);
            assert_eq!(answer.headers["content-type"], PROBLEM_MEDIA_TYPE);
            assert_eq!(answer.headers.contains_key("retry-after"), status == 503);
        }
    }
}

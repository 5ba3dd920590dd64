//! What the adapters make of a service that does not do what it was asked: which kind of error each
//! call of each port gives, and what is tried again. The services' own words, over HTTP, to the real
//! clients.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: a panic is how they say no"
)]

mod calls;
mod dynamodb;
mod kinesis;
mod s3;
mod service;
mod sns;

use calls::{Call, Protocol};
use futures_util::future::join_all;
use service::{Answer, How, Service};
use txp_pipeline::port::ErrorKind;

/// What every call is asked for once.
const KINDS: [(Fault, ErrorKind); 6] = [
    (Fault::Throttle, ErrorKind::Throttled),
    (Fault::Denial, ErrorKind::Denied),
    (Fault::Breakdown, ErrorKind::Transient),
    (Fault::Nonsense, ErrorKind::Transient),
    (Fault::Silence, ErrorKind::Transient),
    (Fault::Reset, ErrorKind::Transient),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Throttle,
    Denial,
    Breakdown,
    Nonsense,
    Silence,
    Reset,
}

/// A fault in the words of a service.
fn answer(fault: Fault, call: &Call) -> Answer {
    match (fault, call.protocol) {
        (Fault::Silence, _) => Answer::that(How::Silence),
        (Fault::Reset, _) => Answer::that(How::Reset),
        (Fault::Nonsense, _) => Answer::of(200, "<not what was asked for"),
        (Fault::Throttle, Protocol::Json(code)) => json(400, code),
        (Fault::Denial, Protocol::Json(_)) => json(400, "AccessDeniedException"),
        (Fault::Breakdown, Protocol::Json(_)) => json(500, "InternalServerError"),
        (Fault::Throttle, Protocol::Rest) => rest(429, "TooManyRequestsException"),
        (Fault::Denial, Protocol::Rest) => rest(403, "AccessDeniedException"),
        (Fault::Breakdown, Protocol::Rest) => rest(500, "ServiceException"),
        (Fault::Throttle, Protocol::Objects) => xml(503, "SlowDown"),
        (Fault::Denial, Protocol::Objects) => xml(403, "AccessDenied"),
        (Fault::Breakdown, Protocol::Objects) => xml(500, "InternalError"),
        (Fault::Throttle, Protocol::Query) => query(400, "Throttling"),
        (Fault::Denial, Protocol::Query) => query(403, "AuthorizationError"),
        (Fault::Breakdown, Protocol::Query) => query(500, "InternalFailure"),
    }
}

pub(crate) fn json(status: u16, code: &str) -> Answer {
    let body = format!("{{\"__type\":\"com.amazonaws.v1#{code}\",\"message\":\"no\"}}");
    Answer::of(status, body).with("content-type", "application/x-amz-json-1.0")
}

fn rest(status: u16, code: &str) -> Answer {
    Answer::of(status, "{\"message\":\"no\"}")
        .with("content-type", "application/json")
        .with("x-amzn-errortype", code)
}

pub(crate) fn xml(status: u16, code: &str) -> Answer {
    let body =
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>");
    Answer::of(status, body).with("content-type", "application/xml")
}

fn query(status: u16, code: &str) -> Answer {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
    );
    Answer::of(status, body).with("content-type", "text/xml")
}

/// Each call of each port, on each fault: what may pass is told from what may not, and a denial is
/// always told as one. All at once, since silence is waited for.
#[tokio::test]
async fn every_call_tells_what_can_be_done_about_a_fault() {
    let calls = calls::ALL.into_iter().chain([calls::head()]);
    let asked = calls.map(async |call| {
        for (fault, expected) in KINDS {
            if fault != Fault::Nonsense || !call.takes_any_body {
                meets(&call, fault, expected).await;
            }
        }
    });
    join_all(asked).await;
}

async fn meets(call: &Call, fault: Fault, expected: ErrorKind) {
    let service = Service::answering([answer(fault, call)]);
    let config = match fault {
        Fault::Silence => service.impatient(1).await,
        _ => service.config(1).await,
    };
    let Err(error) = (call.make)(config).await else {
        panic!("{}: {fault:?} was not noticed", call.name);
    };
    // An answer to HEAD has no body that names a code.
    let expected = match (fault, call.has_body) {
        (Fault::Throttle, false) => ErrorKind::Transient,
        _ => expected,
    };
    let (name, reason) = (call.name, error.reason());
    assert_eq!(error.kind, expected, "{name}: {fault:?}: {reason}");
    assert_eq!(service.requests().len(), 1, "{name}: {fault:?}");
}

/// The SDK tries again by itself what may pass, and nothing else.
#[tokio::test]
async fn what_may_pass_is_tried_again_by_the_client() {
    for call in calls::ALL {
        for (fault, expected) in [(Fault::Throttle, 3), (Fault::Denial, 1)] {
            let service = Service::answering([answer(fault, &call)]);
            assert!((call.make)(service.config(3).await).await.is_err());
            assert_eq!(
                service.requests().len(),
                expected,
                "{}: {fault:?}",
                call.name
            );
        }
    }
}

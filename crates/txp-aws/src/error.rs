//! What an error of the SDK means for whoever might try again.

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::error::Error;
use txp_pipeline::port::{ErrorKind, PortError};

/// Codes by which the services say "too much at once".
const THROTTLES: [&str; 10] = [
    "KMSThrottlingException",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "SlowDown",
    "Throttled",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// Codes by which the services say "not you".
const DENIALS: [&str; 9] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "KMSAccessDeniedException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// Codes of failures that go away by themselves, beside every status of 500 and above.
const PASSING: [&str; 5] = [
    "InternalFailure",
    "InternalServerError",
    "RequestTimeout",
    "ServiceUnavailable",
    "TransactionInProgressException",
];

/// What can be done about an error with this code and HTTP status.
#[must_use]
pub fn kind_of(code: Option<&str>, status: u16) -> ErrorKind {
    match code {
        Some(code) if THROTTLES.contains(&code) => ErrorKind::Throttled,
        Some(code) if DENIALS.contains(&code) => ErrorKind::Denied,
        Some(code) if PASSING.contains(&code) => ErrorKind::Transient,
        _ if status == 429 => ErrorKind::Throttled,
        // An answer that says that all is well and makes no sense was cut, or is of something between.
        _ if !(400..500).contains(&status) => ErrorKind::Transient,
        _ => ErrorKind::Permanent,
    }
}

/// The port's error of an SDK's; `context` says what was being done, to what.
pub fn port_error<E>(context: impl Into<String>, error: SdkError<E, Response>) -> PortError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let kind = match &error {
        SdkError::ServiceError(service) => {
            kind_of(service.err().code(), service.raw().status().as_u16())
        }
        // A request that could not even be built will not be better the next time.
        SdkError::ConstructionFailure(_) => ErrorKind::Permanent,
        _ => ErrorKind::Transient,
    };
    PortError::caused(kind, context, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_statuses_tell_what_to_do() {
        for (code, status, expected) in [
            (
                Some("ProvisionedThroughputExceededException"),
                400,
                ErrorKind::Throttled,
            ),
            (Some("SlowDown"), 503, ErrorKind::Throttled),
            (None, 429, ErrorKind::Throttled),
            (Some("AccessDenied"), 403, ErrorKind::Denied),
            (Some("InternalServerError"), 500, ErrorKind::Transient),
            (None, 502, ErrorKind::Transient),
            (None, 200, ErrorKind::Transient),
            (Some("ResourceNotFoundException"), 400, ErrorKind::Permanent),
            (None, 404, ErrorKind::Permanent),
        ] {
            assert_eq!(kind_of(code, status), expected, "{code:?} {status}");
        }
    }
}

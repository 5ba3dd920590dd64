//! Problem documents (RFC 9457), and the catalogue of every problem that the API answers with.
//!
//! What is echoed of a request is shown as a rejected cell is: a problem never has a long number,
//! whatever stands between its digits, nor a control character.

use crate::rejects::show;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What every problem's type starts with.
pub const PROBLEM_TYPE_PREFIX: &str = "urn:transaction-processor:problem:";

/// The most characters of one text of a problem; a request's own are cut long before.
const DETAIL_CHARS_MAX: usize = 1000;

macro_rules! problems {
    ($($variant:ident = $name:literal, $status:literal, $title:literal, $hint:literal;)+) => {
        /// Everything that the API can have against a request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ProblemKind {
            $(#[doc = $title] $variant,)+
        }

        impl ProblemKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name, the end of the type.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The HTTP status.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// The same for every occurrence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// What to do about it.
            #[must_use]
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$variant => $hint,)+ }
            }
        }
    };
}

problems! {
    BadJson = "bad_json", 400, "The body is not JSON",
        "send one JSON object in UTF-8, or no body";
    BadRequest = "bad_request", 400, "The request cannot be understood",
        "look the route up in /openapi.json";
    InvalidParameter = "invalid_parameter", 400, "A parameter is not valid",
        "mend what `errors` names";
    LengthMismatch = "length_mismatch", 400, "The body has another length than announced",
        "send exactly the announced bytes, or ask for a new link with the right content_length";
    DigestMismatch = "digest_mismatch", 400, "The body has another SHA-256 than announced",
        "send the announced file, or ask for a new link with the right sha256";
    KeyRefused = "key_refused", 403, "The API key is missing or not valid",
        "send your key in the header x-api-key, whole, as it was given to you; ask the operator for a new one if it is lost";
    OperatorRefused = "operator_refused", 403, "The operator's token is missing or not valid",
        "on the server's machine `txp operator-token --data-dir DIR` prints it; send it in the header x-operator-token";
    OriginRefused = "origin_refused", 403, "The request comes from another site, or by a name that is not the server's",
        "open the page at the address that `txp serve` prints; where it has another name, start it with --public-url";
    LinkRefused = "link_refused", 403, "The upload link is not valid",
        "links live 15 minutes and must be used unchanged: ask for a new one with POST /upload, with another Idempotency-Key if you gave one";
    NotFound = "not_found", 404, "There is nothing at this path",
        "the routes are listed in /openapi.json";
    TransactionNotFound = "transaction_not_found", 404, "No such transaction",
        "check the id and the merchant; a row is found once its upload is processed";
    UploadNotFound = "upload_not_found", 404, "No such upload",
        "check the upload id that POST /upload answered with";
    RejectsNotFound = "rejects_not_found", 404, "There is no rejects report",
        "the report is there once the file was read; ask /uploads/{upload_id} for its state";
    MethodNotAllowed = "method_not_allowed", 405, "The method is not allowed here",
        "use a method of the header Allow";
    RequestTimeout = "request_timeout", 408, "The request took too long to arrive",
        "send it again over a faster connection";
    AmbiguousTransaction = "ambiguous_transaction", 409, "Several merchants have a transaction of this id",
        "choose one with ?merchant_id=";
    UploadInProgress = "upload_in_progress", 409, "The file is being sent already",
        "wait for the other request to end, then ask /uploads/{upload_id}";
    AlreadyArrived = "already_arrived", 412, "The file has arrived already",
        "do not send it again: ask /uploads/{upload_id} for its state";
    TooLarge = "too_large", 413, "The body is too large",
        "send less: the limits are in /openapi.json; cut a file into several uploads";
    UnsupportedMediaType = "unsupported_media_type", 415, "The body is of another type than JSON",
        "send it with content-type: application/json";
    InvalidBody = "invalid_body", 422, "The body is not valid",
        "mend what `errors` names";
    IdempotencyKeyReused = "idempotency_key_reused", 422, "The Idempotency-Key was used with another body",
        "use a new key for a new request";
    PreconditionRequired = "precondition_required", 428, "The header If-None-Match is missing",
        "send the headers that came with the link, If-None-Match: * among them";
    TooManyRequests = "too_many_requests", 429, "Too many requests",
        "wait as long as Retry-After says, then try again";
    HeadersTooLarge = "headers_too_large", 431, "The headers are too large",
        "send fewer or shorter headers";
    Internal = "internal", 500, "Something went wrong here",
        "try again; if it stays, tell the operator the instance";
    Unavailable = "unavailable", 503, "Not available at the moment",
        "try again later";
    StorageFull = "storage_full", 507, "No room is left",
        "try again later; the operator must make room";
}

/// One fault of a request, with where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldFault {
    /// A JSON pointer into the body, or the name of a parameter or header.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

/// One of several transactions that a request may mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Choice {
    /// Its merchant.
    pub merchant_id: String,
}

/// A problem document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// Names the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time.
    pub detail: String,
    /// What to do about it.
    pub hint: String,
    /// Names this occurrence; the header x-request-id has its last part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Every fault of the request, where there are several places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldFault>,
    /// What the request may mean; only where it is ambiguous.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
}

impl Problem {
    /// A problem with what is wrong this time; long numbers in it are redacted.
    #[must_use]
    pub fn new(kind: ProblemKind, detail: &str) -> Self {
        Self {
            kind: format!("{PROBLEM_TYPE_PREFIX}{}", kind.name()),
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: show(detail, DETAIL_CHARS_MAX),
            hint: kind.hint().to_owned(),
            instance: None,
            errors: Vec::new(),
            choices: Vec::new(),
        }
    }

    /// With the places that are at fault.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldFault>) -> Self {
        self.errors = errors;
        self
    }

    /// With the transactions that may be meant.
    #[must_use]
    pub fn with_choices(mut self, choices: Vec<Choice>) -> Self {
        self.choices = choices;
        self
    }
}

impl Problem {
    /// As it goes out to a request of this name.
    #[must_use]
    pub fn for_request(mut self, request_id: &str) -> Self {
        self.instance = Some(format!("urn:transaction-processor:request:{request_id}"));
        self
    }

    /// Whether the same request may go well a moment later: the answer says when to come back.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self.status, 429 | 503)
    }
}

impl FieldFault {
    /// A fault at a place; long numbers in both texts are redacted.
    #[must_use]
    pub fn new(pointer: &str, detail: &str) -> Self {
        Self {
            pointer: show(pointer, DETAIL_CHARS_MAX),
            detail: show(detail, DETAIL_CHARS_MAX),
        }
    }
}

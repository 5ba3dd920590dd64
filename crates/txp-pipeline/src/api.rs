//! What the embedded server and the API Lambda share of the HTTP API: routes, the checks of
//! requests, who may see what, and the OpenAPI description of all of it.
//!
//! Pure functions of values. Deliberately absent: HTTP itself, keys and links, clocks.

pub mod headers;
pub mod refusal;

mod client;
mod idempotency;
mod link;
mod openapi;
mod page;
mod request;
mod route;
mod tenancy;
mod terms;

pub use client::Client;
pub use idempotency::Idempotency;
pub use link::{LINK_HEADERS, LINK_METHOD, digest_of_hex, hex_of_digest, link_expiry, upload_key};
pub use openapi::openapi;
pub use page::{Page, Query, invalid, merchant_id, parameter};
pub use request::{BODY_BYTES_MAX, UPLOAD_BYTES_MAX, UploadRequest};
pub use route::Route;
pub use tenancy::{asked_transaction, asked_upload, owns_upload, visible_transaction};
pub use terms::{RedriveTerms, Terms, file_name};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;

/// How long an upload link can be used (design, the API).
pub const LINK_SECONDS: u32 = 15 * 60;
/// How long an Idempotency-Key is remembered (design, the API).
pub const IDEMPOTENCY_SECONDS: u32 = 24 * 60 * 60;
/// The longest Idempotency-Key.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// The header that carries the API key.
pub const KEY_HEADER: &str = "x-api-key";
/// The header that names a request of which repeats are recognised.
pub const IDEMPOTENCY_HEADER: &str = "idempotency-key";
/// The header that names a request in our logs.
pub const REQUEST_ID_HEADER: &str = "x-request-id";
/// The media type of problem documents.
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

/// The answer to POST /upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkDocument {
    /// What the upload is called from now on.
    pub upload_id: UploadId,
    /// Where to send the file.
    pub url: String,
    /// By which method.
    pub method: String,
    /// Headers that must be sent with it.
    pub headers: BTreeMap<String, String>,
    /// The name that the file is kept under.
    pub key: String,
    /// Until when the link can be used, once.
    pub expires_at: Timestamp,
    /// The most bytes that are taken.
    pub max_bytes: u64,
}

/// The answer to a file that arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArrivedDocument {
    /// The upload.
    pub upload_id: UploadId,
    /// How many bytes came.
    pub bytes: u64,
    /// Their SHA-256 in hexadecimal.
    pub sha256: String,
    /// Where to ask what became of it.
    pub status_url: String,
}

/// The answer of GET /health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthDocument {
    /// `ok`.
    pub status: String,
}

#[cfg(test)]
mod tests;

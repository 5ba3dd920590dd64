//! What each route takes and answers.

use super::super::{
    ArrivedDocument, HealthDocument, LINK_SECONDS, LinkDocument, PROBLEM_MEDIA_TYPE, Route,
};
use super::schema::{Schemas, identifier, letters, limit, upload_id, upload_request_reference};
use crate::document::{Problem, ProblemKind, TransactionDocument, UploadDocument, UploadsDocument};
use crate::receipt::KeySetDocument;
use serde_json::{Map, Value, json};

/// The status whose answers say when to come back.
const TOO_MANY_REQUESTS: u16 = ProblemKind::TooManyRequests.status();

/// The problems that any request can meet.
const ANYWHERE: &[ProblemKind] = &[
    ProblemKind::BadRequest,
    ProblemKind::HeadersTooLarge,
    ProblemKind::TooManyRequests,
    ProblemKind::Internal,
    ProblemKind::Unavailable,
];

pub(super) fn operation(route: Route, schemas: &mut Schemas) -> Value {
    let (summary, tag) = summary(route);
    let mut described = json!({
        "operationId": operation_id(route),
        "summary": summary,
        "tags": [tag],
        "parameters": parameters(route),
        "responses": responses(route, schemas),
        "security": if route.needs_key() { json!([{ "key": [] }]) } else { json!([]) },
    });
    if let (Some(body), Some(operation)) = (request_body(route), described.as_object_mut()) {
        operation.insert("requestBody".to_owned(), body);
    }
    described
}

fn operation_id(route: Route) -> &'static str {
    match route {
        Route::PostUpload => "createUpload",
        Route::PutContent => "putContent",
        Route::GetStatus => "getStatus",
        Route::GetUpload => "getUpload",
        Route::GetRejects => "getRejects",
        Route::GetUploads => "listUploads",
        Route::GetOpenapi => "getOpenapi",
        Route::GetReceiptKey => "getReceiptKey",
        Route::GetHealth => "getHealth",
        Route::GetMetrics => "getMetrics",
        Route::GetShell => "getShell",
    }
}

fn summary(route: Route) -> (&'static str, &'static str) {
    match route {
        Route::PostUpload => ("Ask for a link to send a file to, once", "uploads"),
        Route::PutContent => (
            "Send the file to the link that POST /upload gave",
            "uploads",
        ),
        Route::GetStatus => ("One transaction, with its history", "transactions"),
        Route::GetUpload => ("What became of an upload", "uploads"),
        Route::GetRejects => (
            "The rejected rows of an upload, to be mended and sent again",
            "uploads",
        ),
        Route::GetUploads => ("Your uploads, newest first", "uploads"),
        Route::GetOpenapi => ("This description", "server"),
        Route::GetReceiptKey => (
            "The public key of receipts, as a JWK set: Ed25519 over the receipt without its signature, as canonical JSON (RFC 8785)",
            "server",
        ),
        Route::GetHealth => ("Whether the server is up", "server"),
        Route::GetMetrics => (
            "Metrics for Prometheus; only to the server's own machine",
            "server",
        ),
        Route::GetShell => ("A page for people, without data", "server"),
    }
}

fn parameters(route: Route) -> Value {
    let path = |name: &str, schema: Value| json!({ "name": name, "in": "path", "required": true, "schema": schema });
    let query = |name: &str, required: bool, schema: Value, description: &str| {
        json!({
            "name": name, "in": "query", "required": required, "schema": schema,
            "description": description,
        })
    };
    match route {
        Route::GetStatus => json!([
            path("transaction_id", identifier()),
            query(
                "merchant_id",
                false,
                identifier(),
                "Which merchant's, where several have the id."
            ),
        ]),
        Route::GetUpload | Route::GetRejects => json!([path("upload_id", upload_id())]),
        Route::GetUploads => json!([
            query("limit", false, limit(), "The most uploads of a page."),
            query(
                "cursor",
                false,
                upload_id(),
                "The next_cursor of the page before."
            ),
        ]),
        Route::PutContent => json!([
            path("upload_id", upload_id()),
            query("expires", true, json!({ "type": "integer", "minimum": 0 }), "As in the link."),
            query("signature", true, letters(), "As in the link."),
            {
                "name": "If-None-Match", "in": "header", "required": true,
                "schema": { "type": "string", "enum": ["*"] },
                "description": "One of the headers that came with the link.",
            },
        ]),
        _ => json!([]),
    }
}

fn request_body(route: Route) -> Option<Value> {
    match route {
        Route::PostUpload => Some(json!({
            "required": false,
            "content": { "application/json": { "schema": upload_request_reference() } },
        })),
        Route::PutContent => Some(json!({
            "required": true,
            "description": "The file: CSV in UTF-8, with a header row.",
            "content": { "text/csv": {
                "schema": { "type": "string" },
                "example": "transaction_id,amount,merchant_id,card_number\nt-1,12.30,shop-1,4242424242424242\n",
            } },
        })),
        _ => None,
    }
}

/// The problems of a route, beside those that any request can meet.
fn own_problems(route: Route) -> &'static [ProblemKind] {
    use ProblemKind as P;
    match route {
        Route::PostUpload => &[
            P::BadJson,
            P::KeyRefused,
            P::RequestTimeout,
            P::TooLarge,
            P::UnsupportedMediaType,
            P::InvalidBody,
            P::IdempotencyKeyReused,
            P::InvalidParameter,
            P::StorageFull,
        ],
        Route::PutContent => &[
            P::LengthMismatch,
            P::DigestMismatch,
            P::LinkRefused,
            P::RequestTimeout,
            P::UploadInProgress,
            P::AlreadyArrived,
            P::TooLarge,
            P::PreconditionRequired,
            P::StorageFull,
        ],
        Route::GetStatus => &[
            P::InvalidParameter,
            P::KeyRefused,
            P::TransactionNotFound,
            P::AmbiguousTransaction,
        ],
        Route::GetUpload => &[P::KeyRefused, P::UploadNotFound],
        Route::GetRejects => &[P::KeyRefused, P::UploadNotFound, P::RejectsNotFound],
        Route::GetUploads => &[P::InvalidParameter, P::KeyRefused],
        Route::GetReceiptKey => &[P::NotFound],
        Route::GetMetrics => &[P::NotFound, P::OriginRefused],
        Route::GetShell => &[P::OriginRefused],
        Route::GetOpenapi | Route::GetHealth => &[],
    }
}

fn responses(route: Route, schemas: &mut Schemas) -> Value {
    let mut responses = Map::new();
    let (status, response) = success(route, schemas);
    responses.insert(status.to_owned(), response);
    if route == Route::GetRejects {
        responses.insert("303".to_owned(), elsewhere());
    }
    let mut kinds: Vec<_> = ANYWHERE.iter().chain(own_problems(route)).collect();
    kinds.sort_by_key(|kind| kind.status());
    let problem = schemas.of::<Problem>();
    for kinds in kinds.chunk_by(|a, b| a.status() == b.status()) {
        let Some(status) = kinds.first().map(|kind| kind.status()) else {
            continue;
        };
        let described: Vec<_> = kinds
            .iter()
            .map(|kind| format!("{} (`{}`)", kind.title(), kind.name()))
            .collect();
        let mut headers = common_headers();
        if let (TOO_MANY_REQUESTS, Some(headers)) = (status, headers.as_object_mut()) {
            headers.insert(
                "Retry-After".to_owned(),
                json!({ "required": true, "schema": { "type": "integer", "minimum": 1 } }),
            );
        }
        responses.insert(
            status.to_string(),
            json!({
                "description": described.join("; "),
                "headers": headers,
                "content": { PROBLEM_MEDIA_TYPE: { "schema": problem } },
            }),
        );
    }
    Value::Object(responses)
}

/// A gateway's answers are small: a report may not be.
fn elsewhere() -> Value {
    let mut headers = common_headers();
    if let Some(headers) = headers.as_object_mut() {
        headers.insert(
            "Location".to_owned(),
            json!({ "required": true, "schema": { "type": "string" } }),
        );
    }
    json!({
        "description": "On AWS: the report is at this address, which needs no key and can be used for a quarter of an hour",
        "headers": headers,
    })
}

fn common_headers() -> Value {
    json!({
        "X-Request-Id": {
            "required": true, "schema": { "type": "string", "pattern": "^[a-z]+$" },
            "description": "Names this request in the server's log.",
        },
    })
}

fn success(route: Route, schemas: &mut Schemas) -> (&'static str, Value) {
    let json = |schema: Value| json!({ "application/json": { "schema": schema } });
    let text = |media: &str| json!({ media: { "schema": { "type": "string" } } });
    let (status, description, content) = match route {
        Route::PostUpload => ("201", "The link", json(schemas.of::<LinkDocument>().into())),
        Route::PutContent => (
            "200",
            "The file arrived; it is processed from here on",
            json(schemas.of::<ArrivedDocument>().into()),
        ),
        Route::GetStatus => (
            "200",
            "The transaction",
            json(schemas.of::<TransactionDocument>().into()),
        ),
        Route::GetUpload => (
            "200",
            "The upload",
            json(schemas.of::<UploadDocument>().into()),
        ),
        Route::GetUploads => (
            "200",
            "The uploads",
            json(schemas.of::<UploadsDocument>().into()),
        ),
        Route::GetRejects => ("200", "The report", text("text/csv")),
        Route::GetOpenapi => (
            "200",
            "The description",
            json(serde_json::json!({ "type": "object" })),
        ),
        Route::GetReceiptKey => (
            "200",
            "The key",
            json(schemas.of::<KeySetDocument>().into()),
        ),
        Route::GetHealth => (
            "200",
            "It is up",
            json(schemas.of::<HealthDocument>().into()),
        ),
        Route::GetMetrics => ("200", "The metrics", text("text/plain")),
        Route::GetShell => ("200", "The page", text("text/html")),
    };
    let mut described = json!({
        "description": description, "headers": common_headers(), "content": content,
    });
    if route == Route::PostUpload {
        let minutes = LINK_SECONDS / 60;
        let links = json!({
            "put": {
                "operationId": "putContent",
                "parameters": { "upload_id": "$response.body#/upload_id" },
                "description": format!("Send the file to `url` as it stands, within {minutes} minutes."),
            },
            "get": {
                "operationId": "getUpload",
                "parameters": { "upload_id": "$response.body#/upload_id" },
            },
        });
        if let Some(described) = described.as_object_mut() {
            described.insert("links".to_owned(), links);
        }
    }
    (status, described)
}

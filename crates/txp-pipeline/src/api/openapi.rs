//! The OpenAPI 3.1 description of the API, made from the types that it answers with.
//!
//! Exact on purpose: whatever it calls valid is accepted, whatever it does not is refused, and every
//! status that a route can answer with stands there. A fuzzer holds the server to it.

mod operation;
mod schema;

use super::Route;
use crate::document::ProblemKind;
use operation::operation;
use schema::Schemas;
use serde_json::{Map, Value, json};

const DESCRIPTION: &str = "Send files of card transactions, ask what became of them. \
    Ask for a link with POST /upload, PUT the file there, poll GET /uploads/{upload_id}. \
    Errors are problem documents (RFC 9457). No answer ever holds a full card number: \
    stretches of 12 or more digits in text that is echoed read `[redacted n digits]`. \
    A client sees its own uploads and its own merchants' transactions; anything else is 404. \
    Sending POST /upload again with the same header `Idempotency-Key` (1 to 255 visible ASCII \
    characters, remembered for 24 hours) and the same body gives the same link again; with \
    another body it is refused with 422.";

/// The description, as it is served at /openapi.json.
#[must_use]
pub fn openapi() -> Value {
    let mut schemas = Schemas::new();
    let mut paths: Map<String, Value> = Map::new();
    for route in Route::ALL {
        let method = route.method().to_ascii_lowercase();
        let described = operation(route, &mut schemas);
        if let Some(item) = paths
            .entry(route.path())
            .or_insert_with(|| json!({}))
            .as_object_mut()
        {
            item.insert(method, described);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "transaction-processor",
            "version": "1",
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas.finish(),
            "securitySchemes": {
                "key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": super::KEY_HEADER,
                    "description": "`{key_id}.{secret}`, as `txp clients add` printed it; on AWS, the value of the gateway's API key",
                },
            },
        },
        "x-problems": problems(),
    })
}

/// The catalogue: type, status, title and hint of every problem.
fn problems() -> Value {
    let describe = |kind: &ProblemKind| {
        json!({
            "type": format!("{}{}", crate::document::PROBLEM_TYPE_PREFIX, kind.name()),
            "status": kind.status(),
            "title": kind.title(),
            "hint": kind.hint(),
        })
    };
    ProblemKind::ALL.iter().map(describe).collect()
}

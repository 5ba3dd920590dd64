//! The JSON Schemas of the events, generated from the types.
//!
//! `dataschema` names the schema of `data` alone, as CloudEvents has it. The envelope has a schema of
//! its own, which refers to these by `dataschema`: validating against it validates all of an event.

use super::{
    AnomalyFlagged, AnomalyShadowed, EventType, RejectedData, RulesetActivated, RulesetShadowed,
    SPEC_VERSION, TransactionData, UploadFailed, UploadParsed, UploadReceived,
};
use crate::time::Timestamp;
use crate::trace::TraceParent;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema, schema_for};
use serde_json::{Value, json};

/// Where the envelope's schema lies.
pub const ENVELOPE_SCHEMA: &str = "schemas/cloudevent.json";

/// The schema of the newest version of a type's data.
#[must_use]
pub fn data_schema(event_type: EventType) -> Schema {
    let mut schema = match event_type {
        EventType::UploadReceived => schema_for!(UploadReceived),
        EventType::UploadParsed => schema_for!(UploadParsed),
        EventType::UploadFailed => schema_for!(UploadFailed),
        EventType::TransactionAccepted => transaction_schema(&["sale", "refund"], None),
        EventType::TransactionDisputed => {
            transaction_schema(&["chargeback"], Some("original_transaction_id"))
        }
        EventType::RowRejected => schema_for!(RejectedData<'static>),
        EventType::AnomalyFlagged => schema_for!(AnomalyFlagged),
        EventType::AnomalyShadowed => schema_for!(AnomalyShadowed),
        EventType::RulesetActivated => schema_for!(RulesetActivated),
        EventType::RulesetShadowed => schema_for!(RulesetShadowed),
    };
    schema.insert("$id".to_owned(), event_type.data_schema().into());
    schema.insert("title".to_owned(), event_type.name().into());
    schema
}

/// The schema of a valid row's data: the event's type says which types of transaction it can be.
fn transaction_schema(kinds: &[&str], also_required: Option<&str>) -> Schema {
    let mut schema = schema_for!(TransactionData<'static>);
    if let Some(kind) = schema.pointer_mut("/properties/type") {
        *kind = json!({ "description": "What the row tells of.", "type": "string", "enum": kinds });
    }
    if let Some(Value::Object(definitions)) = schema.pointer_mut("/$defs") {
        definitions.remove("TransactionType");
    }
    if let Some(Value::Array(required)) = schema.pointer_mut("/required") {
        required.extend(also_required.map(Value::from));
    }
    schema
}

/// The schema of a whole event: the CloudEvents attributes, and `data` by `dataschema`.
#[must_use]
pub fn envelope_schema() -> Schema {
    let types = EventType::ALL.map(EventType::name);
    let data = EventType::ALL.map(|t| {
        json!({
            "if": { "properties": { "dataschema": { "const": t.data_schema() } } },
            "then": { "properties": {
                "type": { "const": t.name() },
                "data": { "$ref": format!("{}/{}.json", t.name(), t.version()) },
            } },
        })
    });
    json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ENVELOPE_SCHEMA,
        "title": "event",
        "description": "An event of the history, in CloudEvents 1.0 JSON. Exports have `position` and `arrival` beside the attributes.",
        "type": "object",
        "properties": {
            "specversion": { "const": SPEC_VERSION },
            "id": { "description": "The same however often the event is made.", "type": "string", "minLength": 1 },
            "source": { "description": "What made the event.", "type": "string", "pattern": "^/(uploads|rules)/" },
            "type": { "type": "string", "enum": types.as_slice() },
            "subject": { "description": "What the event is about.", "type": "string", "minLength": 1 },
            "time": Timestamp::json_schema(&mut SchemaGenerator::default()),
            "dataschema": { "type": "string", "pattern": "^schemas/[a-z.]+/[1-9][0-9]*\\.json$" },
            "traceparent": {
                "description": "The trace of the request that an upload began with, on the upload's own events (W3C Trace Context, CloudEvents' extension for distributed tracing).",
                "type": "string",
                "pattern": TraceParent::PATTERN,
            },
            "data": { "type": "object" },
        },
        "required": ["specversion", "id", "source", "type", "subject", "time", "dataschema", "data"],
        "allOf": data.as_slice(),
    })
}

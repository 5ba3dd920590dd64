//! Schemas: of answers from their types, of requests as they are checked.

use super::super::request::FILENAME_CHARS_MAX;
use super::super::{Page, UPLOAD_BYTES_MAX};
use crate::csv::header::column_name;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};
use txp_domain::id::{IDENTIFIER_BYTES_MAX, UPLOAD_ID_LETTERS};
use txp_domain::money::Currency;
use txp_domain::row::Column;

const DEFINITIONS: &str = "/components/schemas";
const UPLOAD_REQUEST: &str = "UploadRequest";

/// The schemas that operations refer to.
pub(super) struct Schemas(SchemaGenerator);

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = SchemaSettings::draft2020_12()
            .for_serialize()
            .with(|settings| settings.definitions_path = DEFINITIONS.into());
        Self(settings.into_generator())
    }

    /// The schema of a type, by reference.
    pub(super) fn of<T: JsonSchema>(&mut self) -> Schema {
        self.0.subschema_for::<T>()
    }

    pub(super) fn finish(mut self) -> Map<String, Value> {
        let mut definitions = self.0.take_definitions(true);
        definitions.insert(UPLOAD_REQUEST.to_owned(), upload_request());
        definitions
    }
}

/// The schema of POST /upload's body, by reference.
pub(super) fn upload_request_reference() -> Value {
    json!({ "$ref": format!("#{DEFINITIONS}/{UPLOAD_REQUEST}") })
}

fn upload_request() -> Value {
    let currencies: Vec<_> = Currency::all().map(Currency::code).collect();
    let zones: Vec<_> = chrono_tz::TZ_VARIANTS
        .iter()
        .map(|zone| zone.name())
        .collect();
    let columns = Column::ALL.map(Column::name);
    json!({
        "type": "object",
        "description": "What is known of the file before it is sent; all of it is optional.",
        "additionalProperties": false,
        "properties": {
            "filename": { "type": "string", "minLength": 1, "maxLength": FILENAME_CHARS_MAX },
            "content_length": {
                "type": "integer", "minimum": 0, "maximum": UPLOAD_BYTES_MAX,
                "description": "The link takes exactly so many bytes.",
            },
            "sha256": {
                "type": "string", "pattern": "^[0-9a-fA-F]{64}$",
                "description": "The link takes this content only.",
            },
            "strict": { "type": "boolean", "description": "One bad row refuses the whole file." },
            "dry_run": { "type": "boolean", "description": "Validate only." },
            "defaults": {
                "type": "object",
                "additionalProperties": false,
                "description": "What a row means that does not say; before the client's own defaults.",
                "properties": {
                    "currency": { "type": "string", "enum": currencies },
                    "time_zone": {
                        "description": "Z, an offset, or a name of the IANA database.",
                        "anyOf": [
                            { "type": "string", "pattern": "^([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$" },
                            { "type": "string", "enum": zones },
                        ],
                    },
                },
            },
            "columns": {
                "type": "object",
                "description": "Your column name to ours. Two names for one column, or one name twice when case is ignored, are refused, as is a name that could hold a card number.",
                "propertyNames": {
                    "minLength": 1, "maxLength": column_name::CHARS_MAX,
                    "pattern": column_name::pattern(),
                },
                "additionalProperties": { "type": "string", "enum": columns },
            },
        },
        "examples": [{
            "filename": "sales.csv", "content_length": 48_213, "strict": false,
            "defaults": { "currency": "EUR", "time_zone": "Europe/Berlin" },
            "columns": { "Betrag": "amount" },
        }],
    })
}

pub(super) fn upload_id() -> Value {
    json!({ "type": "string", "pattern": format!("^[bcdfghjklmnpqrst]{{{UPLOAD_ID_LETTERS}}}$") })
}

pub(super) fn identifier() -> Value {
    let rest = IDENTIFIER_BYTES_MAX - 1;
    json!({ "type": "string", "pattern": format!("^[A-Za-z0-9][A-Za-z0-9_.:-]{{0,{rest}}}$") })
}

pub(super) fn limit() -> Value {
    json!({
        "type": "integer", "minimum": 1, "maximum": Page::LIMIT_MAX, "default": Page::LIMIT_DEFAULT,
    })
}

pub(super) fn letters() -> Value {
    json!({ "type": "string", "pattern": "^[bcdfghjklmnpqrst]{64}$" })
}

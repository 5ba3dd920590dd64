//! The table of every schema in `schemas/`, and of the pages that are made from the types, printed as
//! one JSON object: path to schema or text.
//!
//! `cargo xtask schema` runs it. An example of xtask and not a part of it, because it depends on
//! the product. A new schema is a line in [`SCHEMAS`]; those of the events' data come from the
//! events' types.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use serde_json::{Map, Value};
use txp_domain::event::EventType;
use txp_domain::event::schema::{ENVELOPE_SCHEMA, data_schema, envelope_schema};
use txp_pipeline::{api, generate, rulefile, telemetry};

/// Where a schema lies and what makes it.
type Entry = (&'static str, fn() -> Value);

const SCHEMAS: &[Entry] = &[
    (ENVELOPE_SCHEMA, || envelope_schema().into()),
    ("schemas/generated-counts.json", of::<generate::Expected>),
    (telemetry::DOCUMENT_PATH, telemetry::document),
    (telemetry::TABLE_PATH, || telemetry::table().into()),
    ("schemas/openapi.json", api::openapi),
    ("schemas/rules.json", || rulefile::json_schema().into()),
];

fn of<T: schemars::JsonSchema>() -> Value {
    schemars::schema_for!(T).into()
}

fn main() {
    let data = EventType::ALL.map(|t| (t.data_schema(), data_schema(t).into()));
    let others = SCHEMAS
        .iter()
        .map(|(path, schema)| ((*path).to_owned(), schema()));
    let table: Map<String, Value> = data.into_iter().chain(others).collect();
    println!("{}", Value::Object(table));
}

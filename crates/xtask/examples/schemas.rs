//! The table of every schema in `schemas/`, printed as one JSON object: path to schema.
//!
//! `cargo xtask schema` runs it. An example of xtask and not a part of it, because it depends on
//! the product. A new schema is a line in [`SCHEMAS`].
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use serde_json::{Map, Value};
use txp_pipeline::{api, generate};

/// Where a schema lies and what makes it.
type Entry = (&'static str, fn() -> Value);

const SCHEMAS: &[Entry] = &[
    ("schemas/generated-counts.json", of::<generate::Expected>),
    ("schemas/openapi.json", api::openapi),
];

fn of<T: schemars::JsonSchema>() -> Value {
    schemars::schema_for!(T).into()
}

fn main() {
    let table: Map<String, Value> = SCHEMAS
        .iter()
        .map(|(path, schema)| ((*path).to_owned(), schema()))
        .collect();
    println!("{}", Value::Object(table));
}

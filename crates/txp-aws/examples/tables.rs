//! Prints the tables as JSON, for whoever creates them and does not speak Rust: the deployment and
//! the test of the whole. What a table is, `txp_aws::dynamodb::tables` alone says.

use serde_json::{Value, json};
use std::io::Write as _;
use txp_aws::dynamodb::tables::{self, Index, Key, Table};

fn key(key: &Key) -> Value {
    json!({"name": key.name, "type": if key.is_number { "N" } else { "S" }})
}

fn index(index: &Index) -> Value {
    json!({
        "name": index.name,
        "hash": key(&index.hash),
        "range": key(&index.range),
        "projection": if index.has_all { "ALL" } else { "KEYS_ONLY" },
    })
}

fn table(table: &Table) -> Value {
    json!({
        "base": table.base,
        "variable": table.variable,
        "hash": key(&table.hash),
        "range": table.range.as_ref().map(key),
        "indexes": table.indexes.iter().map(index).collect::<Vec<_>>(),
        "has_stream": table.has_stream,
    })
}

fn main() -> std::io::Result<()> {
    let all: Vec<Value> = tables::ALL.iter().map(table).collect();
    writeln!(std::io::stdout(), "{}", json!(all))
}

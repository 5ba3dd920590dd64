//! What is given to others, held to their tools: the API over HTTP to its own OpenAPI description by
//! schemathesis, exports and SQL views to duckdb, pandas and pyarrow; and the script that measures a
//! deployment, tried on a few rows.

use super::python;
use crate::process::{program, target, tee, txp};
use crate::tally::Tally;
use anyhow::{Context, Result};

/// Each is given the program and a folder to work in, and tells what passed.
const SCRIPTS: [(&str, &str); 3] = [
    ("api", python::API),
    ("load", python::API),
    ("analysts", python::ANALYSTS),
];

pub(super) fn run() -> Result<Tally> {
    let txp = txp()?;
    let mut total = Tally::default();
    for (name, requirements) in SCRIPTS {
        let python = python::interpreter(requirements)?;
        let script = format!("tests/python/{name}.py");
        let mut command = program(&python)?;
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.arg(&script).arg(&txp).arg(target()?.join(name));
        let (success, output) = tee(&mut command)?;
        let tally = Tally::last_in(&output).with_context(|| format!("{script} told no result"))?;
        total += tally.with_exit(success);
    }
    Ok(total)
}

//! A small reader of CSV for the data sets, of our own so that it is not the product's.

use anyhow::{Context, Result};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// Records by column name.
pub(super) type Record = HashMap<String, String>;

/// Every record of a file with a header.
pub(super) fn read(path: &Path) -> Result<Vec<Record>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut records = records(&text).into_iter();
    let header = records.next().context("the file is empty")?;
    Ok(records
        .map(|record| header.iter().cloned().zip(record).collect())
        .collect())
}

/// Fields of every record: commas, double quotes, LF or CRLF (RFC 4180). Blank lines are left out.
pub(super) fn records(text: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\r' if !quoted && characters.peek() == Some(&'\n') => {}
            '\n' if !quoted => end(&mut records, &mut record, &mut field),
            other => field.push(other),
        }
    }
    end(&mut records, &mut record, &mut field);
    records
}

fn end(records: &mut Vec<Vec<String>>, record: &mut Vec<String>, field: &mut String) {
    if !record.is_empty() || !field.is_empty() {
        record.push(std::mem::take(field));
        records.push(std::mem::take(record));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_line_ends() {
        let records = records("a,b\r\n\"x, \"\"y\"\"\n\",2\n\n,");
        assert_eq!(
            records,
            [vec!["a", "b"], vec!["x, \"y\"\n", "2"], vec!["", ""]]
        );
    }
}

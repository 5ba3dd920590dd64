//! The first rows of a rejects report, for the upload's document.
//!
//! The report is our own CSV: no line ends inside fields, codes and reasons at the end.

use crate::rejects::OWN_COLUMNS;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Read};

/// How many rejected rows an upload's document shows.
pub const FIRST_ERRORS_MAX: usize = 10;

/// The longest line of a report that is looked at. A longer one is cut, and shows what is left.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// One rejected row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RowErrors {
    /// The physical line in the file.
    pub line: u64,
    /// The record's number, 1 being the first after the header.
    pub row: u64,
    /// What is wrong, by code.
    pub codes: Vec<String>,
    /// What is wrong and what to do about it, in words.
    pub reasons: String,
}

/// Reads the first rows of a rejects report.
///
/// # Errors
/// It cannot be read.
pub fn first_errors(mut report: impl BufRead) -> io::Result<Vec<RowErrors>> {
    let mut found = Vec::new();
    let mut line = Vec::new();
    let mut is_header = true;
    while found.len() < FIRST_ERRORS_MAX {
        line.clear();
        let read = report
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        if !std::mem::replace(&mut is_header, false) {
            found.extend(row_errors(&String::from_utf8_lossy(&line)));
        }
    }
    Ok(found)
}

fn row_errors(line: &str) -> Option<RowErrors> {
    let fields = fields(line.trim_end_matches(['\n', '\r']));
    let own = fields.get(fields.len().checked_sub(OWN_COLUMNS.len())?..)?;
    let [line, row, codes, reasons] = own else {
        return None;
    };
    Some(RowErrors {
        line: line.parse().ok()?,
        row: row.parse().ok()?,
        codes: codes.split(' ').map(str::to_owned).collect(),
        reasons: reasons.clone(),
    })
}

/// The fields of one line of CSV.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut is_quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        let Some(field) = fields.last_mut() else {
            break;
        };
        match c {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(String::new()),
            _ => field.push(c),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_from_the_end_of_each_line() {
        let report = "transaction_id,amount,reject_line,reject_record,reject_codes,reject_reasons\n\
            \"a,\"\"b\"\"\",1e5,7,6,amount_exponent,\"amount: it has, an exponent\"\n\
            x,,8,7,\"value_missing amount_format\",r\n";
        let errors = first_errors(report.as_bytes()).unwrap();
        assert_eq!(errors.len(), 2);
        assert_eq!((errors[0].line, errors[0].row), (7, 6));
        assert_eq!(errors[0].reasons, "amount: it has, an exponent");
        assert_eq!(errors[1].codes, ["value_missing", "amount_format"]);
    }

    #[test]
    fn ten_rows_are_shown_and_odd_lines_are_passed_over() {
        let mut report = "reject_line,reject_record,reject_codes,reject_reasons\nodd\n".to_owned();
        for row in 1..=20 {
            report.push_str(&format!("{row},{row},c,r\n"));
        }
        assert_eq!(
            first_errors(report.as_bytes()).unwrap().len(),
            FIRST_ERRORS_MAX
        );
        assert_eq!(first_errors(&b""[..]).unwrap(), []);
    }
}

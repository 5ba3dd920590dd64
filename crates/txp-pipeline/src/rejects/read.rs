//! Reading a report again: which records it names, and why they were rejected.

use super::OWN_COLUMNS;
use std::io::Read;

/// Why a report cannot be read. What it holds is not told.
#[derive(Debug, thiserror::Error)]
pub enum DamagedReport {
    /// It cannot be read, or is no CSV.
    #[error("the report of rejected rows cannot be read")]
    Unreadable(#[source] csv::Error),
    /// It has not the columns that a report has.
    #[error("the report of rejected rows has no column {0}")]
    NoColumn(&'static str),
    /// It names no record where it should.
    #[error("the report of rejected rows names no record in its line {0}")]
    NoRecord(u64),
}

/// Tells of each record of a report its number in the file and the codes that it was rejected for, in
/// the order of the file.
///
/// # Errors
/// It cannot be read, or is none.
pub fn read_rejects<R: Read>(
    report: R,
    mut each: impl FnMut(u64, Vec<String>),
) -> Result<(), DamagedReport> {
    let mut reader = csv::Reader::from_reader(report);
    let header = reader.byte_headers().map_err(DamagedReport::Unreadable)?;
    // The file's own columns come first, and none of them is called so.
    let place = |name: &'static str| {
        let mut names = header.iter();
        let found = names.position(|column| column == name.as_bytes());
        found.ok_or(DamagedReport::NoColumn(name))
    };
    let [_, record, codes, _] = OWN_COLUMNS;
    let (record, codes) = (place(record)?, place(codes)?);
    let mut row = csv::ByteRecord::new();
    while reader
        .read_byte_record(&mut row)
        .map_err(DamagedReport::Unreadable)?
    {
        let line = row.position().map_or(0, csv::Position::line);
        let text = |column| row.get(column).and_then(|cell| str::from_utf8(cell).ok());
        let number = text(record).and_then(|digits| digits.parse().ok());
        let number = number.ok_or(DamagedReport::NoRecord(line))?;
        let codes = text(codes).unwrap_or_default().split(' ');
        let codes = codes.filter(|code| !code.is_empty()).map(str::to_owned);
        each(number, codes.collect());
    }
    Ok(())
}

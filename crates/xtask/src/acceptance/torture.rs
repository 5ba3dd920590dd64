//! CSV files of other projects: none has our columns, so each fails with one clear reason; with
//! columns mapped by hand the records are those that an independent reader counted.

use super::Problems;
use super::host::{Host, count, text};
use super::table;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The columns that a file must have.
const REQUIRED: [&str; 4] = ["transaction_id", "amount", "merchant_id", "card_number"];

/// The most columns that a file may have (design, limits).
const COLUMNS_MAX: usize = 256;

/// Fewer mapped files than this mean that the check lost its footing.
const MAPPED_MIN: usize = 8;

/// The CSV files of the manifest, each with what CPython's reader said.
fn files(data: &Path) -> Result<Vec<(PathBuf, String)>> {
    let folder = data.join("csv-torture");
    let manifest = table::read(&folder.join("manifest.csv"))?;
    Ok(manifest
        .into_iter()
        .filter_map(|mut record| {
            let file = record.remove("file")?;
            let reading = record.remove("python_csv")?;
            (!file.ends_with(".json")).then(|| (folder.join(file), reading))
        })
        .collect())
}

pub(super) fn header_faults(data: &Path, host: &mut Host, problems: &mut Problems) -> Result<()> {
    for (file, _) in files(data)? {
        let name = file.display().to_string();
        match host.process(&file, &[], problems) {
            Ok(report) => {
                problems.equal(&format!("{name}: state"), text(&report, "state"), "failed");
                problems.equal(&format!("{name}: accepted"), count(&report, "accepted"), 0);
            }
            Err(error) => problems.add(format!("{name}: {error:#}")),
        }
    }
    Ok(())
}

/// Records and fields, where all records have as many.
fn records_of(reading: &str) -> Option<(u64, usize)> {
    let (records, fields) = reading.split_once(" records, fields ")?;
    Some((records.parse().ok()?, fields.parse().ok()?))
}

pub(super) fn records(data: &Path, host: &mut Host, problems: &mut Problems) -> Result<()> {
    let mut mapped = 0;
    for (file, reading) in files(data)? {
        let Some((read, fields)) = records_of(&reading) else {
            continue;
        };
        let Some(columns) = mapping(&file)? else {
            continue;
        };
        mapped += 1;
        let report = host.process(&file, &columns, problems)?;
        let name = file.display();
        if fields > COLUMNS_MAX {
            problems.equal(
                &format!("{name}: state of a file with {fields} columns"),
                text(&report, "state"),
                "failed",
            );
        } else {
            problems.equal(
                &format!("{name}: state"),
                text(&report, "state"),
                "completed",
            );
            // Their count has the header in it.
            problems.equal(&format!("{name}: rows"), count(&report, "rows"), read - 1);
        }
    }
    if mapped < MAPPED_MIN {
        problems.add(format!(
            "only {mapped} files could be mapped: at least {MAPPED_MIN} were expected"
        ));
    }
    Ok(())
}

/// `--column THEIRS=OURS` for the first four columns that have a name of their own; `None` for a
/// file with fewer, or one that is not UTF-8.
fn mapping(file: &Path) -> Result<Option<Vec<String>>> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let Ok(text) = String::from_utf8(bytes) else {
        return Ok(None);
    };
    let Some(header) = header_of(&text) else {
        return Ok(None);
    };
    let unique = |name: &&String| {
        let same = |other: &&String| other.trim().eq_ignore_ascii_case(name.trim());
        !name.trim().is_empty() && !name.contains('=') && header.iter().filter(same).count() == 1
    };
    let names: Vec<&String> = header.iter().filter(unique).take(REQUIRED.len()).collect();
    if names.len() < REQUIRED.len() {
        return Ok(None);
    }
    let pairs = names.into_iter().zip(REQUIRED);
    Ok(Some(
        pairs
            .flat_map(|(theirs, ours)| ["--column".to_owned(), format!("{}={ours}", theirs.trim())])
            .collect(),
    ))
}

fn header_of(text: &str) -> Option<Vec<String>> {
    let text = text.trim_start_matches('\u{feff}');
    // Lines that end with CR alone are lines.
    let text = if text.contains('\n') {
        text.to_owned()
    } else {
        text.replace('\r', "\n")
    };
    table::records(&text).into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_of_even_records_is_used() {
        assert_eq!(records_of("11 records, fields 4"), Some((11, 4)));
        assert_eq!(records_of("3 records, fields 2/3"), None);
        assert_eq!(records_of("not UTF-8"), None);
    }
}

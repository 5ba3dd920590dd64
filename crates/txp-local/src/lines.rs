//! Files of lines that are appended and synced: alert table, outbox, quarantine.

use crate::durable::sync_parent;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// How far back the end of the last whole line is looked for at a time.
const STEP_BYTES: usize = 4096;

/// Opens such a file, or starts one whose name is durable. What a crash left of a last line is cut
/// off: whatever is appended next must not become a part of it.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let is_new = !path.exists();
    let mut file = OpenOptions::new()
        .create(true)
        .read(true)
        .append(true)
        .open(path)?;
    if is_new {
        sync_parent(path)?;
    }
    let bytes = file.metadata()?.len();
    let whole = whole_bytes(&mut file, bytes)?;
    if whole < bytes {
        file.set_len(whole)?;
        file.sync_data()?;
    }
    Ok(file)
}

/// Where the last whole line ends.
fn whole_bytes(file: &mut File, bytes: u64) -> io::Result<u64> {
    let mut end = bytes;
    let mut step = [0; STEP_BYTES];
    while end > 0 {
        let start = end.saturating_sub(STEP_BYTES as u64);
        let length = usize::try_from(end - start).unwrap_or(STEP_BYTES);
        let read = step.get_mut(..length).unwrap_or_default();
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(read)?;
        if let Some(at) = read.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_torn_last_line_is_cut_off_and_whole_ones_stay() {
        let long = "x".repeat(3 * STEP_BYTES);
        for (before, kept) in [
            ("", ""),
            ("a\nb\n", "a\nb\n"),
            ("a\nb", "a\n"),
            ("torn", ""),
            (&format!("a\n{long}"), "a\n"),
            (&long, ""),
            (&format!("{long}\n"), &format!("{long}\n")),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("lines.jsonl");
            std::fs::write(&path, before).unwrap();
            let mut file = open(&path).unwrap();
            file.write_all(b"next\n").unwrap();
            let found = std::fs::read_to_string(&path).unwrap();
            assert_eq!(found, format!("{kept}next\n"), "after {before:.20}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_started() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines.jsonl");
        open(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }
}

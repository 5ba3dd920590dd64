//! `--rejects OUT.csv`: the rejected rows of all files of a run, where someone can fix them.
//!
//! The reports in the data directory stay as they are; this is a copy, made for sending again. So
//! that it can be, a file holds rows of one set of columns: other columns start another file.

use anyhow::Context as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use txp_pipeline::rejects::OWN_COLUMNS;

/// The longest header of a report that is compared; records have 64 KiB at most.
const HEADER_BYTES_MAX: u64 = 1 << 20;

/// The files that are written.
pub(super) struct RejectsOut {
    path: PathBuf,
    parts: Vec<Part>,
}

struct Part {
    header: Vec<u8>,
    path: PathBuf,
}

impl RejectsOut {
    /// Starts the first file, with a header and no row: what an older run left there is gone.
    pub(super) fn start(path: &Path) -> anyhow::Result<Self> {
        let header = format!("{}\n", OWN_COLUMNS.join(","));
        std::fs::write(path, header)
            .with_context(|| format!("writing the rejected rows to {}", path.display()))?;
        Ok(Self {
            path: path.to_path_buf(),
            parts: Vec::new(),
        })
    }

    /// Adds a report; gives the file that it went to.
    pub(super) fn add(&mut self, report: &Path) -> anyhow::Result<PathBuf> {
        let reading = || format!("reading the rejected rows in {}", report.display());
        let file = File::open(report).with_context(reading)?;
        let mut from = BufReader::new(file);
        let mut header = Vec::new();
        io::Read::take(&mut from, HEADER_BYTES_MAX)
            .read_until(b'\n', &mut header)
            .with_context(reading)?;
        let known = self.parts.iter().find(|part| part.header == header);
        let (path, is_new) = match known {
            Some(part) => (part.path.clone(), false),
            None => (self.next_path(), true),
        };
        copy(from, &path, is_new)
            .with_context(|| format!("writing the rejected rows to {}", path.display()))?;
        if is_new {
            self.parts.push(Part {
                header,
                path: path.clone(),
            });
        }
        Ok(path)
    }

    fn next_path(&self) -> PathBuf {
        let number = self.parts.len() + 1;
        if number == 1 {
            return self.path.clone();
        }
        let mut name = self.path.file_stem().unwrap_or_default().to_owned();
        name.push(format!("-{number}"));
        if let Some(extension) = self.path.extension() {
            name.push(".");
            name.push(extension);
        }
        self.path.with_file_name(name)
    }
}

/// Copies a report of which the header was read: whole into a new file, its rows behind others.
fn copy(mut from: BufReader<File>, path: &Path, is_new: bool) -> io::Result<()> {
    let mut to = if is_new {
        from.seek(SeekFrom::Start(0))?;
        File::create(path)?
    } else {
        File::options().append(true).open(path)?
    };
    io::copy(&mut from, &mut to)?;
    Ok(())
}

//! `--rejects OUT.csv`: the rejected rows of all files of a run, where someone can fix them.
//!
//! The reports in the data directory stay as they are; this is a copy, made for sending again. So
//! that it can be, a file holds rows of one set of columns: other columns start another file.
//!
//! OUT is often a mended report of before, so nothing there is touched before the run is over: rows
//! are gathered in a file beside it, which takes its name at the end.

use crate::command::Refusal;
use crate::output;
use anyhow::Context as _;
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use txp_pipeline::rejects::OWN_COLUMNS;

/// The longest header of a report that is compared; records have 64 KiB at most.
const HEADER_BYTES_MAX: u64 = 1 << 20;

/// What a new file may be used for, before the user's mask.
const NEW_FILE_MODE: u32 = 0o666;

/// The files that are written.
pub(super) struct RejectsOut {
    path: PathBuf,
    parts: Vec<Part>,
}

struct Part {
    header: Vec<u8>,
    path: PathBuf,
    /// The same, links followed: what a link leads to is replaced, not the link.
    target: PathBuf,
    file: NamedTempFile,
    has_rows: bool,
}

impl RejectsOut {
    /// Starts the first file, with a header and no row, beside its place.
    pub(super) fn start(path: &Path, inputs: &[PathBuf]) -> anyhow::Result<Self> {
        // A file of rejected rows is begun for each of the inputs at most.
        for number in 1..=inputs.len() {
            check_place(&numbered(path, number), inputs)?;
        }
        let header = format!("{}\n", OWN_COLUMNS.join(",")).into_bytes();
        let first = Part::start(path.to_path_buf(), header).with_context(writing(path))?;
        Ok(Self {
            path: path.to_path_buf(),
            parts: vec![first],
        })
    }

    /// Adds a report; gives the file that it goes to.
    pub(super) fn add(&mut self, report: &Path) -> anyhow::Result<PathBuf> {
        let reading = || format!("reading the rejected rows in {}", output::path(report));
        let file = File::open(report).with_context(reading)?;
        let mut from = BufReader::new(file);
        let mut header = Vec::new();
        io::Read::take(&mut from, HEADER_BYTES_MAX)
            .read_until(b'\n', &mut header)
            .with_context(reading)?;
        let part = self.part(header)?;
        part.copy(from).with_context(writing(&part.path))?;
        Ok(part.path.clone())
    }

    /// The part of a header: the one that has it, the first if no row is in it, or a new one.
    fn part(&mut self, header: Vec<u8>) -> anyhow::Result<&mut Part> {
        let next = numbered(&self.path, self.parts.len() + 1);
        let is_fit = |part: &Part| part.header == header || !part.has_rows;
        let at = match self.parts.iter().position(is_fit) {
            Some(at) => at,
            None => {
                let part =
                    Part::start(next.clone(), header.clone()).with_context(writing(&next))?;
                self.parts.push(part);
                self.parts.len() - 1
            }
        };
        let part = self.parts.get_mut(at).context("a part of the rejects")?;
        if part.header != header {
            part.begin(header).with_context(writing(&part.path))?;
        }
        Ok(part)
    }

    /// Gives the files their names: what an older run left there is gone now.
    pub(super) fn keep(self) -> anyhow::Result<()> {
        for part in self.parts {
            part.file
                .as_file()
                .sync_all()
                .with_context(writing(&part.path))?;
            part.file
                .persist(&part.target)
                .with_context(writing(&part.path))?;
        }
        Ok(())
    }
}

impl Part {
    fn start(path: PathBuf, header: Vec<u8>) -> io::Result<Self> {
        let target = path.canonicalize().unwrap_or_else(|_| path.clone());
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new()
            .prefix(".rejects-")
            .suffix(".part")
            .permissions(Permissions::from_mode(NEW_FILE_MODE))
            .tempfile_in(folder)?;
        let mut part = Self {
            header: Vec::new(),
            path,
            target,
            file,
            has_rows: false,
        };
        part.begin(header)?;
        Ok(part)
    }

    /// Starts anew with a header.
    fn begin(&mut self, header: Vec<u8>) -> io::Result<()> {
        let file = self.file.as_file_mut();
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(&header)?;
        self.header = header;
        Ok(())
    }

    /// Adds the rows of a report of which the header was read: all of them or none.
    fn copy(&mut self, mut from: BufReader<File>) -> io::Result<()> {
        let file = self.file.as_file_mut();
        let before = file.stream_position()?;
        let copied = io::copy(&mut from, file);
        if copied.is_err() {
            file.set_len(before)?;
            file.seek(SeekFrom::Start(before))?;
        }
        self.has_rows |= copied? > 0;
        Ok(())
    }
}

/// Refuses a place that must not be written over: one of the files to be read, or no plain file.
fn check_place(path: &Path, inputs: &[PathBuf]) -> anyhow::Result<()> {
    let Ok(out) = fs::metadata(path) else {
        return Ok(());
    };
    if !out.is_file() {
        return Err(Refusal::wrong_use(format!(
            "--rejects: {} is there and is no plain file; name a file to be written",
            output::path(path)
        )));
    }
    let is_same = |input: &Metadata| (input.dev(), input.ino()) == (out.dev(), out.ino());
    let input = inputs
        .iter()
        .find(|input| fs::metadata(input).is_ok_and(|input| is_same(&input)));
    match input {
        None => Ok(()),
        Some(input) => Err(Refusal::wrong_use(format!(
            "--rejects: {} is the file {} that is to be read; name another one",
            output::path(path),
            output::path(input)
        ))),
    }
}

/// The name of the file of that number: OUT.csv, OUT-2.csv and so on.
fn numbered(path: &Path, number: usize) -> PathBuf {
    if number == 1 {
        return path.to_path_buf();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

fn writing(path: &Path) -> impl FnOnce() -> String + '_ {
    move || format!("writing the rejected rows to {}", output::path(path))
}

//! The report of rejected rows, a file that is written beside its place and moved there once it is
//! whole and durable.
//!
//! Deliberately absent: going on with the report of an earlier try. The file is read again from its
//! start, and its report is written again.

use super::{HostError, REJECTS_DIR};
use crate::durable::sync_parent;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use txp_domain::id::UploadId;
use txp_pipeline::port::{ErrorKind, PortError, ReportSink};

/// Reports are written through a buffer of this size.
const BUFFER_BYTES: usize = 256 * 1024;

/// The report of one upload.
#[derive(Debug)]
pub struct RejectsFile {
    file: BufWriter<File>,
    part: PathBuf,
    path: PathBuf,
}

impl RejectsFile {
    /// Begins the report of an upload in a data directory.
    ///
    /// # Errors
    /// It cannot be written there.
    pub fn create(dir: &Path, id: UploadId) -> Result<Self, HostError> {
        make_rejects_dir(dir)?;
        let path = path_of(dir, id);
        let part = path.with_extension("csv.part");
        let file =
            File::create(&part).map_err(HostError::io("writing the rejects report", &part))?;
        Ok(Self {
            file: BufWriter::with_capacity(BUFFER_BYTES, file),
            part,
            path,
        })
    }

    fn failed(&self, error: io::Error) -> PortError {
        let context = format!(
            "keeping the rejects report as {} failed",
            self.path.display()
        );
        PortError::caused(ErrorKind::Permanent, context, error)
    }

    fn move_to_its_place(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        fs::rename(&self.part, &self.path)?;
        sync_parent(&self.path)
    }
}

impl Write for RejectsFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl ReportSink for RejectsFile {
    async fn take(&mut self, bytes: &mut Vec<u8>) -> Result<(), PortError> {
        let taken = self.file.write_all(bytes);
        bytes.clear();
        taken.map_err(|error| self.failed(error))
    }

    async fn publish(&mut self) -> Result<(), PortError> {
        self.move_to_its_place().map_err(|error| self.failed(error))
    }

    async fn discard(&mut self) -> Result<(), PortError> {
        fs::remove_file(&self.part).map_err(|error| self.failed(error))
    }
}

/// Where the report of an upload lies once it is published.
pub(super) fn path_of(dir: &Path, id: UploadId) -> PathBuf {
    dir.join(REJECTS_DIR).join(format!("{id}.csv"))
}

pub(super) fn make_rejects_dir(dir: &Path) -> Result<(), HostError> {
    let rejects = dir.join(REJECTS_DIR);
    fs::create_dir_all(&rejects).map_err(HostError::io("creating", &rejects))
}

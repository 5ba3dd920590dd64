//! Bodies on their way: `uploads/{upload_id}.part` while they come, `.csv` once they are whole and
//! durable, gone once they are processed. The only place on the host for raw card numbers.

use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use txp_domain::id::UploadId;

const DIR: &str = "uploads";
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const PART: &str = "part";
const WHOLE: &str = "csv";

/// The folder of bodies.
#[derive(Clone, Debug)]
pub(crate) struct Spool {
    folder: PathBuf,
}

/// What a body must be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) bytes: Option<u64>,
    pub(crate) sha256: Option<[u8; 32]>,
    pub(crate) bytes_max: u64,
}

/// A body that is whole and durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) bytes: u64,
    pub(crate) sha256: [u8; 32],
}

/// Why a body was not taken. Nothing of it is kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    #[error("the body is larger than allowed")]
    TooLarge,
    #[error("the body has another length than announced")]
    Length,
    #[error("the body has another SHA-256 than announced")]
    Digest,
    #[error("the body cannot be stored")]
    Io(#[from] io::Error),
}

impl Spool {
    /// Opens the folder, and deletes what never became whole.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        let folder = dir.join(DIR);
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(&folder)?;
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == PART) {
                fs::remove_file(&path)?;
            }
        }
        Ok(Self { folder })
    }

    /// Where an upload's whole body lies.
    pub(crate) fn path(&self, upload_id: UploadId) -> PathBuf {
        self.folder.join(format!("{upload_id}.{WHOLE}"))
    }

    /// The uploads whose whole body is there.
    pub(crate) fn whole(&self) -> io::Result<Vec<UploadId>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let is_whole = path.extension().is_some_and(|extension| extension == WHOLE);
            let name = path.file_stem().filter(|_| is_whole);
            found.extend(name.and_then(|name| UploadId::parse(name.as_encoded_bytes())));
        }
        Ok(found)
    }

    /// Deletes an upload's body.
    pub(crate) fn delete(&self, upload_id: UploadId) -> io::Result<()> {
        match fs::remove_file(self.path(upload_id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Starts taking a body.
    pub(crate) fn begin(&self, upload_id: UploadId, bound: Bound) -> io::Result<Incoming> {
        let whole = self.path(upload_id);
        let part = whole.with_extension(PART);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE)
            .open(&part)?;
        Ok(Incoming {
            file,
            part,
            whole,
            bound,
            bytes: 0,
            hash: Sha256::new(),
            is_kept: false,
        })
    }
}

/// A body on its way; deleted when it is dropped before it is kept.
pub(crate) struct Incoming {
    file: File,
    part: PathBuf,
    whole: PathBuf,
    bound: Bound,
    bytes: u64,
    hash: Sha256,
    is_kept: bool,
}

impl Incoming {
    pub(crate) fn write(&mut self, chunk: &[u8]) -> Result<(), SpoolError> {
        self.bytes += chunk.len() as u64;
        if self.bytes > self.bound.bytes_max {
            return Err(SpoolError::TooLarge);
        }
        if self.bound.bytes.is_some_and(|bytes| self.bytes > bytes) {
            return Err(SpoolError::Length);
        }
        self.file.write_all(chunk)?;
        self.hash.update(chunk);
        Ok(())
    }

    /// Makes the body durable, if it is what it must be.
    pub(crate) fn keep(mut self) -> Result<Received, SpoolError> {
        if self.bound.bytes.is_some_and(|bytes| self.bytes != bytes) {
            return Err(SpoolError::Length);
        }
        let sha256: [u8; 32] = std::mem::take(&mut self.hash).finalize().into();
        if self.bound.sha256.is_some_and(|wanted| wanted != sha256) {
            return Err(SpoolError::Digest);
        }
        self.file.sync_all()?;
        fs::rename(&self.part, &self.whole)?;
        self.is_kept = true;
        if let Some(folder) = self.whole.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(Received {
            bytes: self.bytes,
            sha256,
        })
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.is_kept {
            // What stays is deleted at the next start.
            fs::remove_file(&self.part).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn bound() -> Bound {
        Bound {
            bytes: Some(6),
            sha256: None,
            bytes_max: 10,
        }
    }

    fn take(spool: &Spool, bound: Bound, chunks: &[&[u8]]) -> Result<Received, SpoolError> {
        let mut incoming = spool.begin(UploadId::default(), bound)?;
        for chunk in chunks {
            incoming.write(chunk)?;
        }
        incoming.keep()
    }

    #[test]
    fn only_what_was_announced_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        let free = Bound {
            bytes: None,
            ..bound()
        };
        let digest = Bound {
            sha256: Some([1; 32]),
            ..bound()
        };
        let left = || fs::read_dir(dir.path().join(DIR)).unwrap().count();
        for (bound, chunks, wanted) in [
            (bound(), &[&b"abc"[..]][..], "another length"),
            (bound(), &[b"abcd", b"efg"], "another length"),
            (free, &[b"abcdefghijk"], "larger"),
            (digest, &[b"abcdef"], "another SHA-256"),
        ] {
            let refused = take(&spool, bound, chunks).unwrap_err();
            assert!(refused.to_string().contains(wanted), "{refused}");
            assert_eq!(left(), 0);
        }
        let received = take(&spool, bound(), &[b"abc", b"def"]).unwrap();
        assert_eq!(received.bytes, 6);
        assert_eq!(spool.whole().unwrap(), [UploadId::default()]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&spool.path(UploadId::default())), 0o600);
        assert_eq!(mode(&dir.path().join(DIR)), 0o700);
        fs::write(dir.path().join(DIR).join("x.part"), "4111").unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        assert_eq!(left(), 1);
        spool.delete(UploadId::default()).unwrap();
        spool.delete(UploadId::default()).unwrap();
        assert_eq!(left(), 0);
    }
}

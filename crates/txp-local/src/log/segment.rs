//! Segment files: their names, their headers, and the chain that the headers form.
//!
//! Header, little-endian: magic 8, version u32, CRC-32C of all the other bytes u32, first sequence
//! u64, arrival of the last frame before it u64, first sequence of the segment before it u64 (0:
//! none), that one's bytes u64. So a missing, exchanged or shortened earlier segment shows at open
//! without reading it. Magic, version and checksum stay where they are in every later version.

use super::SEGMENT_FORMAT_VERSION;
use super::error::{Damage, LogError};
use super::fields::{FieldReader, FieldWriter};
use super::file::{TEMPORARY_SUFFIX, write_atomically};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes of a segment's header: where its first frame starts.
pub(super) const SEGMENT_HEADER_BYTES: u64 = 48;

const SEGMENT_MAGIC: [u8; 8] = *b"txp.log\0";
const SEGMENT_SUFFIX: &str = ".log";
const INDEX_SUFFIX: &str = ".idx";
const NAME_DIGITS: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) first: u64,
    pub(super) arrival_before_ms: u64,
    pub(super) previous_first: u64,
    pub(super) previous_bytes: u64,
}

impl SegmentHeader {
    fn encode(&self, version: u32) -> [u8; SEGMENT_HEADER_BYTES as usize] {
        let mut rest = [0; 32];
        let mut fields = FieldWriter(&mut rest);
        fields.put(self.first.to_le_bytes());
        fields.put(self.arrival_before_ms.to_le_bytes());
        fields.put(self.previous_first.to_le_bytes());
        fields.put(self.previous_bytes.to_le_bytes());
        let mut header = [0; SEGMENT_HEADER_BYTES as usize];
        let mut fields = FieldWriter(&mut header);
        fields.put(SEGMENT_MAGIC);
        fields.put(version.to_le_bytes());
        fields.put(checksum(version, &rest).to_le_bytes());
        fields.put(rest);
        header
    }

    /// Reads and checks the header of the segment whose name says `first`.
    pub(super) fn read(file: &File, path: &Path, first: u64) -> Result<Self, LogError> {
        let damaged = || LogError::corrupt(path, 0, first, None, Damage::SegmentHeader);
        let mut bytes = [0; SEGMENT_HEADER_BYTES as usize];
        match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Err(damaged()),
            Err(source) => return Err(LogError::io("read", path, source)),
        }
        let (version, header) = decode(&bytes).ok_or_else(damaged)?;
        if version > SEGMENT_FORMAT_VERSION {
            return Err(LogError::NewerVersion {
                file: path.to_path_buf(),
                found: version,
                supported: SEGMENT_FORMAT_VERSION,
            });
        }
        if header.first != first || version == 0 {
            return Err(damaged());
        }
        Ok(header)
    }
}

fn checksum(version: u32, rest: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&SEGMENT_MAGIC);
    crc32c::crc32c_append(crc32c::crc32c_append(crc, &version.to_le_bytes()), rest)
}

fn decode(bytes: &[u8]) -> Option<(u32, SegmentHeader)> {
    let mut fields = FieldReader(bytes);
    let magic: [u8; 8] = fields.take()?;
    let version = fields.u32()?;
    let crc = fields.u32()?;
    if magic != SEGMENT_MAGIC || checksum(version, fields.0) != crc {
        return None;
    }
    let header = SegmentHeader {
        first: fields.u64()?,
        arrival_before_ms: fields.u64()?,
        previous_first: fields.u64()?,
        previous_bytes: fields.u64()?,
    };
    Some((version, header))
}

pub(super) fn segment_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:0NAME_DIGITS$}{SEGMENT_SUFFIX}"))
}

pub(super) fn index_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:0NAME_DIGITS$}{INDEX_SUFFIX}"))
}

/// Creates a segment of a header and nothing else: it is there whole or not at all.
pub(super) fn create(dir: &Path, header: &SegmentHeader) -> Result<File, LogError> {
    create_version(dir, header, SEGMENT_FORMAT_VERSION)
}

pub(super) fn create_version(
    dir: &Path,
    header: &SegmentHeader,
    version: u32,
) -> Result<File, LogError> {
    let path = segment_path(dir, header.first);
    write_atomically(&path, &header.encode(version), true)?;
    open_to_append(&path)
}

pub(super) fn open_to_append(path: &Path) -> Result<File, LogError> {
    File::options()
        .read(true)
        .write(true)
        .open(path)
        .map_err(|source| LogError::io("open", path, source))
}

/// The first sequences of the segments in a directory, ascending.
pub(super) fn list(dir: &Path) -> Result<Vec<u64>, LogError> {
    let failed = |source| LogError::io("list", dir, source);
    let mut firsts = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if let Some(first) = name.to_str().and_then(first_of_name) {
            firsts.push(first);
        }
    }
    firsts.sort_unstable();
    Ok(firsts)
}

fn first_of_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SEGMENT_SUFFIX)?;
    let plain = digits.len() == NAME_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// Removes what a crash left between creating a file and giving it its name.
pub(super) fn remove_temporary(dir: &Path) -> Result<(), LogError> {
    let failed = |source| LogError::io("list", dir, source);
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if name
            .to_str()
            .is_some_and(|name| name.ends_with(TEMPORARY_SUFFIX))
        {
            let path = entry.path();
            fs::remove_file(&path).map_err(|source| LogError::io("remove", &path, source))?;
        }
    }
    Ok(())
}

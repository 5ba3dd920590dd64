//! The sparse time index of a segment: where to start reading for a sequence or an arrival time.
//!
//! Derived from the frames' headers. Stored beside a segment that is complete, so its length is
//! known; of the last segment, and wherever the stored one is missing, short or wrong, it is made
//! anew by hopping from header to header. Readers store nothing.
//!
//! File, little-endian: magic 8, version u32, entries u32, segment's first sequence u64, segment's
//! bytes u64, per entry (arrival ms, first sequence, offset) u64 each, CRC-32C of all that u32.

use super::INDEX_SPACING_BYTES;
use super::error::LogError;
use super::fields::FieldReader;
use super::file::write_atomically;
use super::frame::{FRAME_HEADER_BYTES, FrameHeader};
use super::segment::{SEGMENT_HEADER_BYTES, index_path};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const INDEX_MAGIC: [u8; 8] = *b"txp.idx\0";
const INDEX_VERSION: u32 = 1;

/// A frame that reading can start at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexEntry {
    pub(super) arrival_ms: u64,
    pub(super) first: u64,
    pub(super) offset: u64,
}

/// The entries of one segment, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    entries: Vec<IndexEntry>,
}

impl Index {
    /// Takes note of a frame; every first one after the spacing becomes an entry.
    pub(super) fn note(&mut self, header: &FrameHeader, offset: u64) {
        let due = self.entries.last().map(|e| e.offset + INDEX_SPACING_BYTES);
        if due.is_none_or(|due| offset >= due) {
            self.entries.push(IndexEntry {
                arrival_ms: header.arrival_ms,
                first: header.first,
                offset,
            });
        }
    }

    /// The last entry at or before an event.
    pub(super) fn before_sequence(&self, sequence: u64) -> Option<IndexEntry> {
        let after = self.entries.partition_point(|e| e.first <= sequence);
        self.entries.get(after.checked_sub(1)?).copied()
    }

    /// The last entry that arrived before a time.
    pub(super) fn before_arrival(&self, arrival_ms: u64) -> Option<IndexEntry> {
        let after = self.entries.partition_point(|e| e.arrival_ms < arrival_ms);
        self.entries.get(after.checked_sub(1)?).copied()
    }

    /// Makes it from the frames' headers. Stops where they end or make no sense: whoever reads on
    /// from there finds out what is wrong.
    pub(super) fn scan(file: &File, path: &Path, first: u64) -> Result<Self, LogError> {
        let mut index = Self::default();
        let (mut offset, mut expected) = (SEGMENT_HEADER_BYTES, first);
        let mut bytes = [0; FRAME_HEADER_BYTES];
        loop {
            match file.read_exact_at(&mut bytes, offset) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(index),
                Err(source) => return Err(LogError::io("read", path, source)),
            }
            match FrameHeader::decode(&bytes) {
                Some(header) if header.first == expected => {
                    index.note(&header, offset);
                    offset += header.frame_bytes();
                    expected = header.next();
                }
                _ => return Ok(index),
            }
        }
    }

    /// Stores it beside a complete segment of so many bytes.
    pub(super) fn store(&self, dir: &Path, first: u64, segment_bytes: u64) -> Result<(), LogError> {
        let mut bytes = INDEX_MAGIC.to_vec();
        bytes.extend_from_slice(&INDEX_VERSION.to_le_bytes());
        let count = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&first.to_le_bytes());
        bytes.extend_from_slice(&segment_bytes.to_le_bytes());
        for entry in &self.entries {
            for field in [entry.arrival_ms, entry.first, entry.offset] {
                bytes.extend_from_slice(&field.to_le_bytes());
            }
        }
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        // Not synced: a lost or torn one is made anew.
        write_atomically(&index_path(dir, first), &bytes, false)
    }

    /// The stored one, if it is there, whole, and of this segment at this length.
    pub(super) fn load(dir: &Path, first: u64, segment_bytes: u64) -> Option<Self> {
        let bytes = fs::read(index_path(dir, first)).ok()?;
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut fields = FieldReader(body);
        let magic: [u8; 8] = fields.take()?;
        let version = fields.u32()?;
        let count = fields.u32()?;
        let fits = magic == INDEX_MAGIC
            && version == INDEX_VERSION
            && fields.u64()? == first
            && fields.u64()? == segment_bytes;
        if !fits {
            return None;
        }
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(IndexEntry {
                arrival_ms: fields.u64()?,
                first: fields.u64()?,
                offset: fields.u64()?,
            });
        }
        fields.0.is_empty().then_some(Self { entries })
    }
}

//! Reads one segment forward through a window of bounded size and says what lies at a place.

use super::error::{Damage, LogError};
use super::frame::{Events, FRAME_HEADER_BYTES, FRAME_MAGIC, FrameHeader};
use super::segment::{SegmentHeader, segment_path};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes read at once. The window grows beyond it only for a larger frame.
const READ_BYTES: usize = 1 << 20;

/// What lies at a place of a segment.
pub(super) enum Found {
    /// A whole frame, verified.
    Frame(FrameHeader),
    /// The end of the file.
    End,
    /// Something that is no whole frame (or not yet).
    Bad(Damage),
}

/// Evidence that a bad place is not the end: headers of later frames.
pub(super) struct Behind {
    pub(super) first: u64,
    /// The highest sequence that they say was confirmed.
    pub(super) durable: u64,
}

pub(super) struct Cursor {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) header: SegmentHeader,
    window: Vec<u8>,
    /// How much of the window is filled.
    filled: usize,
    window_offset: u64,
}

impl Cursor {
    pub(super) fn open(dir: &Path, first: u64) -> Result<Self, LogError> {
        let path = segment_path(dir, first);
        let file = File::open(&path).map_err(|source| LogError::io("open", &path, source))?;
        let header = SegmentHeader::read(&file, &path, first)?;
        Ok(Self {
            file,
            path,
            header,
            window: Vec::new(),
            filled: 0,
            window_offset: 0,
        })
    }

    pub(super) fn file_bytes(&self) -> Result<u64, LogError> {
        match self.file.metadata() {
            Ok(metadata) => Ok(metadata.len()),
            Err(source) => Err(LogError::io("look at", &self.path, source)),
        }
    }

    /// Forgets what was read: a writer may have written more there since.
    pub(super) fn forget(&mut self) {
        self.filled = 0;
    }

    /// At least `want` bytes from `offset` on, fewer only at the end of the file.
    fn bytes_at(&mut self, offset: u64, want: usize) -> Result<&[u8], LogError> {
        let skip = offset
            .checked_sub(self.window_offset)
            .and_then(|skip| usize::try_from(skip).ok())
            .filter(|skip| *skip <= self.filled);
        let mut skip = skip.unwrap_or(self.filled);
        if self.filled - skip < want {
            self.window.copy_within(skip..self.filled, 0);
            self.filled -= skip;
            self.window_offset = offset;
            skip = 0;
            // No more than there is: a small log costs little, and so does a damaged length.
            let left = self.file_bytes()?.saturating_sub(offset);
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            self.fill(want.max(READ_BYTES).min(left))
                .map_err(|source| LogError::io("read", &self.path, source))?;
        } else if self.filled == skip {
            self.window_offset = offset;
            self.filled = 0;
            skip = 0;
        }
        Ok(self.window.get(skip..self.filled).unwrap_or_default())
    }

    fn fill(&mut self, target: usize) -> io::Result<()> {
        // What was filled before is not cleared before it is read over.
        if self.window.len() < target {
            self.window.resize(target, 0);
        }
        self.filled = self.filled.min(target);
        while let Some(room) = self.window.get_mut(self.filled..target)
            && !room.is_empty()
        {
            let at = self.window_offset + self.filled as u64;
            match self.file.read_at(room, at) {
                Ok(0) => break,
                Ok(read) => self.filled += read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// What lies at `offset`, where event `expected` should come, arrived at `arrival_ms` or later.
    ///
    /// # Errors
    /// A frame whose checksums hold but which cannot be there: that is never a write cut short.
    pub(super) fn frame_at(
        &mut self,
        offset: u64,
        expected: u64,
        arrival_ms: u64,
    ) -> Result<Found, LogError> {
        let head = self.bytes_at(offset, FRAME_HEADER_BYTES)?;
        if head.is_empty() {
            return Ok(Found::End);
        }
        let Some(start) = head.get(..FRAME_HEADER_BYTES) else {
            return Ok(Found::Bad(Damage::Incomplete));
        };
        let Some(header) = FrameHeader::decode(head) else {
            let zeros = start.iter().all(|byte| *byte == 0);
            return Ok(Found::Bad(if zeros {
                Damage::Zeros
            } else {
                Damage::FrameHeader
            }));
        };
        let payload = self.payload(offset, &header)?;
        if payload.len() < header.payload_len() {
            return Ok(Found::Bad(Damage::Incomplete));
        }
        if crc32c::crc32c(payload) != header.payload_crc {
            return Ok(Found::Bad(Damage::FramePayload));
        }
        let adds_up = Events::adds_up(payload, header.count);
        let found = header.first;
        let last = Some(header.next().saturating_sub(1));
        let corrupt = |first, last, why| LogError::corrupt(&self.path, offset, first, last, why);
        if found != expected {
            let missing = found.checked_sub(1).filter(|last| *last >= expected);
            let why = Damage::SequenceGap { found };
            return Err(corrupt(expected, missing, why));
        }
        if header.arrival_ms < arrival_ms {
            return Err(corrupt(found, last, Damage::ArrivalBackwards));
        }
        if !adds_up {
            return Err(corrupt(found, last, Damage::FrameContent));
        }
        Ok(Found::Frame(header))
    }

    /// The header of a frame at `offset`, if a sound one lies there.
    pub(super) fn header_at(&mut self, offset: u64) -> Result<Option<FrameHeader>, LogError> {
        Ok(FrameHeader::decode(
            self.bytes_at(offset, FRAME_HEADER_BYTES)?,
        ))
    }

    /// The payload of the frame at `offset`, shorter only at the end of the file.
    pub(super) fn payload(&mut self, offset: u64, header: &FrameHeader) -> Result<&[u8], LogError> {
        let length = header.payload_len();
        let frame = self.bytes_at(offset, FRAME_HEADER_BYTES + length)?;
        let payload = frame.get(FRAME_HEADER_BYTES..).unwrap_or_default();
        Ok(payload.get(..length).unwrap_or(payload))
    }

    /// Looks for frames after the bad place at `offset`, where event `expected` should have come.
    ///
    /// A header whose checksum holds is evidence enough: the writer writes in order, so it had
    /// finished with everything before.
    pub(super) fn frames_behind(
        &mut self,
        offset: u64,
        expected: u64,
    ) -> Result<Option<Behind>, LogError> {
        let mut behind: Option<Behind> = None;
        self.search(offset + 1, |_, header| {
            if header.first >= expected {
                let known = behind.get_or_insert(Behind {
                    first: header.first,
                    durable: header.durable,
                });
                known.durable = known.durable.max(header.durable);
            }
            true
        })?;
        Ok(behind)
    }

    /// The first sound header behind the bad place at `offset`, of a frame of event `expected` or a
    /// later one, and where it lies.
    pub(super) fn frame_behind(
        &mut self,
        offset: u64,
        expected: u64,
    ) -> Result<Option<(u64, FrameHeader)>, LogError> {
        let mut found = None;
        self.search(offset + 1, |at, header| {
            if header.first >= expected {
                found = Some((at, header));
            }
            found.is_none()
        })?;
        Ok(found)
    }

    /// Calls `seen` with every sound header from `offset` on, wherever it lies, until that says to stop.
    fn search(
        &mut self,
        mut offset: u64,
        mut seen: impl FnMut(u64, FrameHeader) -> bool,
    ) -> Result<(), LogError> {
        loop {
            let chunk = self.bytes_at(offset, READ_BYTES)?;
            for (at, candidate) in chunk.windows(FRAME_HEADER_BYTES).enumerate() {
                if !candidate.starts_with(&FRAME_MAGIC) {
                    continue;
                }
                let header = chunk.get(at..).and_then(FrameHeader::decode);
                if let Some(header) = header
                    && !seen(offset + at as u64, header)
                {
                    return Ok(());
                }
            }
            let at_end = chunk.len() < READ_BYTES;
            let searched = (chunk.len() + 1).saturating_sub(FRAME_HEADER_BYTES);
            if at_end || searched == 0 {
                return Ok(());
            }
            offset += searched as u64;
        }
    }
}

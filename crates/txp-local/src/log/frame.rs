//! One frame: what is appended at once and believed or refused as a whole.
//!
//! Header, little-endian: magic 4, payload bytes u32, first sequence u64, event count u32, CRC-32C
//! of the payload u32, arrival in Unix ms u64, last sequence confirmed durable when this was
//! written u64, CRC-32C of the header so far u32. Payload, per event: one u32 with the bucket in
//! the low 8 bits and the length above, then the bytes. The length has a fixed width so that an
//! encoder can write straight into the frame before anyone knows how long the event gets.

use super::error::LogError;
use super::fields::{FieldReader, FieldWriter};
use super::{EVENT_BYTES_MAX, FRAME_BYTES_MAX, FRAME_TARGET_BYTES};
use txp_domain::position::Bucket;

/// Bytes of a frame's header.
pub(super) const FRAME_HEADER_BYTES: usize = 44;

/// Bytes before each event in the payload.
const EVENT_PREFIX_BYTES: usize = 4;

/// Starts every frame. Not valid UTF-8, so JSON events cannot hold it.
pub(super) const FRAME_MAGIC: [u8; 4] = [0xF5, b't', b'x', 0xFF];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) payload_bytes: u32,
    pub(super) first: u64,
    pub(super) count: u32,
    pub(super) payload_crc: u32,
    pub(super) arrival_ms: u64,
    pub(super) durable: u64,
}

impl FrameHeader {
    pub(super) fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut header = [0; FRAME_HEADER_BYTES];
        let mut fields = FieldWriter(&mut header);
        fields.put(FRAME_MAGIC);
        fields.put(self.payload_bytes.to_le_bytes());
        fields.put(self.first.to_le_bytes());
        fields.put(self.count.to_le_bytes());
        fields.put(self.payload_crc.to_le_bytes());
        fields.put(self.arrival_ms.to_le_bytes());
        fields.put(self.durable.to_le_bytes());
        if let Some((body, crc)) = header.split_last_chunk_mut::<4>() {
            *crc = crc32c::crc32c(body).to_le_bytes();
        }
        header
    }

    /// The header at the start of `bytes`; `None` if its magic, checksum or sizes are wrong.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let header = bytes.first_chunk::<FRAME_HEADER_BYTES>()?;
        let (body, crc) = header.split_last_chunk::<4>()?;
        let mut fields = FieldReader(body);
        if fields.take()? != FRAME_MAGIC || crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        let decoded = Self {
            payload_bytes: fields.u32()?,
            first: fields.u64()?,
            count: fields.u32()?,
            payload_crc: fields.u32()?,
            arrival_ms: fields.u64()?,
            durable: fields.u64()?,
        };
        let fits = decoded.payload_len() <= FRAME_BYTES_MAX && decoded.count > 0;
        fits.then_some(decoded)
    }

    pub(super) fn payload_len(&self) -> usize {
        usize::try_from(self.payload_bytes).unwrap_or(usize::MAX)
    }

    /// Bytes of the whole frame.
    pub(super) fn frame_bytes(&self) -> u64 {
        FRAME_HEADER_BYTES as u64 + u64::from(self.payload_bytes)
    }

    /// The sequence after the last event of this frame.
    pub(super) fn next(&self) -> u64 {
        self.first.saturating_add(u64::from(self.count))
    }
}

/// One event as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The bucket of its partition key.
    pub bucket: Bucket,
    /// Its place in the log.
    pub sequence: u64,
    /// When its frame was appended, Unix ms.
    pub arrival_ms: u64,
    /// The event.
    pub bytes: &'a [u8],
}

/// The events of a frame, in order.
#[derive(Clone, Debug)]
pub struct Events<'a> {
    rest: &'a [u8],
    sequence: u64,
    arrival_ms: u64,
}

impl<'a> Events<'a> {
    pub(super) fn new(payload: &'a [u8], first: u64, arrival_ms: u64) -> Self {
        Self {
            rest: payload,
            sequence: first,
            arrival_ms,
        }
    }

    /// Whether the payload holds exactly `count` events. Checked before a payload is handed out,
    /// so that the iterator need not be fallible.
    pub(super) fn adds_up(payload: &'a [u8], count: u32) -> bool {
        let mut events = Self::new(payload, 0, 0);
        let counted = events.by_ref().count();
        events.rest.is_empty() && u32::try_from(counted) == Ok(count)
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        let (prefix, rest) = self.rest.split_first_chunk::<EVENT_PREFIX_BYTES>()?;
        let [bucket, ..] = *prefix;
        let length = usize::try_from(u32::from_le_bytes(*prefix) >> 8).ok()?;
        let (bytes, rest) = rest.split_at_checked(length)?;
        let sequence = self.sequence;
        self.rest = rest;
        self.sequence = sequence.saturating_add(1);
        Some(Event {
            bucket: Bucket(bucket),
            sequence,
            arrival_ms: self.arrival_ms,
            bytes,
        })
    }
}

/// A batch under construction. Keep it and [`clear`](Self::clear) it: its buffer is reused, and
/// what an encoder writes into it is what goes to the file, without another copy.
#[derive(Debug)]
pub struct FrameBuilder {
    /// Room for the header, then the payload.
    bytes: Vec<u8>,
    count: u32,
    /// An encoder took away bytes of earlier events.
    damaged: bool,
}

impl Default for FrameBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameBuilder {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        // One eighth more, for the event that goes over the target.
        let capacity = FRAME_HEADER_BYTES + FRAME_TARGET_BYTES + FRAME_TARGET_BYTES / 8;
        let mut bytes = Vec::with_capacity(capacity);
        bytes.resize(FRAME_HEADER_BYTES, 0);
        Self {
            bytes,
            count: 0,
            damaged: false,
        }
    }

    /// Adds an event that exists as bytes.
    ///
    /// # Errors
    /// The event or the frame is over its limit; the frame stays as it was.
    pub fn push(&mut self, bucket: Bucket, event: &[u8]) -> Result<(), LogError> {
        self.push_with(bucket, |bytes| bytes.extend_from_slice(event))
    }

    /// Adds the event that `encode` appends to the buffer that it is given. It may only append.
    ///
    /// # Errors
    /// The event or the frame is over its limit; the frame stays as it was.
    #[inline]
    pub fn push_with(
        &mut self,
        bucket: Bucket,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), LogError> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; EVENT_PREFIX_BYTES]);
        let body = self.bytes.len();
        encode(&mut self.bytes);
        let Some(length) = self.bytes.len().checked_sub(body) else {
            self.damaged = true;
            return Err(LogError::UnusableFrame);
        };
        let payload = self.payload_bytes();
        if length > EVENT_BYTES_MAX {
            self.bytes.truncate(start);
            return Err(LogError::EventTooLong { bytes: length });
        }
        if payload > FRAME_BYTES_MAX {
            self.bytes.truncate(start);
            return Err(LogError::FrameFull { bytes: payload });
        }
        // An event is at most 2^20 bytes: 24 bits hold its length.
        let prefix = u32::try_from(length).unwrap_or_default() << 8 | u32::from(bucket.0);
        let place = self.bytes.get_mut(start..body);
        if let Some(place) = place {
            place.copy_from_slice(&prefix.to_le_bytes());
        }
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// Whether it is time to append.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.payload_bytes() >= FRAME_TARGET_BYTES
    }

    /// How many events it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX)
    }

    /// Whether it holds no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of the payload so far.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.bytes.len().saturating_sub(FRAME_HEADER_BYTES)
    }

    /// The events in it, numbered as if the first had sequence `first`: after an append,
    /// [`super::Appended::first`].
    #[must_use]
    pub fn events(&self, first: u64, arrival_ms: u64) -> Events<'_> {
        let payload = self.bytes.get(FRAME_HEADER_BYTES..).unwrap_or_default();
        Events::new(payload, first, arrival_ms)
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.resize(FRAME_HEADER_BYTES, 0);
        self.count = 0;
        self.damaged = false;
    }

    /// Fills in the header: the bytes as they go to the file, and the sequence after the last.
    pub(super) fn seal(
        &mut self,
        first: u64,
        arrival_ms: u64,
        durable: u64,
    ) -> Result<(&[u8], u64), LogError> {
        let unusable = || LogError::UnusableFrame;
        if self.damaged || self.count == 0 {
            return Err(unusable());
        }
        let (place, payload) = self
            .bytes
            .split_first_chunk_mut::<FRAME_HEADER_BYTES>()
            .ok_or_else(unusable)?;
        let header = FrameHeader {
            payload_bytes: u32::try_from(payload.len()).map_err(|_| unusable())?,
            first,
            count: self.count,
            payload_crc: crc32c::crc32c(payload),
            arrival_ms,
            durable,
        };
        *place = header.encode();
        Ok((&self.bytes, header.next()))
    }
}

//! The append-only event log: the durable truth of the embedded host.
//!
//! A directory of segments, `{first sequence}.log`, each a header and frames. A frame is one
//! appended batch: a header with checksums, then events as bytes, each with its bucket. The
//! sequence is one counter over the directory, from 1, one per event.
//!
//! Three promises. What [`LogWriter::sync`] has confirmed is read back byte for byte or named as
//! damaged, never skipped. A write that was cut short is taken off at the next open and reported.
//! After a failed write or sync the writer refuses all further work: a second `fsync` after a
//! failed one can succeed without the data being on disk.
//!
//! One limit cannot be lifted by a log alone: damage to the very last frame looks like a write cut
//! short. Who knows better (a checkpoint that folded the frame) says so in
//! [`OpenOptions::known_durable`] or [`LogReader::known_durable`], and then it is an error.
//!
//! Deliberately absent: what an event means (bytes in, bytes out), the lock on the directory
//! ([`crate::lock`]), a clock (the caller gives the time), deletion of old segments.

mod cursor;
mod error;
mod fields;
mod file;
mod frame;
mod index;
mod reader;
mod recovery;
mod segment;
mod source;
mod writer;

#[cfg(test)]
mod tests;

pub use error::{Damage, LogError, SequenceSpan};
pub use frame::{Event, Events, FrameBuilder};
pub use reader::{Frame, LogReader};
pub use recovery::{Cut, OpenOptions, Recovery};
pub use source::LogSource;
pub use writer::{Appended, LogWriter};

/// Bytes of a segment after which the next frame starts a new one.
pub const SEGMENT_BYTES: u64 = 256 << 20;

/// Payload bytes at which [`FrameBuilder::is_full`] asks for an append. One `fdatasync` of 1 MiB
/// takes about 1 ms, of 64 KiB about 0.4 ms: larger frames gain little and delay the answer.
pub const FRAME_TARGET_BYTES: usize = 1 << 20;

/// The most payload bytes of one frame; a reader's memory is bounded by it.
pub const FRAME_BYTES_MAX: usize = 16 << 20;

/// The most bytes of one event.
pub const EVENT_BYTES_MAX: usize = 1 << 20;

/// About how many bytes of a segment lie between two entries of its time index.
pub const INDEX_SPACING_BYTES: u64 = 1 << 20;

/// The version of the segment format that is written, and the newest that is read.
pub const SEGMENT_FORMAT_VERSION: u32 = 1;

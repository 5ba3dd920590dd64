//! The merchant's CSV file, read as a stream of bytes in flat memory.
//!
//! - [`scan`]: the sans-I/O core, bytes to records;
//! - [`header`]: what the first record says about the others;
//! - [`reader`]: the blocking reader over both, one reused buffer.
//!
//! The csv crate is the oracle of the tests and not on the path: its bare loop over records takes
//! more than twice as long as the scanner (bench `csv` runs both on the same bytes), because it
//! looks at each byte on its own and copies each field. What the cells mean is the domain's
//! business.

pub mod header;
mod mark;
pub mod reader;
mod record;
pub mod scan;

pub use header::{AliasFault, Aliases, Header, HeaderFault, HeaderFaults};
pub use reader::{
    DIGEST_STATE_BYTES, FileDigest, ReadError, RecordFaults, RecordReader, Row, resume_offset,
};
pub use record::Record;
pub use scan::{Checkpoint, Place, Scanner, Step, Unclosed, Window};

/// The most bytes that a record has, its line end not counted, and that a quoted field has (from
/// the contract of the file).
pub const RECORD_BYTES_MAX: u64 = 64 * 1024;

/// The most columns that a file has (from the contract of the file).
pub const COLUMNS_MAX: usize = 256;

//! The embedded host's state engine: sorted runs on disk, published with a checkpoint.
//!
//! State is a fold of the log, so it need not be durable row by row: writes go to an in-memory pending table, and
//! [`Store::checkpoint`] turns what is pending into one immutable run file per keyspace and publishes all of them, with
//! the caller's own meta bytes (the last folded sequence), by one atomic rename. After a crash the last checkpoint is
//! whole and the log is folded again from there.
//!
//! ```text
//! state/CHECKPOINT            the manifest: format version, meta, the runs of each keyspace, newest first
//! state/0000000000000007.run  blocks of entries, a page of filter and block index after each 2,720 keys, top index, footer
//! ```
//!
//! Keys are a caller-given 64-bit hash and the full key bytes, ordered so. The caller hashes the first part of the key
//! (xxh3 is meant), which spreads keys evenly and keeps all keys that share that part beside each other.
//!
//! Memory is bounded whatever the history: reads are `pread` into a block cache of fixed size (no mmap: its pages count
//! as resident), filters and block indexes are kept in pages within a budget, merges stream.
//!
//! Deliberately absent: a log of its own (the event log is one), transactions, any lock (the host's directory lock
//! admits one writer; readers need none), background threads (see [`Store::checkpoint`]), repair (a damaged file is named,
//! and the caller folds the log again), and any knowledge of what the bytes mean.

mod block;
mod bytes;
mod cache;
mod checkpoint;
mod compaction;
mod cursor;
mod error;
mod filter;
mod manifest;
mod merge;
mod pending;
mod reader;
mod run;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod writer;

pub use checkpoint::{BegunCheckpoint, Retired, WrittenCheckpoint};
pub use error::StateError;
pub use merge::{Entry, Iter};
pub use reader::StoreReader;
pub use store::Store;

/// Names one keyspace by its place in the list of names given at open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keyspace(u8);

impl Keyspace {
    /// The keyspace at `index` of the names given at open.
    #[must_use]
    pub const fn new(index: u8) -> Self {
        Self(index)
    }

    fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Longest key, in bytes: a length is two bytes in a block.
pub const MAX_KEY_BYTES: usize = u16::MAX as usize;
/// Longest value, in bytes: far over any item, and small enough that one block of one value is no burden.
pub const MAX_VALUE_BYTES: usize = 16 << 20;

/// Default bytes of blocks kept in memory: 4,000 blocks, enough for the hot cards of a skewed file.
pub const DEFAULT_BLOCK_CACHE_BYTES: usize = 16 << 20;
/// Default bytes of filter and index pages kept in memory: those of 1e7 items take 25 MB.
pub const DEFAULT_PAGE_CACHE_BYTES: usize = 32 << 20;
/// Default number of like-sized runs that are merged into one.
///
/// Measured with 1e7 new rows of 150 bytes and a checkpoint each 250,000: 8 writes 1.8 bytes per byte checkpointed, 4
/// writes 2.4 and takes a quarter more CPU time, for 7 runs instead of 12 to look into.
pub const DEFAULT_FANOUT: usize = 8;

/// What the engine may use.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Bytes of blocks kept in memory.
    pub block_cache_bytes: usize,
    /// Bytes of filter and index pages kept in memory.
    pub page_cache_bytes: usize,
    /// Like-sized runs that are merged into one; at least 2.
    pub fanout: usize,
    /// Pending keys for which each keyspace has room from the start; more is allowed and grows the table.
    pub pending_keys: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            block_cache_bytes: DEFAULT_BLOCK_CACHE_BYTES,
            page_cache_bytes: DEFAULT_PAGE_CACHE_BYTES,
            fanout: DEFAULT_FANOUT,
            pending_keys: 0,
        }
    }
}

/// Bytes that the engine holds, by what holds them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Pending tables: entries, slots, and the arena as far as it was ever touched.
    pub pending: usize,
    /// Filter and index pages.
    pub pages: usize,
    /// Cached blocks.
    pub blocks: usize,
    /// Top indexes, the merge in progress, scratch space.
    pub other: usize,
}

impl MemoryUse {
    /// All of it.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.pending + self.pages + self.blocks + self.other
    }
}

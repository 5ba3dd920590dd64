//! Histories in files: what `txp events` has written, and archives that were copied to a folder.
//!
//! - [`FileSource`]: one file, or a folder of files, of lines as [`txp_pipeline::history`] writes them;
//! - [`FolderArchive`]: a folder of days, `date=YYYY-MM-DD`, as the archiver lays them out.
//!
//! Deliberately absent: writing. Who exports decides where.

mod folder;
mod lines;
mod source;
mod unpack;

#[cfg(test)]
mod tests;

pub use folder::FolderArchive;
pub use source::{FILES_MAX, FileSource};

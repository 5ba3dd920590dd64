//! Writes one run file, front to back, from entries in key order.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::block::BlockBuilder;
use super::bytes::{SEAL_BYTES, len_u32, seal, u32_at};
use super::error::StateError;
use super::filter::{self, FilterBlock};
use super::run::{
    FOOTER_BYTES, FORMAT_VERSION, MAGIC, PAGE_KEYS, PageRef, RunFile, RunIndex, RunInfo, file_name,
    held_bytes,
};

/// Bytes gathered for one write.
const WRITE_BYTES: usize = 256 << 10;
/// A long merge syncs as it goes, so that its end does not wait for hundreds of megabytes.
const SYNC_BYTES: u64 = 32 << 20;

#[derive(Debug)]
pub(super) struct RunWriter {
    run: RunFile,
    out: Vec<u8>,
    out_offset: u64,
    synced_offset: u64,
    block: BlockBuilder,
    filter: Vec<FilterBlock>,
    page_hashes: Vec<u64>,
    page_blocks: Vec<(u64, u32)>,
    page_first_hash: u64,
    pages: Vec<PageRef>,
    entries: u64,
    deletions: u64,
    least_hash: u64,
    last_hash: u64,
    held_bytes: u64,
    is_finished: bool,
}

impl RunWriter {
    /// Creates the file of run `id`; one that a crash left behind is overwritten.
    pub(super) fn create(directory: &Path, id: u64) -> Result<Self, StateError> {
        let path = directory.join(file_name(id));
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path);
        let file = file.map_err(StateError::io("create", &path))?;
        let mut out = Vec::with_capacity(WRITE_BYTES * 2);
        out.extend_from_slice(&MAGIC);
        Ok(Self {
            run: RunFile { id, path, file },
            out,
            out_offset: 0,
            synced_offset: 0,
            block: BlockBuilder::default(),
            filter: Vec::new(),
            page_hashes: Vec::with_capacity(PAGE_KEYS),
            page_blocks: Vec::new(),
            page_first_hash: 0,
            pages: Vec::new(),
            entries: 0,
            deletions: 0,
            least_hash: 0,
            last_hash: 0,
            held_bytes: 0,
            is_finished: false,
        })
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.out.capacity()
            + self.page_hashes.capacity() * size_of::<u64>()
            + self.pages.capacity() * size_of::<PageRef>()
            + self.page_blocks.capacity() * size_of::<(u64, u32)>()
    }

    /// Adds an entry; keys come in strictly ascending order.
    pub(super) fn push(
        &mut self,
        hash: u64,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), StateError> {
        let is_new_hash = self.entries == 0 || hash != self.last_hash;
        if is_new_hash && self.page_hashes.len() >= PAGE_KEYS {
            self.close_page()?;
        }
        if !self.block.has_room(key.len(), value.map_or(0, <[u8]>::len)) {
            self.close_block()?;
        }
        self.block.push(hash, key, value);
        if is_new_hash {
            if self.page_hashes.is_empty() {
                self.page_first_hash = hash;
            }
            self.page_hashes.push(hash);
        }
        if self.entries == 0 {
            self.least_hash = hash;
        }
        self.last_hash = hash;
        self.entries += 1;
        self.deletions += u64::from(value.is_none());
        Ok(())
    }

    /// Completes the file and makes it durable. `None` if no entry came: then there is no file.
    pub(super) fn finish(
        mut self,
        level_of: impl FnOnce(u64) -> u32,
    ) -> Result<Option<(RunInfo, RunIndex)>, StateError> {
        if self.entries == 0 {
            return Ok(None);
        }
        self.close_page()?;
        let top_offset = self.offset();
        let from = self.out.len();
        for page in &self.pages {
            self.out.extend_from_slice(&page.first_hash.to_le_bytes());
            self.out.extend_from_slice(&page.offset.to_le_bytes());
            self.out.extend_from_slice(&page.sealed_bytes.to_le_bytes());
        }
        seal(&mut self.out, from, top_offset);
        let footer_offset = self.offset();
        let from = self.out.len();
        let words = [
            self.run.id,
            self.entries,
            self.deletions,
            self.least_hash,
            self.last_hash,
            self.held_bytes,
            top_offset,
        ];
        words
            .iter()
            .for_each(|word| self.out.extend_from_slice(&word.to_le_bytes()));
        self.out
            .extend_from_slice(&len_u32(self.pages.len()).to_le_bytes());
        self.out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        seal(&mut self.out, from, footer_offset);
        debug_assert_eq!(self.out.len() - from, FOOTER_BYTES);
        let footer_checksum = u32_at(&self.out, self.out.len() - SEAL_BYTES).unwrap_or_default();
        self.write_out()?;
        self.run
            .file
            .sync_data()
            .map_err(StateError::io("sync", &self.run.path))?;
        self.is_finished = true;
        let info = RunInfo {
            id: self.run.id,
            level: level_of(self.out_offset),
            file_bytes: self.out_offset,
            entries: self.entries,
            deletions: self.deletions,
            least_hash: self.least_hash,
            greatest_hash: self.last_hash,
            held_bytes: self.held_bytes,
            footer_checksum,
        };
        let file = self
            .run
            .file
            .try_clone()
            .map_err(StateError::io("open", &self.run.path))?;
        let run = RunFile {
            id: self.run.id,
            path: self.run.path.clone(),
            file,
        };
        Ok(Some((
            info,
            RunIndex {
                run,
                pages: std::mem::take(&mut self.pages),
            },
        )))
    }

    fn offset(&self) -> u64 {
        self.out_offset + self.out.len() as u64
    }

    fn close_block(&mut self) -> Result<(), StateError> {
        if !self.block.is_empty() {
            let offset = self.offset();
            self.page_blocks
                .push(self.block.finish(&mut self.out, offset));
        }
        if self.out.len() >= WRITE_BYTES {
            self.write_out()
        } else {
            Ok(())
        }
    }

    fn close_page(&mut self) -> Result<(), StateError> {
        self.close_block()?;
        let offset = self.offset();
        let from = self.out.len();
        filter::build(&self.page_hashes, &mut self.filter);
        self.out
            .extend_from_slice(&len_u32(self.filter.len()).to_le_bytes());
        self.out
            .extend_from_slice(&len_u32(self.page_blocks.len()).to_le_bytes());
        self.filter
            .iter()
            .flatten()
            .for_each(|word| self.out.extend_from_slice(&word.to_le_bytes()));
        for (first_hash, sealed_bytes) in &self.page_blocks {
            self.out.extend_from_slice(&first_hash.to_le_bytes());
            self.out.extend_from_slice(&sealed_bytes.to_le_bytes());
        }
        seal(&mut self.out, from, offset);
        let sealed_bytes = len_u32(self.out.len() - from);
        self.pages.push(PageRef {
            first_hash: self.page_first_hash,
            offset,
            sealed_bytes,
        });
        self.held_bytes += held_bytes(self.filter.len(), self.page_blocks.len()) as u64;
        self.page_hashes.clear();
        self.page_blocks.clear();
        Ok(())
    }

    fn write_out(&mut self) -> Result<(), StateError> {
        self.run
            .file
            .write_all(&self.out)
            .map_err(StateError::io("write", &self.run.path))?;
        self.out_offset += self.out.len() as u64;
        self.out.clear();
        if self.out_offset - self.synced_offset >= SYNC_BYTES {
            self.run
                .file
                .sync_data()
                .map_err(StateError::io("sync", &self.run.path))?;
            self.synced_offset = self.out_offset;
        }
        Ok(())
    }
}

impl Drop for RunWriter {
    fn drop(&mut self) {
        if !self.is_finished {
            // Best effort: the next open removes what no manifest lists.
            fs::remove_file(&self.run.path).ok();
        }
    }
}

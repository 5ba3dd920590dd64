//! The file `CHECKPOINT`: what is published, replaced as a whole by one rename.
//!
//! `magic 8, format version u32, seal` (every future format keeps these 16 bytes, so that "newer" and "damaged" are told
//! apart), then next run id, meta, keyspaces with their runs newest first, seal.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::durable;

use super::bytes::{SEAL_BYTES, as_len, len_u32, seal, u32_at, unseal};
use super::error::StateError;
use super::run::RunInfo;

pub(super) const FILE_NAME: &str = "CHECKPOINT";
pub(super) const NEW_FILE_NAME: &str = "CHECKPOINT.new";
const MAGIC: [u8; 8] = *b"TXPSTATE";
const FORMAT_VERSION: u32 = 1;
const HEADER_BYTES: usize = MAGIC.len() + 4 + SEAL_BYTES;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) next_run_id: u64,
    pub(super) meta: Vec<u8>,
    /// Name and runs, newest first.
    pub(super) keyspaces: Vec<(String, Vec<RunInfo>)>,
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(directory: &Path) -> Result<(), StateError> {
    durable::sync_directory(directory).map_err(StateError::io("sync the directory", directory))
}

impl Manifest {
    /// Reads the published manifest; `None` in a fresh directory.
    pub(super) fn read(directory: &Path) -> Result<Option<Self>, StateError> {
        let path = directory.join(FILE_NAME);
        match fs::read(&path) {
            Ok(bytes) => Self::decode(&bytes, &path).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StateError::io("read", &path)(error)),
        }
    }

    /// Writes the manifest beside the published one, durable but not yet in force.
    pub(super) fn prepare(&self, directory: &Path) -> Result<(), StateError> {
        let path = directory.join(NEW_FILE_NAME);
        let mut file = File::create(&path).map_err(StateError::io("create", &path))?;
        file.write_all(&self.encode())
            .map_err(StateError::io("write", &path))?;
        file.sync_data().map_err(StateError::io("sync", &path))
    }

    /// Puts the prepared manifest in force.
    pub(super) fn publish(directory: &Path) -> Result<(), StateError> {
        let path = directory.join(FILE_NAME);
        fs::rename(directory.join(NEW_FILE_NAME), &path)
            .map_err(StateError::io("publish", &path))?;
        sync_directory(directory)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        seal(&mut out, 0, 0);
        let from = out.len();
        out.extend_from_slice(&self.next_run_id.to_le_bytes());
        out.extend_from_slice(&len_u32(self.meta.len()).to_le_bytes());
        out.extend_from_slice(&self.meta);
        out.extend_from_slice(&len_u32(self.keyspaces.len()).to_le_bytes());
        for (name, runs) in &self.keyspaces {
            out.extend_from_slice(&len_u32(name.len()).to_le_bytes());
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(&len_u32(runs.len()).to_le_bytes());
            for run in runs {
                let words = [
                    run.id,
                    run.file_bytes,
                    run.entries,
                    run.deletions,
                    run.least_hash,
                    run.greatest_hash,
                    run.held_bytes,
                ];
                words
                    .iter()
                    .for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
                out.extend_from_slice(&run.level.to_le_bytes());
                out.extend_from_slice(&run.footer_checksum.to_le_bytes());
            }
        }
        seal(&mut out, from, from as u64);
        out
    }

    fn decode(bytes: &[u8], path: &Path) -> Result<Self, StateError> {
        let damaged = |offset: usize, why| StateError::corrupt(path, offset as u64, why);
        let (header, body) = bytes
            .split_at_checked(HEADER_BYTES)
            .ok_or_else(|| damaged(0, "the file is too short"))?;
        if !header.starts_with(&MAGIC) {
            return Err(damaged(0, "this is not a checkpoint"));
        }
        unseal(header, 0).ok_or_else(|| damaged(0, "the header's checksum does not match"))?;
        let found = u32_at(header, MAGIC.len()).unwrap_or_default();
        if found > FORMAT_VERSION {
            return Err(StateError::NewerFormat {
                file: path.to_path_buf(),
                found,
                supported: FORMAT_VERSION,
            });
        }
        let payload = unseal(body, HEADER_BYTES as u64)
            .ok_or_else(|| damaged(HEADER_BYTES, "the checkpoint's checksum does not match"))?;
        Decoder { rest: payload }
            .manifest()
            .ok_or_else(|| damaged(HEADER_BYTES, "the checkpoint makes no sense"))
    }
}

struct Decoder<'a> {
    rest: &'a [u8],
}

impl Decoder<'_> {
    fn manifest(mut self) -> Option<Manifest> {
        let next_run_id = self.u64()?;
        let meta = self.bytes()?.to_vec();
        let mut keyspaces = Vec::new();
        for _ in 0..self.u32()? {
            let name = String::from_utf8(self.bytes()?.to_vec()).ok()?;
            let mut runs = Vec::new();
            for _ in 0..self.u32()? {
                runs.push(self.run()?);
            }
            keyspaces.push((name, runs));
        }
        self.rest.is_empty().then_some(Manifest {
            next_run_id,
            meta,
            keyspaces,
        })
    }

    fn run(&mut self) -> Option<RunInfo> {
        Some(RunInfo {
            id: self.u64()?,
            file_bytes: self.u64()?,
            entries: self.u64()?,
            deletions: self.u64()?,
            least_hash: self.u64()?,
            greatest_hash: self.u64()?,
            held_bytes: self.u64()?,
            level: self.u32()?,
            footer_checksum: self.u32()?,
        })
    }

    fn u64(&mut self) -> Option<u64> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u64::from_le_bytes(*bytes))
    }

    fn u32(&mut self) -> Option<u32> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u32::from_le_bytes(*bytes))
    }

    fn bytes(&mut self) -> Option<&[u8]> {
        let length = as_len(self.u32()?);
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }
}

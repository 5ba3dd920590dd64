//! A file as it is, or unpacked: gzip and zstd are told by their first bytes, not by the name.

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// What is read of a file at once.
const READ_BYTES: usize = 128 * 1024;

/// Opens a file; `read` counts the bytes of the file, packed as they are.
pub(super) fn open(path: &Path, read: Rc<Cell<u64>>) -> io::Result<Box<dyn BufRead>> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    let mut file = BufReader::with_capacity(READ_BYTES, Counted { file, read });
    let start = file.fill_buf()?;
    Ok(if start.starts_with(&GZIP) {
        Box::new(BufReader::with_capacity(
            READ_BYTES,
            MultiGzDecoder::new(file),
        ))
    } else if start.starts_with(&ZSTD) {
        Box::new(BufReader::with_capacity(READ_BYTES, Frames::new(file)))
    } else {
        Box::new(file)
    })
}

struct Counted {
    file: File,
    read: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.set(self.read.get().saturating_add(read as u64));
        Ok(read)
    }
}

/// The frames of a zstd file, one after the other.
enum Frames<R: BufRead> {
    Between(R),
    In(Box<StreamingDecoder<R, FrameDecoder>>),
    Broken,
}

impl<R: BufRead> Frames<R> {
    fn new(packed: R) -> Self {
        Self::Between(packed)
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(self, Self::Broken) {
                Self::Between(mut packed) => {
                    if packed.fill_buf()?.is_empty() {
                        *self = Self::Between(packed);
                        return Ok(0);
                    }
                    // It refuses frames that want to look back further than 100 MiB.
                    let opened = StreamingDecoder::new(packed);
                    *self = Self::In(Box::new(opened.map_err(io::Error::other)?));
                }
                Self::In(mut decoder) => match decoder.read(buffer)? {
                    0 => *self = Self::Between(decoder.into_inner()),
                    read => {
                        *self = Self::In(decoder);
                        return Ok(read);
                    }
                },
                Self::Broken => return Err(io::Error::from(io::ErrorKind::InvalidData)),
            }
        }
    }
}

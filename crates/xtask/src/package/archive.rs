//! A zip file with one executable, byte for byte the same from the same bytes: no clock, no owner,
//! no extra fields.
//!
//! By hand over `flate2`, since it is three records of fixed layout; the zip crate would bring five
//! more crates and half a minute to what is built before anything can be checked. Nothing here
//! reads zip files; Python's `zipfile` does in `cargo xtask footprint`.

use anyhow::{Context, Result};
use flate2::{Compression, Crc, write::DeflateEncoder};
use std::io::Write;

const LOCAL_HEADER: u32 = 0x0403_4b50;
const CENTRAL_HEADER: u32 = 0x0201_4b50;
const CENTRAL_END: u32 = 0x0605_4b50;
/// Deflate needs a reader of version 2.0.
const VERSION_NEEDED: u16 = 20;
/// Made on Unix, so that the attributes are a mode.
const VERSION_MADE_BY: u16 = 3 << 8 | VERSION_NEEDED;
const DEFLATED: u16 = 8;
/// 1980-01-01 00:00:00, the first moment that the format knows: hours, then days.
const TIME: u16 = 0;
const DATE: u16 = 1 << 5 | 1;
/// A regular file that everyone may execute, in the upper half as Unix has it.
const EXECUTABLE: u32 = 0o100_755 << 16;

/// The bytes of a zip file whose only entry is an executable of this name.
pub(super) fn of_executable(name: &str, content: &[u8]) -> Result<Vec<u8>> {
    let mut crc = Crc::new();
    crc.update(content);
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    let packed = encoder.finish()?;

    let mut entry = Vec::new();
    entry.extend(VERSION_NEEDED.to_le_bytes());
    for field in [0, DEFLATED, TIME, DATE] {
        entry.extend(u16::to_le_bytes(field));
    }
    entry.extend(crc.sum().to_le_bytes());
    entry.extend(size(packed.len())?.to_le_bytes());
    entry.extend(size(content.len())?.to_le_bytes());
    let name_length = u16::try_from(name.len()).context("a name of more than 64 KiB")?;
    entry.extend(name_length.to_le_bytes());
    // No extra fields.
    entry.extend(0_u16.to_le_bytes());

    let mut out = Vec::with_capacity(packed.len() + 256);
    out.extend(LOCAL_HEADER.to_le_bytes());
    out.extend(&entry);
    out.extend(name.as_bytes());
    out.extend(&packed);

    let central_start = out.len();
    out.extend(CENTRAL_HEADER.to_le_bytes());
    out.extend(VERSION_MADE_BY.to_le_bytes());
    out.extend(&entry);
    // No comment, the first disk, no text.
    out.extend([0; 6]);
    out.extend(EXECUTABLE.to_le_bytes());
    // The entry begins where the file does.
    out.extend(0_u32.to_le_bytes());
    out.extend(name.as_bytes());
    let central_length = out.len() - central_start;

    out.extend(CENTRAL_END.to_le_bytes());
    // This disk, the directory's disk, entries on this disk, entries.
    for field in [0, 0, 1, 1] {
        out.extend(u16::to_le_bytes(field));
    }
    out.extend(size(central_length)?.to_le_bytes());
    out.extend(size(central_start)?.to_le_bytes());
    // No comment.
    out.extend(0_u16.to_le_bytes());
    Ok(out)
}

/// A length as the format has it.
fn size(bytes: usize) -> Result<u32> {
    u32::try_from(bytes).context("a function of more than 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_give_the_same_file_down_to_the_byte() {
        // Frozen: a change of the packer or of the layout changes every hash of a release.
        let expected = "504b0304 1400 0000 0800 0000 2100 86a61036 07000000 05000000 0900 0000 \
            626f6f747374726170 cb48cdc9c90700 \
            504b0102 1403 1400 0000 0800 0000 2100 86a61036 07000000 05000000 0900 0000 \
            0000 0000 0000 0000ed81 00000000 626f6f747374726170 \
            504b0506 0000 0000 0100 0100 37000000 2e000000 0000"
            .replace(' ', "");
        for _ in 0..2 {
            let zip = of_executable("bootstrap", b"hello").unwrap();
            let zip: String = zip.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(zip, expected);
        }
    }

    #[test]
    fn nothing_is_packed_too() {
        assert!(of_executable("bootstrap", b"").is_ok());
    }
}

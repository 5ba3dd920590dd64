//! What Lambda's runtime `provided.al2023` can start: an executable for its processor, with no
//! library and no symbol that Amazon Linux 2023 does not have.
//!
//! A binary that asks for more starts on the machine that made it and fails in the first
//! invocation; so it is refused here.

use anyhow::{Context, Result, bail};
use object::Endianness;
use object::elf::{self, FileHeader64};
use object::read::elf::{Dyn, FileHeader, SectionTable};

type Header = FileHeader64<Endianness>;
type Sections<'data> = SectionTable<'data, Header>;

/// The version of glibc in Amazon Linux 2023.
const GLIBC: [u32; 2] = [2, 34];

/// The libraries that the runtime's image has and Rust's standard library asks for.
const LIBRARIES: [&str; 9] = [
    "ld-linux-aarch64.so.1",
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libutil.so.1",
];

const NO_ELF: &str = "not a 64-bit ELF file: build on Linux";

const OTHERWISE: &str = "build on a system with glibc 2.34 or older (Amazon Linux 2023, Debian 11)";

/// The processor of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Processor {
    X86_64,
    Arm64,
}

impl Processor {
    /// As Lambda calls it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }

    const fn machine(self) -> elf::Machine {
        match self {
            Self::X86_64 => elf::EM_X86_64,
            Self::Arm64 => elf::EM_AARCH64,
        }
    }
}

/// Refuses what the runtime could not start, saying what to do.
pub(super) fn check(bytes: &[u8], processor: Processor) -> Result<()> {
    let header = Header::parse(bytes).context(NO_ELF)?;
    let endian = header.endian()?;
    if header.e_machine(endian) != processor.machine() {
        bail!(
            "not for {}: build on such a machine, or with --arm64 for Graviton",
            processor.name()
        );
    }
    let sections = header.sections(endian, bytes)?;
    libraries(&sections, endian, bytes)?;
    versions(&sections, endian, bytes)
}

/// Whether no names and no debugger's tables are left in it.
pub(super) fn is_stripped(bytes: &[u8]) -> Result<bool> {
    let header = Header::parse(bytes).context(NO_ELF)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, bytes)?;
    for section in sections.iter() {
        let name = sections.section_name(endian, section)?;
        if name == b".symtab" || name.starts_with(b".debug_") {
            return Ok(false);
        }
    }
    Ok(true)
}

fn libraries(sections: &Sections<'_>, endian: Endianness, bytes: &[u8]) -> Result<()> {
    let Some((entries, strings)) = sections.dynamic(endian, bytes)? else {
        return Ok(());
    };
    let strings = sections.strings(endian, bytes, strings)?;
    for entry in entries {
        if entry.d_tag.get(endian) != elf::DT_NEEDED {
            continue;
        }
        let name = String::from_utf8_lossy(entry.string(endian, strings)?);
        if !LIBRARIES.contains(&name.as_ref()) {
            bail!(
                "needs the library {name}, which provided.al2023 has not: leave out what links it"
            );
        }
    }
    Ok(())
}

fn versions(sections: &Sections<'_>, endian: Endianness, bytes: &[u8]) -> Result<()> {
    let Some((mut files, strings)) = sections.gnu_verneed(endian, bytes)? else {
        return Ok(());
    };
    let strings = sections.strings(endian, bytes, strings)?;
    while let Some((_, mut needed)) = files.next()? {
        while let Some(version) = needed.next()? {
            let name = version.name(endian, strings)?;
            if is_too_new(&String::from_utf8_lossy(name)) {
                let symbol = symbol_of(sections, endian, bytes, name)?;
                bail!(
                    "needs {symbol} of {}, provided.al2023 has glibc 2.34: {OTHERWISE}",
                    String::from_utf8_lossy(name)
                );
            }
        }
    }
    Ok(())
}

/// A symbol of this version, to say what asks for it.
fn symbol_of(
    sections: &Sections<'_>,
    endian: Endianness,
    bytes: &[u8],
    wanted: &[u8],
) -> Result<String> {
    let symbols = sections.symbols(endian, bytes, elf::SHT_DYNSYM)?;
    if let Some(versions) = sections.versions(endian, bytes)? {
        for (index, symbol) in symbols.enumerate() {
            let version = versions.version(versions.version_index(endian, index).index())?;
            if version.is_some_and(|version| version.name() == wanted) {
                let name = symbols.symbol_name(endian, symbol)?;
                return Ok(String::from_utf8_lossy(name).into_owned());
            }
        }
    }
    // What the linker itself asks for has no symbol.
    Ok("the loader".to_owned())
}

/// Whether a symbol's version is one of glibc that the runtime does not have. Versions without a
/// number (`GLIBC_ABI_DT_RELR`, `GLIBC_PRIVATE`) count as too new: the first came with 2.36.
fn is_too_new(version: &str) -> bool {
    let Some(numbers) = version.strip_prefix("GLIBC_") else {
        return false;
    };
    let numbers: Option<Vec<u32>> = numbers.split('.').map(|part| part.parse().ok()).collect();
    numbers.is_none_or(|numbers| numbers.iter().take(GLIBC.len()).gt(&GLIBC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_after_the_runtimes_are_too_new() {
        for (version, expected) in [
            ("GLIBC_2.2.5", false),
            ("GLIBC_2.34", false),
            ("GLIBC_2.34.1", false),
            ("GLIBC_2.35", true),
            ("GLIBC_2.100", true),
            ("GLIBC_3.0", true),
            ("GLIBC_ABI_DT_RELR", true),
            ("GLIBC_PRIVATE", true),
            ("GCC_3.0", false),
        ] {
            assert_eq!(is_too_new(version), expected, "{version}");
        }
    }

    #[test]
    fn what_cannot_start_is_refused_with_the_reason() {
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let own = if cfg!(target_arch = "aarch64") {
            [Processor::Arm64, Processor::X86_64]
        } else {
            [Processor::X86_64, Processor::Arm64]
        };
        for (bytes, processor, reason) in [
            (this.as_slice(), own[1], "not for "),
            (b"#!/bin/sh", own[0], "not a 64-bit ELF file"),
            (b"", own[0], "not a 64-bit ELF file"),
        ] {
            let error = check(bytes, processor).unwrap_err();
            assert!(error.to_string().starts_with(reason), "{error:#}");
        }
        assert!(!is_stripped(&this).unwrap(), "tests keep their names");
        check(&this, own[0]).unwrap();
    }

    #[test]
    fn a_symbol_that_the_runtime_does_not_have_is_named() {
        // Every program linked to glibc asks for `__libc_start_main`; renaming its version in the
        // table of names makes a program that asks for one of the future.
        let mut this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let version = b"GLIBC_2.34\0";
        let at = this
            .windows(version.len())
            .position(|window| window == version);
        let at = at.expect("the tests are built on glibc 2.34 or newer");
        this[at..at + version.len()].copy_from_slice(b"GLIBC_2.99\0");
        let header = Header::parse(this.as_slice()).unwrap();
        let endian = header.endian().unwrap();
        let sections = header.sections(endian, this.as_slice()).unwrap();
        let error = versions(&sections, endian, &this).unwrap_err().to_string();
        assert!(
            error.contains(" of GLIBC_2.99, provided.al2023 has glibc 2.34: build on"),
            "{error}"
        );
        assert!(!error.contains("the loader"), "{error}");
        libraries(&sections, endian, &this).unwrap();
    }
}

//! `cargo xtask package`: the functions as Lambda takes them, `target/lambda/NAME/bootstrap.zip`.
//!
//! The same source, compiler and packed bytes give the same file. With the profile `dist`, which
//! releases are made with, the paths of the machine are taken out of the binaries too; the profile
//! `ci` leaves them in, because the flags for it would compile everything once more.

mod archive;
mod elf;
mod target;

use crate::output::say;
use crate::process::{self, PROFILE, cargo, checks_build, program, root, succeeds};
use crate::tally::Tally;
use anyhow::{Context, Result, bail};
use clap::Args;
use elf::Processor;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

/// The functions, each a binary of the package.
pub(crate) const FUNCTIONS: [&str; 5] = ["validation", "aggregator", "anomaly", "api", "archiver"];

/// The profile that releases are built with.
const RELEASES: &str = "dist";

const PACKAGE: &str = "txp-lambda";

/// What Lambda starts in a runtime of the family `provided`.
const ENTRY: &str = "bootstrap";

/// Beside a zip: which binary it is of.
const NOTE: &str = "packed-from";

/// What is packed, and how it is built.
#[derive(Args)]
pub(crate) struct Options {
    /// The cargo profile: dist for releases, ci to share what the checks have built
    #[arg(long, default_value = RELEASES)]
    profile: String,
    /// Pack only this function; may be given more than once
    #[arg(long = "function", value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(FUNCTIONS))]
    functions: Vec<String>,
    /// For Graviton; needs the Rust target and a linker for it
    #[arg(long)]
    arm64: bool,
}

impl Options {
    /// All functions, for the processor of this machine.
    pub(crate) fn of_profile(profile: &str) -> Self {
        Self {
            profile: profile.to_owned(),
            functions: Vec::new(),
            arm64: false,
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<Tally> {
    let triple = target::triple(options.arm64)?;
    let mut build = build(options)?;
    if let Some(triple) = triple {
        build.args(["--target", triple]);
    }
    if !succeeds(&mut build)? {
        bail!("the functions cannot be built");
    }
    let mut binaries = process::target()?;
    binaries.extend(triple);
    // The folder of the profile dev is called debug, for reasons of history.
    binaries.push(match options.profile.as_str() {
        "dev" => "debug",
        other => other,
    });
    let processor = if options.arm64 {
        Processor::Arm64
    } else {
        Processor::X86_64
    };
    let mut total = Tally::default();
    for name in functions(options) {
        let zip = zip_path(name, processor)?;
        let sizes = pack(&binaries.join(name), &zip, processor)
            .with_context(|| format!("cannot pack {name}"))?;
        say(&format!(
            "{name:<12} {:>10} bytes, {:>10} packed: {}",
            sizes.0,
            sizes.1,
            zip.strip_prefix(root()?).unwrap_or(&zip).display()
        ));
        total += Tally::of(true);
    }
    Ok(total)
}

/// Packs what the checks have built once more and tells of each function whether it is the same file
/// as the one that lies there.
pub(crate) fn is_same_again() -> Result<Vec<(&'static str, bool)>> {
    let binaries = process::target()?.join(PROFILE);
    let mut found = Vec::new();
    for name in FUNCTIONS {
        let again = packed(&binaries.join(name), Processor::X86_64)?.1;
        found.push((name, again == read(&zip_path(name, Processor::X86_64)?)?));
    }
    Ok(found)
}

/// Where the zip of a function lies.
fn zip_path(name: &str, processor: Processor) -> Result<PathBuf> {
    let folder = match processor {
        Processor::X86_64 => "lambda",
        Processor::Arm64 => "lambda-arm64",
    };
    Ok(process::target()?
        .join(folder)
        .join(name)
        .join("bootstrap.zip"))
}

fn functions(options: &Options) -> impl Iterator<Item = &'static str> {
    FUNCTIONS.into_iter().filter(|name| {
        options.functions.is_empty() || options.functions.iter().any(|wanted| wanted == name)
    })
}

fn build(options: &Options) -> Result<Command> {
    let mut build = if options.profile == PROFILE {
        checks_build(process::FEATURES)?
    } else {
        cargo(&["build", "--profile", &options.profile, "--package", PACKAGE])?
    };
    if options.profile == RELEASES {
        build.env("CARGO_ENCODED_RUSTFLAGS", target::flags_without_paths()?);
    }
    for name in functions(options) {
        build.args(["--bin", name]);
    }
    Ok(build)
}

/// Packs one binary, unless the zip is of this very binary; its size and that of the zip.
fn pack(binary: &Path, zip: &Path, processor: Processor) -> Result<(usize, usize)> {
    let dir = zip.parent().context("a zip lies in a folder")?;
    std::fs::create_dir_all(dir)?;
    let (note, is_of) = (dir.join(NOTE), identity(binary)?);
    if let (Ok(noted), Ok(size)) = (std::fs::read_to_string(&note), std::fs::metadata(zip))
        && let Some(("", content)) = noted.split_once(&is_of)
    {
        return Ok((content.trim().parse()?, usize::try_from(size.len())?));
    }
    let (content, packed) = packed(binary, processor)?;
    // First the note goes, so that it never speaks of another zip.
    std::fs::write(&note, "")?;
    std::fs::write(zip, &packed).with_context(|| format!("cannot write {}", zip.display()))?;
    std::fs::write(&note, format!("{is_of} {content}"))?;
    Ok((content, packed.len()))
}

/// What tells this binary from one that was there before, or of another profile.
fn identity(binary: &Path) -> Result<String> {
    let missing = || format!("cannot read {}", binary.display());
    let metadata = std::fs::metadata(binary).with_context(missing)?;
    let modified = metadata.modified()?.duration_since(UNIX_EPOCH)?.as_nanos();
    Ok(format!(
        "{} {} {modified}",
        binary.display(),
        metadata.len()
    ))
}

/// The size of the stripped binary, and the zip's bytes.
fn packed(binary: &Path, processor: Processor) -> Result<(usize, Vec<u8>)> {
    let mut content = read(binary)?;
    if !elf::is_stripped(&content)? {
        content = stripped(binary)?;
    }
    elf::check(&content, processor)?;
    Ok((content.len(), archive::of_executable(ENTRY, &content)?))
}

/// The binary without names and debugger's tables, which only the profile `dist` leaves out itself.
fn stripped(binary: &Path) -> Result<Vec<u8>> {
    let out = binary.with_extension(format!("stripped-{}", std::process::id()));
    let mut strip = program("strip")?;
    strip.args(["--strip-all", "-o"]).arg(&out).arg(binary);
    if !succeeds(&mut strip).context("needs strip on PATH: install the Debian package binutils")? {
        bail!("cannot strip {}", binary.display());
    }
    let content = read(&out)?;
    std::fs::remove_file(&out)?;
    Ok(content)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

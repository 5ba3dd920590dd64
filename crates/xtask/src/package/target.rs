//! For which machine the functions are built, and the flags that keep this machine's name out.

use crate::process::{capture, program, root};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

/// The targets for Graviton, the better one first: with glibc its own, or with musl and none.
const ARM64: [&str; 2] = ["aarch64-unknown-linux-gnu", "aarch64-unknown-linux-musl"];

/// The target to name, none for the machine's own.
pub(super) fn triple(arm64: bool) -> Result<Option<&'static str>> {
    if !arm64 || cfg!(all(target_arch = "aarch64", target_os = "linux")) {
        return Ok(None);
    }
    for triple in ARM64 {
        let mut rustc = program(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))?;
        let libraries = capture(rustc.args(["--print", "target-libdir", "--target", triple]))?;
        if PathBuf::from(libraries.trim()).is_dir() {
            return Ok(Some(triple));
        }
    }
    bail!(
        "no Rust target for arm64: run `rustup target add {}`, install a C compiler for it (Debian: \
         gcc-aarch64-linux-gnu) and set CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER to it",
        ARM64[0]
    )
}

/// Flags for rustc, as cargo wants them in one variable, that put fixed names in the place of the
/// folders of the project and of its dependencies. What `RUSTFLAGS` says stays.
pub(super) fn flags_without_paths() -> Result<String> {
    let set = std::env::var("RUSTFLAGS").unwrap_or_default();
    let mut flags: Vec<String> = set.split_whitespace().map(str::to_owned).collect();
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let home = home.context("cannot find cargo's folder: set CARGO_HOME")?;
    for (path, name) in [(home, "/cargo"), (root()?, "/project")] {
        flags.push(format!("--remap-path-prefix={}={name}", path.display()));
    }
    // The separator that cargo documents: a path may hold blanks.
    Ok(flags.join("\u{1f}"))
}

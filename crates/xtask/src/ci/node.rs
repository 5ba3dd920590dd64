//! Pinned Node modules in `target/`, each set made from a lock file with hashes.

use crate::process::{program, root, succeeds, target};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// What Kinesis records and streams are held to.
pub(super) const INTEROP: &str = "tests/node";

/// What asks a server for more than it wants to give.
pub(crate) const LOAD: &str = "tests/load";

/// What drives a browser.
pub(super) const BROWSER: &str = "tests/browser";

/// The modules that a folder's lock names; made at first use and again when the lock changes.
pub(crate) fn modules(folder: &str) -> Result<PathBuf> {
    let source = root()?.join(folder);
    let mut hasher = DefaultHasher::new();
    for file in FILES {
        let path = source.join(file);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        text.hash(&mut hasher);
    }
    let dir = target()?.join(format!("node-{:016x}", hasher.finish()));
    let modules = dir.join("node_modules");
    let complete = dir.join("complete");
    if complete.is_file() {
        return Ok(modules);
    }
    std::fs::create_dir_all(&dir)?;
    // Stages that run beside each other may want them.
    let lock = File::create(dir.with_extension("lock"))?;
    lock.lock()
        .context("cannot wait for who installs the modules")?;
    if complete.is_file() {
        return Ok(modules);
    }
    for file in FILES {
        std::fs::copy(source.join(file), dir.join(file))?;
    }
    let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    let installed = succeeds(program("npm")?.args(install).arg("--prefix").arg(&dir));
    if !installed.context("needs Node.js 20 or newer with npm on PATH")? {
        bail!("cannot install {folder}/package-lock.json: is the package index reachable?");
    }
    std::fs::write(&complete, "").context("cannot mark the modules as complete")?;
    Ok(modules)
}

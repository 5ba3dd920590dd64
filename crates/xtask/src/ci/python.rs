//! Pinned Python environments in `target/`, each made from requirements with hashes.

use crate::process::{program, root, succeeds, target};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

/// The oldest Python that the pinned packages run on.
const MINOR_MIN: u32 = 11;

const MISSING: &str = "needs Python 3.11 or newer with venv as `python3` on PATH: install the Debian packages python3 and python3-venv";

/// What the API is tested with.
pub(crate) const API: &str = "tests/python/requirements.txt";

/// What the deployment and its tests are run with; the emulator is among it.
pub(super) const PULUMI: &str = "pulumi/requirements-test.txt";

/// A second emulator, and the AWS command line that the runbook's commands are run by: apart, because
/// they want another botocore.
pub(super) const SECOND: &str = "tests/python/second.txt";

/// What analysts open exports with.
pub(crate) const ANALYSTS: &str = "tests/python/analysts.txt";

/// What disturbs the functions' calls: apart, because it wants another botocore.
pub(super) const FAULTS: &str = "tests/python/faults.txt";

/// What metrics are compared with.
pub(crate) const METRICS: &str = "tests/python/metrics.txt";

/// An environment's interpreter; made at first use and again when the requirements change.
pub(crate) fn interpreter(requirements_path: &str) -> Result<PathBuf> {
    let requirements = root()?.join(requirements_path);
    let text = std::fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let dir = target()?.join(format!("python-{:016x}", hasher.finish()));
    let python = dir.join("bin/python");
    let complete = dir.join("complete");
    if complete.is_file() {
        return Ok(python);
    }
    // Stages that run beside each other may want the same.
    let lock = File::create(dir.with_extension("lock"))?;
    lock.lock()
        .context("cannot wait for who makes the environment")?;
    if complete.is_file() {
        return Ok(python);
    }
    check_version()?;
    if !succeeds(
        program("python3")?
            .args(["-m", "venv", "--clear"])
            .arg(&dir),
    )? {
        bail!("cannot make a Python environment; this {MISSING}");
    }
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "-r",
    ];
    if !succeeds(program(&python)?.args(install).arg(&requirements))? {
        bail!("cannot install {requirements_path}: is the package index reachable?");
    }
    std::fs::write(&complete, "").context("cannot mark the environment as complete")?;
    Ok(python)
}

fn check_version() -> Result<()> {
    let output = program("python3")?
        .arg("--version")
        .output()
        .context(MISSING)?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let minor = version
        .strip_prefix("Python 3.")
        .and_then(|rest| rest.split('.').next())
        .and_then(|minor| minor.parse::<u32>().ok());
    if minor.is_none_or(|minor| minor < MINOR_MIN) {
        bail!("found `{version}`; this stage {MISSING}");
    }
    Ok(())
}

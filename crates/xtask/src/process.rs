//! Running cargo and other programs from the root of the project.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The cargo profile that every task builds with, so that dependencies compile once.
pub(crate) const PROFILE: &str = "ci";

/// The features that every task builds with, for the same reason: the tests against the emulator.
pub(crate) const FEATURES: &str = "txp-aws/emulator,txp-lambda/emulator,txp-cli/parquet";

/// Those, and the sources on AWS of the command line. Without these the tests of the command line
/// say what its usual build refuses.
pub(crate) const AWS_FEATURES: &str =
    "txp-aws/emulator,txp-lambda/emulator,txp-cli/aws,txp-cli/parquet";

/// The compiler that also lints.
const LINTER: &str = "clippy-driver";

/// The project's folder.
pub(crate) fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here
        .ancestors()
        .nth(2)
        .context("xtask lies two folders below the root")?;
    Ok(root.to_path_buf())
}

/// The folder for everything that tasks make.
pub(crate) fn target() -> Result<PathBuf> {
    Ok(match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root()?.join(dir),
        None => root()?.join("target"),
    })
}

/// The built `txp`.
pub(crate) fn txp() -> Result<PathBuf> {
    built("txp")
}

/// Something that the stage `build` makes, by its path below the profile's folder.
pub(crate) fn built(name: &str) -> Result<PathBuf> {
    let path = target()?.join(PROFILE).join(name);
    if !path.is_file() {
        bail!(
            "{} is missing: run `cargo xtask ci --only build`",
            path.display()
        );
    }
    Ok(path)
}

/// A program in the project's root.
pub(crate) fn program(name: impl AsRef<std::ffi::OsStr>) -> Result<Command> {
    let mut command = Command::new(name);
    command.current_dir(root()?);
    Ok(command)
}

/// Cargo for the checks: what is compiled of the workspace is linted on the way, so that nothing is
/// compiled twice. Cargo keeps the warnings and shows them again whenever it is asked for the same.
///
/// The linter is the compiler with more passes before it makes code; the one thing that it leaves
/// out is to optimize before LLVM does. What is released is not compiled so.
pub(crate) fn linting_cargo(arguments: &[&str]) -> Result<Command> {
    let mut command = cargo(arguments)?;
    command.env("RUSTC_WORKSPACE_WRAPPER", linter()?);
    Ok(command)
}

/// Beside the cargo that runs this, where rustup has a proxy too; else whatever PATH has.
fn linter() -> Result<PathBuf> {
    let beside = std::env::var_os("CARGO")
        .map(|cargo| PathBuf::from(cargo).with_file_name(LINTER))
        .filter(|path| path.is_file());
    let path = beside.unwrap_or_else(|| LINTER.into());
    let found = Command::new(&path)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !found.is_ok_and(|status| status.success()) {
        bail!("the checks compile with {LINTER}: run `rustup component add clippy`");
    }
    Ok(path)
}

/// Builds as the stages of the checks do, so that whoever comes next compiles nothing again.
///
/// Cargo settles the features of dependencies by what is built of the workspace. All of it is named,
/// and an example: with one, cargo counts in what the tests depend on. A build of one package, or
/// without an example, would compile every SDK once more.
pub(crate) fn checks_build(features: &str) -> Result<Command> {
    let mut command = linting_cargo(&["build", "--workspace", "--profile", PROFILE])?;
    command.args(["--features", features, "--example", EXAMPLE]);
    Ok(command)
}

/// The example that prints the schemas: the smallest there is.
pub(crate) const EXAMPLE: &str = "schemas";

/// Cargo with these arguments.
pub(crate) fn cargo(arguments: &[&str]) -> Result<Command> {
    let mut command = program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))?;
    command.args(arguments);
    Ok(command)
}

/// Runs to the end with the output passed on; whether it succeeded.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {command:?}"))?;
    Ok(status.success())
}

/// Runs to the end, passes standard output on line by line and hands it back.
pub(crate) fn tee(command: &mut Command) -> Result<(bool, String)> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    let mut seen = String::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            crate::output::say(&line);
            seen.push_str(&line);
            seen.push('\n');
        }
    }
    Ok((child.wait()?.success(), seen))
}

/// Runs to the end and hands standard output back; an error if it failed.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} ended with {}", output.status);
    }
    String::from_utf8(output.stdout).context("output is not UTF-8")
}

/// Runs to the end; whether it succeeded, and standard output.
pub(crate) fn capture_any(command: &mut Command) -> Result<(bool, String)> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok((output.status.success(), text))
}

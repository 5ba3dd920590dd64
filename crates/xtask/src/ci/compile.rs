//! The stages that are cargo: format, build, lint, schemas, tests.

use super::{libtest, node, python};
use crate::output::say;
use crate::process::{AWS_FEATURES, FEATURES, PROFILE, cargo, linting_cargo, succeeds, tee};
use crate::process::{built, capture_any, checks_build, target};
use crate::tally::Tally;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

/// The variable by which tests that start the emulator find its Python.
const EMULATOR: &str = "TXP_MINISTACK";

/// The variable by which tests find the modules of Node, with the stream that can be resharded.
const RESHARDING: &str = "TXP_KINESALITE";

pub(super) fn format() -> Result<Tally> {
    Ok(Tally::of(succeeds(&mut cargo(&[
        "fmt", "--all", "--check",
    ])?)?))
}

/// The command line with its sources on AWS: beside the usual one, under a name of its own.
const AWS_TXP: &str = "txp-aws";

/// What the checks compile: first the command line with its sources on AWS, which then makes room
/// for the usual one, and everything else with the features that the test stage has too.
fn builds() -> Result<[Command; 2]> {
    let mut aws = checks_build(AWS_FEATURES)?;
    aws.args(["--bin", "txp"]);
    let mut all = checks_build(FEATURES)?;
    all.arg("--all-targets");
    Ok([all, aws])
}

pub(super) fn build() -> Result<Tally> {
    let [mut all, mut aws] = builds()?;
    if !succeeds(&mut aws)? {
        return Ok(Tally::of(false));
    }
    let kept = target()?.join(PROFILE).join(AWS_TXP);
    std::fs::copy(built("txp")?, kept).context("cannot keep txp with its sources on AWS")?;
    Ok(Tally::of(succeeds(&mut all)?))
}

/// Asks cargo for what it has built: it compiles nothing and tells the warnings again.
pub(super) fn lint() -> Result<Tally> {
    let mut warnings = BTreeSet::new();
    let mut is_built = true;
    let [all, aws] = builds()?;
    // In this order the usual command line is what lies there afterwards.
    for mut command in [aws, all] {
        let (success, told) = capture_any(command.args(["--quiet", "--message-format", "json"]))?;
        is_built &= success;
        warnings.extend(told.lines().filter_map(warning));
    }
    for text in &warnings {
        say(text);
    }
    let failed = warnings.len() as u64 + u64::from(!is_built);
    Ok(Tally {
        passed: u64::from(failed == 0),
        failed,
    })
}

/// What a line of cargo's messages complains about, as a person reads it. A library and its tests
/// say the same twice.
fn warning(line: &str) -> Option<String> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message.get("reason")?.as_str()? != "compiler-message" {
        return None;
    }
    let message = message.get("message")?;
    // Not the sum of them.
    message.get("spans")?.as_array()?.first()?;
    Some(message.get("rendered")?.as_str()?.to_owned())
}

pub(super) fn test() -> Result<Tally> {
    let arguments = [
        "test",
        "--workspace",
        "--features",
        FEATURES,
        "--profile",
        PROFILE,
        "--no-fail-fast",
    ];
    let mut command = linting_cargo(&arguments)?;
    command.env(EMULATOR, python::interpreter(python::PULUMI)?);
    command.env(RESHARDING, node::modules(node::INTEROP)?);
    let (success, output) = tee(&mut command)?;
    Ok(libtest::tally(&output).with_exit(success))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_found_among_cargos_messages() {
        let of = |spans: &str| {
            format!(
                r#"{{"reason":"compiler-message","message":{{"rendered":"warning: bad","level":"warning","spans":{spans}}}}}"#
            )
        };
        assert_eq!(
            warning(&of(r#"[{"file_name":"a.rs"}]"#)).as_deref(),
            Some("warning: bad")
        );
        assert_eq!(warning(&of("[]")), None);
        assert_eq!(warning(r#"{"reason":"compiler-artifact"}"#), None);
        assert_eq!(warning("   Compiling txp"), None);
    }
}

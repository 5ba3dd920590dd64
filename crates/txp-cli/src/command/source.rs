//! Where a history comes from: the `--source` of every command that reads one.

use super::Refusal;
use std::path::PathBuf;

/// Forms that need a cloud's libraries.
const AWS_PREFIXES: [&str; 3] = ["s3://", "kinesis:", "dynamodb:"];

/// The data directory that `--source` names, `default` if it is not given.
pub(super) fn local(source: Option<&str>, default: &std::path::Path) -> anyhow::Result<PathBuf> {
    let Some(source) = source else {
        return Ok(default.to_path_buf());
    };
    if let Some(dir) = source.strip_prefix("local:")
        && !dir.is_empty()
    {
        return Ok(PathBuf::from(dir));
    }
    let why = if AWS_PREFIXES.iter().any(|prefix| source.starts_with(prefix)) {
        "this txp was built without the feature `aws`, which reads from there"
    } else if source.starts_with("file:") {
        "this txp does not read exported files yet"
    } else {
        "a source is written local:DIR, as in --source local:./txp-data"
    };
    Err(Refusal::wrong_use(format!(
        "--source {source} cannot be read: {why}; local:DIR reads a data directory"
    )))
}

//! Where a replay goes, and what is refused before anything is written.

use super::super::Refusal;
use super::super::source::Source;
use anyhow::Context as _;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use txp_local::format::{self, FormatError, ReplayOf};
use txp_local::host::LOG_DIR;
use txp_local::log::LogReader;

/// The target, as `--into` says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// `local:DIR`.
    Directory(PathBuf),
    /// `dynamodb:TABLE`.
    Table(String),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(dir) => write!(f, "local:{}", dir.display()),
            Self::Table(table) => write!(f, "dynamodb:{table}"),
        }
    }
}

impl Destination {
    pub(super) fn parse(into: &str) -> anyhow::Result<Self> {
        match into.split_once(':') {
            Some(("local", dir)) if !dir.is_empty() => {
                let dir = Path::new(dir);
                Ok(Self::Directory(absolute(dir).with_context(|| {
                    format!("looking for the place of {}", dir.display())
                })?))
            }
            Some(("dynamodb", table)) if !table.is_empty() => Ok(Self::Table(table.to_owned())),
            _ => Err(Refusal::wrong_use(format!(
                "--into {into} is no target: a replay goes into local:DIR (a new directory) or \
                 dynamodb:TABLE"
            ))),
        }
    }
}

/// A path as it will be once it is there: links are followed as far as there are any.
fn absolute(path: &Path) -> std::io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    for known in path.ancestors() {
        if let Ok(real) = fs::canonicalize(known) {
            let rest = path.strip_prefix(known).unwrap_or(Path::new(""));
            return Ok(if rest.as_os_str().is_empty() {
                real
            } else {
                real.join(rest)
            });
        }
    }
    Ok(path)
}

/// The source, the same wherever the command is run: the id of a replay hangs on it.
pub(super) fn spelled(source: &Source) -> anyhow::Result<String> {
    let real = |path: &Path| {
        let place = || format!("looking for the place of {}", path.display());
        fs::canonicalize(path).with_context(place)
    };
    Ok(match source {
        Source::Local(dir) => Source::Local(real(dir)?).to_string(),
        Source::File(path) => Source::File(real(path)?).to_string(),
        other => other.to_string(),
    })
}

/// A replay never writes where it reads.
pub(super) fn check_apart(source: &Path, target: &Path) -> anyhow::Result<()> {
    let source = absolute(source)?;
    if source == target {
        return Err(Refusal::wrong_use(format!(
            "--into names the directory that is read, {}: a replay goes into another, new one; \
             `txp verify` compares this one with its history",
            source.display()
        )));
    }
    if target.starts_with(&source) || source.starts_with(target) {
        return Err(Refusal::wrong_use(format!(
            "of {} and {} one lies in the other: name a directory beside",
            source.display(),
            target.display()
        )));
    }
    Ok(())
}

/// What a directory is to this replay, in words.
///
/// # Errors
/// It is not to be replayed into.
pub(super) fn describe(dir: &Path, replay: &ReplayOf) -> anyhow::Result<&'static str> {
    let found = match format::read(dir) {
        Ok(format) => format.replay,
        Err(FormatError::Missing { .. }) => {
            let is_empty = fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none());
            return match is_empty {
                true => Ok("a new directory"),
                false => Err(FormatError::NotOurs { dir: dir.into() }.into()),
            };
        }
        Err(error) => return Err(error.into()),
    };
    let dir = dir.to_path_buf();
    match found {
        Some(found) if found.id == replay.id => {
            Ok("the directory of this replay: what it has is not folded again")
        }
        Some(found) => Err(FormatError::OtherReplay {
            dir,
            of: found.described(),
        }
        .into()),
        None => Err(FormatError::HasHistory { dir }.into()),
    }
}

/// A directory's history that is shorter than what was replayed of it is another one.
pub(super) fn check_holds(source: &Source, cursor: Option<&str>) -> anyhow::Result<()> {
    let (Source::Local(dir), Some(cursor)) = (source, cursor) else {
        return Ok(());
    };
    let Ok(sequence) = cursor.parse::<u64>() else {
        return Ok(());
    };
    let log = dir.join(LOG_DIR);
    LogReader::check_holds(&log, sequence).map_err(|error| {
        anyhow::Error::from(error).context(format!(
            "{} does not hold event {sequence}, up to which it was replayed before: it is damaged, or \
             another history stands in its place; replay it into a new directory",
            dir.display()
        ))
    })
}

//! Where a history comes from: the `--source` of every command that reads one.
//!
//! ```text
//! local:DIR                         a data directory
//! file:PATH                         what `txp events` wrote, packed or not; a folder of such files;
//!                                   a folder that an archive was copied to
//! s3://BUCKET/PREFIX                an archive
//! kinesis:STREAM                    a stream
//! s3://BUCKET/PREFIX+kinesis:STREAM the archive, then what the stream holds behind it
//! dynamodb:TABLE                    a state, not a history
//! ```
//!
//! A command takes [`HistoryArgs`] (and [`Filter`] where a part will do), has them read by
//! [`HistoryArgs::source`] and [`HistoryArgs::window`], opens the one at the other, and asks
//! [`Opened`] for batch after batch.

mod args;
#[cfg(feature = "aws")]
mod aws;
mod filter;
mod opened;
mod progress;

pub(super) use args::{HistoryArgs, time};
#[cfg(feature = "aws")]
pub(super) use aws::{each_transaction, transactions};
pub(super) use filter::{Filter, FilterArgs};
pub(super) use opened::Opened;
pub(super) use progress::Reading;

use super::Refusal;
use anyhow::Context as _;
use std::fmt;
use std::path::{Path, PathBuf};
use tokio::runtime::{Builder, Runtime};
use txp_pipeline::port::Window;

/// Between an archive and the stream behind it.
const JOINT: &str = "+kinesis:";

/// What a source is, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// `local:DIR`: a data directory.
    Local(PathBuf),
    /// `file:PATH`: events in files.
    File(PathBuf),
    /// `kinesis:STREAM`.
    Stream(String),
    /// `s3://BUCKET/PREFIX`: an archive.
    Archive(Place),
    /// `s3://BUCKET/PREFIX+kinesis:STREAM`: an archive, and the stream behind it.
    Joined(Place, String),
    /// `dynamodb:TABLE`: a state, not a history.
    Table(String),
}

/// Where in a bucket an archive is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    bucket: String,
    /// Empty, or ending in a slash.
    prefix: String,
}

impl Place {
    fn of(text: &str) -> Result<Self, &'static str> {
        let (bucket, prefix) = text.split_once('/').unwrap_or((text, ""));
        if bucket.is_empty() {
            return Err("an archive is written s3://BUCKET/PREFIX");
        }
        let is_whole = prefix.is_empty() || prefix.ends_with('/');
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix: format!("{prefix}{}", if is_whole { "" } else { "/" }),
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

/// As it is written.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(dir) => write!(f, "local:{}", dir.display()),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Stream(stream) => write!(f, "kinesis:{stream}"),
            Self::Archive(place) => place.fmt(f),
            Self::Joined(place, stream) => write!(f, "{place}{JOINT}{stream}"),
            Self::Table(table) => write!(f, "dynamodb:{table}"),
        }
    }
}

impl Source {
    /// Reads what `--source` says; the data directory `default` if it is not given.
    pub(super) fn parse(source: Option<&str>, default: &Path) -> anyhow::Result<Self> {
        let Some(source) = source else {
            return Ok(Self::Local(default.to_path_buf()));
        };
        match Self::of(source) {
            Ok(found) if cfg!(feature = "aws") || !found.is_on_aws() => Ok(found),
            Ok(_) => Err(without_aws(source)),
            Err(why) => Err(unreadable(source, why)),
        }
    }

    fn of(source: &str) -> Result<Self, &'static str> {
        const UNKNOWN: &str = "a source is written local:DIR, as in --source local:./txp-data";
        if let Some(rest) = source.strip_prefix("s3://") {
            return match rest.rsplit_once(JOINT) {
                Some((_, "")) => Err("behind an archive a stream is written +kinesis:STREAM"),
                Some((place, stream)) => Ok(Self::Joined(Place::of(place)?, stream.to_owned())),
                None => Ok(Self::Archive(Place::of(rest)?)),
            };
        }
        match source.split_once(':') {
            Some((_, "")) | None => Err(UNKNOWN),
            Some(("local", dir)) => Ok(Self::Local(PathBuf::from(dir))),
            Some(("file", path)) => Ok(Self::File(PathBuf::from(path))),
            Some(("kinesis", stream)) => Ok(Self::Stream(stream.to_owned())),
            Some(("dynamodb", table)) => Ok(Self::Table(table.to_owned())),
            Some(_) => Err(UNKNOWN),
        }
    }

    fn is_on_aws(&self) -> bool {
        !matches!(self, Self::Local(_) | Self::File(_))
    }

    /// What can be said before anything is read: a data directory is one, a table has no events.
    pub(super) fn check_history(&self) -> anyhow::Result<()> {
        match self {
            Self::Local(dir) => match txp_local::format::read(dir)?.replay {
                None => Ok(()),
                Some(replay) => Err(Refusal::wrong_use(format!(
                    "{} is what a replay has folded of {}, it has no history of its own: read that one",
                    dir.display(),
                    replay.described()
                ))),
            },
            Self::File(path) if path.is_dir() && txp_local::format::read(path).is_ok() => {
                Err(Refusal::wrong_use(format!(
                    "{} is a data directory: --source local:{0} reads it",
                    path.display()
                )))
            }
            Self::Table(table) => Err(Refusal::wrong_use(format!(
                "--source dynamodb:{table} has no events: a table is a fold of them; \
                 `txp status --source dynamodb:{table}` reads it"
            ))),
            Self::File(_) | Self::Stream(_) | Self::Archive(_) | Self::Joined(..) => Ok(()),
        }
    }

    /// Opens a history at the beginning of a window.
    pub(super) async fn open(&self, window: Window) -> anyhow::Result<Opened> {
        match self {
            Self::Local(dir) => Opened::local(dir, window),
            Self::File(path) => Opened::files(path, window).await,
            #[cfg(feature = "aws")]
            other => aws::open(other, window).await,
            #[cfg(not(feature = "aws"))]
            other => Err(without_aws(&other.to_string())),
        }
    }
}

/// What is there is read by a txp with the feature only.
pub(super) fn without_aws(source: &str) -> anyhow::Error {
    let why = "this txp was built without the feature `aws`, which reads from there (cargo build -p txp-cli --features aws)";
    unreadable(source, why)
}

fn unreadable(source: &str, why: &str) -> anyhow::Error {
    Refusal::wrong_use(format!(
        "--source {source} cannot be read: {why}; local:DIR reads a data directory, file:PATH what `txp events` wrote"
    ))
}

/// What drives a source: one thread, this one.
pub(super) fn runtime() -> anyhow::Result<Runtime> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.context("starting what reads the source")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_read_as_it_is_written() {
        let place = |bucket: &str, prefix: &str| Place {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        };
        let archive = |bucket: &str, prefix: &str| Source::Archive(place(bucket, prefix));
        for (text, expected) in [
            ("local:./data", Source::Local("./data".into())),
            ("local:c:d", Source::Local("c:d".into())),
            (
                "kinesis:events-prod",
                Source::Stream("events-prod".to_owned()),
            ),
            (
                "dynamodb:transactions-dev",
                Source::Table("transactions-dev".to_owned()),
            ),
            ("s3://archive", archive("archive", "")),
            ("s3://archive/", archive("archive", "")),
            ("s3://archive/a/b", archive("archive", "a/b/")),
            ("s3://archive/a/", archive("archive", "a/")),
            ("file:all.ndjson.gz", Source::File("all.ndjson.gz".into())),
            (
                "s3://archive/a+b+kinesis:events",
                Source::Joined(place("archive", "a+b/"), "events".to_owned()),
            ),
        ] {
            let source = Source::of(text);
            assert_eq!(source.as_ref(), Ok(&expected), "{text}");
            assert_eq!(Source::of(&expected.to_string()), source, "{text}");
        }
        for text in [
            "",
            "data",
            "local:",
            "kinesis:",
            "s3://",
            "s3:///a",
            "s3://b/+kinesis:",
            "s3://+kinesis:s",
            "file:",
            "x:y",
        ] {
            assert!(Source::of(text).is_err(), "{text}");
        }
    }
}

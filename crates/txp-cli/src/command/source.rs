//! Where a history comes from: the `--source` of every command that reads one.

#[cfg(feature = "aws")]
mod aws;
mod opened;

#[cfg(feature = "aws")]
pub(super) use aws::transactions;
pub(super) use opened::Opened;

use super::Refusal;
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use tokio::runtime::{Builder, Runtime};
use txp_pipeline::port::Window;

/// What a source is, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// `local:DIR`: a data directory.
    Local(PathBuf),
    /// `kinesis:STREAM`.
    Stream(String),
    /// `s3://BUCKET/PREFIX`: an archive.
    Archive { bucket: String, prefix: String },
    /// `dynamodb:TABLE`: a state, not a history.
    Table(String),
}

impl Source {
    /// Reads what `--source` says; the data directory `default` if it is not given.
    pub(super) fn parse(source: Option<&str>, default: &Path) -> anyhow::Result<Self> {
        let Some(source) = source else {
            return Ok(Self::Local(default.to_path_buf()));
        };
        match Self::of(source) {
            Ok(Self::Local(dir)) => Ok(Self::Local(dir)),
            Ok(found) if cfg!(feature = "aws") => Ok(found),
            Ok(_) => Err(without_aws(source)),
            Err(why) => Err(unreadable(source, why)),
        }
    }

    fn of(source: &str) -> Result<Self, &'static str> {
        const UNKNOWN: &str = "a source is written local:DIR, as in --source local:./txp-data";
        if let Some(rest) = source.strip_prefix("s3://") {
            if rest.contains("+kinesis:") {
                return Err(
                    "this txp does not read an archive and the stream behind it as one yet",
                );
            }
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let is_whole = prefix.is_empty() || prefix.ends_with('/');
            return if bucket.is_empty() {
                Err("an archive is written s3://BUCKET/PREFIX")
            } else {
                Ok(Self::Archive {
                    bucket: bucket.to_owned(),
                    prefix: format!("{prefix}{}", if is_whole { "" } else { "/" }),
                })
            };
        }
        match source.split_once(':') {
            Some((_, "")) | None => Err(UNKNOWN),
            Some(("local", dir)) => Ok(Self::Local(PathBuf::from(dir))),
            Some(("kinesis", stream)) => Ok(Self::Stream(stream.to_owned())),
            Some(("dynamodb", table)) => Ok(Self::Table(table.to_owned())),
            Some(("file", _)) => Err("this txp does not read exported files yet"),
            Some(_) => Err(UNKNOWN),
        }
    }

    /// What can be said before anything is read: a data directory is one, a table has no events.
    pub(super) fn check_history(&self) -> anyhow::Result<()> {
        match self {
            Self::Local(dir) => {
                txp_local::format::read(dir)?;
                Ok(())
            }
            Self::Table(table) => Err(Refusal::wrong_use(format!(
                "--source dynamodb:{table} has no events: a table is a fold of them; \
                 `txp status --source dynamodb:{table}` reads it"
            ))),
            Self::Stream(_) | Self::Archive { .. } => Ok(()),
        }
    }

    /// Opens a history at the beginning of a window.
    pub(super) async fn open(&self, window: Window) -> anyhow::Result<Opened> {
        match self {
            Self::Local(dir) => Opened::local(dir, window),
            #[cfg(feature = "aws")]
            other => aws::open(other, window).await,
            #[cfg(not(feature = "aws"))]
            Self::Stream(stream) => Err(without_aws(&format!("kinesis:{stream}"))),
            #[cfg(not(feature = "aws"))]
            Self::Archive { bucket, prefix } => {
                Err(without_aws(&format!("s3://{bucket}/{prefix}")))
            }
            #[cfg(not(feature = "aws"))]
            Self::Table(table) => Err(without_aws(&format!("dynamodb:{table}"))),
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
        "--source {source} cannot be read: {why}; local:DIR reads a data directory"
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
        let archive = |bucket: &str, prefix: &str| Source::Archive {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        };
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
        ] {
            assert_eq!(Source::of(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "data",
            "local:",
            "kinesis:",
            "s3://",
            "s3:///a",
            "s3://b/+kinesis:s",
            "file:x",
            "x:y",
        ] {
            assert!(Source::of(text).is_err(), "{text}");
        }
    }
}

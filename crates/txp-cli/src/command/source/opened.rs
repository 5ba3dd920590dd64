//! An open source of whichever kind: the one place where the kinds are told apart.

use std::path::Path;
#[cfg(feature = "aws")]
use txp_aws::{
    clock::SystemClock,
    history::JoinedSource,
    kinesis::{read::StreamReader, reader::StreamSource},
    s3::archive::Archive,
};
use txp_local::files::{FileSource, FolderArchive};
use txp_local::host::LOG_DIR;
use txp_local::log::LogSource;
use txp_local::snapshot::Snapshot;
use txp_pipeline::history::archive::ArchiveSource;
use txp_pipeline::port::{EventSource, HowFar, PortError, Progress, SourceBatch, Window};
#[cfg(feature = "aws")]
use txp_pipeline::retry::RetryPolicy;

/// A source that is being read.
pub(in crate::command) enum Opened {
    /// A data directory's log.
    Local(Box<LogSource>),
    /// Files of events.
    Files(Box<FileSource>),
    /// An archive in a folder.
    Folder(Box<ArchiveSource<FolderArchive>>),
    /// A stream.
    #[cfg(feature = "aws")]
    Stream(Box<StreamSource<StreamReader, SystemClock>>),
    /// An archive.
    #[cfg(feature = "aws")]
    Archive(Box<ArchiveSource<Archive>>),
    /// An archive and the stream behind it.
    #[cfg(feature = "aws")]
    Joined(Box<JoinedSource<Archive, StreamReader, SystemClock>>),
}

impl Opened {
    pub(super) fn local(dir: &Path, window: Window) -> anyhow::Result<Self> {
        // A state that cannot be read says nothing about the log, which is the truth.
        let folded_through = Snapshot::of_state(dir).map_or(0, |snapshot| snapshot.as_of.sequence);
        let source = LogSource::open(&dir.join(LOG_DIR), window, folded_through)?;
        Ok(Self::Local(Box::new(source)))
    }

    pub(super) async fn files(path: &Path, window: Window) -> anyhow::Result<Self> {
        if path.is_dir()
            && let Some(archive) = FolderArchive::of(path)?
        {
            let source = ArchiveSource::open(archive, window).await?;
            return Ok(Self::Folder(Box::new(source)));
        }
        Ok(Self::Files(Box::new(FileSource::open(path, window)?)))
    }
}

macro_rules! each {
    ($opened:expr, $source:ident => $do:expr) => {
        match $opened {
            Opened::Local($source) => $do,
            Opened::Files($source) => $do,
            Opened::Folder($source) => $do,
            #[cfg(feature = "aws")]
            Opened::Stream($source) => $do,
            #[cfg(feature = "aws")]
            Opened::Archive($source) => $do,
            #[cfg(feature = "aws")]
            Opened::Joined($source) => $do,
        }
    };
}

impl EventSource for Opened {
    async fn next(&mut self, batch: &mut SourceBatch) -> Result<Progress, PortError> {
        match self {
            // A stream waits out by itself what may pass.
            #[cfg(feature = "aws")]
            Self::Archive(source) => patiently(&mut **source, batch).await,
            #[cfg(feature = "aws")]
            Self::Joined(source) => patiently(&mut **source, batch).await,
            other => each!(other, source => source.next(batch).await),
        }
    }

    fn pass_damage(&mut self) -> Result<bool, PortError> {
        each!(self, source => source.pass_damage())
    }

    fn cursor(&self) -> String {
        each!(self, source => source.cursor())
    }

    fn how_far(&self) -> Option<HowFar> {
        each!(self, source => source.how_far())
    }
}

/// A source stands where it stood after an error, so what may pass is tried again.
#[cfg(feature = "aws")]
async fn patiently<S: EventSource>(
    source: &mut S,
    batch: &mut SourceBatch,
) -> Result<Progress, PortError> {
    let read = RetryPolicy::PATIENT.run(&SystemClock, async |_| source.next(batch).await);
    read.await
}

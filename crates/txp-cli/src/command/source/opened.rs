//! An open source of whichever kind: the one place where the kinds are told apart.

use std::path::Path;
#[cfg(feature = "aws")]
use txp_aws::{
    clock::SystemClock,
    kinesis::{read::StreamReader, reader::StreamSource},
    s3::archive::ArchiveSource,
};
use txp_local::host::LOG_DIR;
use txp_local::log::LogSource;
use txp_local::snapshot::Snapshot;
use txp_pipeline::port::{EventSource, PortError, Progress, SourceBatch, Window};

/// A source that is being read.
pub(in crate::command) enum Opened {
    /// A data directory's log.
    Local(Box<LogSource>),
    /// A stream.
    #[cfg(feature = "aws")]
    Stream(Box<StreamSource<StreamReader, SystemClock>>),
    /// An archive.
    #[cfg(feature = "aws")]
    Archive(Box<ArchiveSource>),
}

impl Opened {
    pub(super) fn local(dir: &Path, window: Window) -> anyhow::Result<Self> {
        // A state that cannot be read says nothing about the log, which is the truth.
        let folded_through = Snapshot::of_state(dir).map_or(0, |snapshot| snapshot.as_of.sequence);
        let source = LogSource::open(&dir.join(LOG_DIR), window, folded_through)?;
        Ok(Self::Local(Box::new(source)))
    }
}

impl EventSource for Opened {
    async fn next(&mut self, batch: &mut SourceBatch) -> Result<Progress, PortError> {
        match self {
            Self::Local(source) => source.next(batch).await,
            #[cfg(feature = "aws")]
            Self::Stream(source) => source.next(batch).await,
            #[cfg(feature = "aws")]
            Self::Archive(source) => source.next(batch).await,
        }
    }

    fn cursor(&self) -> String {
        match self {
            Self::Local(source) => source.cursor(),
            #[cfg(feature = "aws")]
            Self::Stream(source) => source.cursor(),
            #[cfg(feature = "aws")]
            Self::Archive(source) => source.cursor(),
        }
    }
}

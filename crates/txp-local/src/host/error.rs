//! Why the host cannot go on.

use crate::control::ControlError;
use crate::format::FormatError;
use crate::lock::LockError;
use crate::log::LogError;
use crate::runs::StateError;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use txp_pipeline::port::PortError;
use txp_pipeline::rulefile::RuleFileError;
use txp_pipeline::stage::ingest::{IngestError, OptionsFault};

/// Why the embedded host cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The directory is not one of ours, or of a newer format.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Another process writes to the directory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The log cannot be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// Control records cannot be read or written.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// A stage failed.
    #[error(transparent)]
    Port(PortError),
    /// What a checkpoint says beside the state cannot be read.
    #[error(
        "the checkpoint's description cannot be read; delete the directory's state/ to have it folded again from the log"
    )]
    Meta(#[source] serde_json::Error),
    /// An event cannot be written.
    #[error("an event cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
    /// A recorded rule set is not sound.
    #[error("the active rules cannot be read")]
    Rules(#[source] RuleFileError),
    /// Options of an upload cannot be used.
    #[error(transparent)]
    Options(#[from] OptionsFault),
    /// A file was not read to its end.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// A file or directory cannot be used.
    #[error("{what} {} failed", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The file of a key cannot be used.
    #[error("{what} {name} {} failed", path.display())]
    KeyFile {
        /// What was tried.
        what: &'static str,
        /// Which key.
        name: &'static str,
        /// Its file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A key is not usable.
    #[error("{name} in {} is not usable: {why}", path.display())]
    Key {
        /// Which key.
        name: &'static str,
        /// The key's file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The host failed before; it takes nothing more.
    #[error(
        "the host has stopped after an error; nothing that was acknowledged is lost, start it again"
    )]
    Failed(#[source] Arc<HostError>),
    /// A thread of the host ended by a panic.
    #[error("the host's thread {0} ended by a panic, which is a fault of txp: please report it")]
    Panicked(&'static str),
    /// The host is being stopped.
    #[error("the host is being stopped")]
    Stopping,
}

/// What has to be done about a host that failed, without names of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// No room was left.
    MakeRoom,
    /// A file is damaged.
    LookForDamage,
    /// What the error itself says.
    ReadTheLog,
}

impl HostError {
    /// What has to be done about it.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = cause {
            if let Some(kind) = error.downcast_ref::<io::Error>().map(io::Error::kind) {
                return match kind {
                    io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
                    | io::ErrorKind::FileTooLarge => Remedy::MakeRoom,
                    _ => Remedy::ReadTheLog,
                };
            }
            let is_damage = matches!(
                error.downcast_ref::<StateError>(),
                Some(StateError::Corrupt { .. })
            ) || matches!(
                error.downcast_ref::<LogError>(),
                Some(LogError::Corrupt { .. })
            );
            if is_damage {
                return Remedy::LookForDamage;
            }
            cause = error.source();
        }
        Remedy::ReadTheLog
    }

    pub(crate) fn io(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}

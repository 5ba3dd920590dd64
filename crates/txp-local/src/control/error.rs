//! Why control records cannot be used.

use crate::format::FormatError;
use std::io;
use std::path::{Path, PathBuf};
use txp_domain::alert::TooManySuppressions;

/// Why a control record cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The data directory is not one of ours.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The system refused.
    #[error("cannot {action} {}: this user must be able to write to the data directory", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A record makes no sense.
    #[error("{} is damaged{}: restore it from a copy of the directory", path.display(), at_line(*line))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, where records are lines.
        line: Option<usize>,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The key that signs links is none.
    #[error(
        "{} is damaged: restore it from a copy of the directory, or delete it to have a new key made; links that were given out before and not used are refused then",
        path.display()
    )]
    SigningKey {
        /// The key's file.
        path: PathBuf,
    },
    /// The operator's token is none.
    #[error(
        "{} holds no operator token: `txp operator-token --rotate` makes a new one",
        path.display()
    )]
    OperatorToken {
        /// The token's file.
        path: PathBuf,
    },
    /// The system gives no randomness to make keys of.
    #[error("the system gives no random bytes to make keys of")]
    NoRandomness,
    /// A name that a client cannot have.
    #[error(
        "a client's name has 1 to 64 letters a-z, digits and - (a letter or digit first), at most 11 digits, and is not `local`"
    )]
    Name,
    /// The name is taken.
    #[error("a client of this name is there already: choose another, or use `txp clients rotate`")]
    NameTaken,
    /// No such client.
    #[error("there is no client of this name that is not revoked: see `txp clients list`")]
    UnknownClient,
    /// A merchant's id that is none.
    #[error("a merchant id has 1 to 64 of A-Z a-z 0-9 _ - . : with a letter or digit first")]
    Merchant,
    /// A merchant's id that holds a card number.
    #[error(
        "a merchant id holds a card number: check --merchants, or add --allow-long-number-ids if the client's ids are long numbers"
    )]
    MerchantCard,
    /// No merchant at all.
    #[error("name at least one merchant, or * for all")]
    NoMerchants,
    /// Where a webhook cannot go.
    #[error("the URL of a webhook cannot be that: {0}")]
    WebhookUrl(#[source] txp_pipeline::webhook::BadUrl),
    /// No such webhook.
    #[error("there is no webhook of this id: see `txp webhooks list`")]
    UnknownWebhook,
    /// More webhooks than anyone watches.
    #[error("there are 100 webhooks: remove one first")]
    TooManyWebhooks,
    /// More suppressions than exceptions.
    #[error(transparent)]
    TooManySuppressions(#[from] TooManySuppressions),
    /// A default that is none.
    #[error("a client's defaults are a currency such as USD and a time zone such as Europe/Berlin")]
    Defaults,
}

fn at_line(line: Option<usize>) -> String {
    line.map(|line| format!(" in line {line}"))
        .unwrap_or_default()
}

impl ControlError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// Whether no room is left on the disk.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_full(source))
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

//! Which events of a history are wanted.

use crate::command::Refusal;
use serde::Deserialize;
use std::borrow::Cow;
use txp_domain::event::EventType;
use txp_domain::id::UploadId;

/// What may be asked for.
#[derive(Clone, Debug, Default, clap::Args)]
pub(in crate::command) struct FilterArgs {
    /// Only events of this merchant's transactions
    #[arg(long, value_name = "MERCHANT_ID")]
    merchant: Option<String>,
    /// Only events of this transaction
    #[arg(long, value_name = "TRANSACTION_ID")]
    transaction: Option<String>,
    /// Only events of this type, as in --type row.rejected
    #[arg(long = "type", value_name = "TYPE", value_parser = kind)]
    kind: Option<EventType>,
    /// Only events of this upload: its own, its rows', and what was found in them
    #[arg(long, value_name = "UPLOAD_ID")]
    upload: Option<String>,
}

fn kind(text: &str) -> Result<EventType, String> {
    EventType::from_name(text).ok_or_else(|| {
        let names = EventType::ALL.map(EventType::name).join(", ");
        format!("the types are {names}")
    })
}

/// Which events are wanted.
#[derive(Clone, Debug, Default)]
pub(in crate::command) struct Filter {
    kind: Option<EventType>,
    /// What subjects start with.
    merchant: Option<String>,
    /// What subjects end with.
    transaction: Option<String>,
    /// What ids start with.
    upload: Option<String>,
}

/// What the filter looks at.
#[derive(Deserialize)]
struct Seen<'a> {
    #[serde(borrow, default)]
    id: Cow<'a, str>,
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    subject: Cow<'a, str>,
}

impl Filter {
    /// What was asked for.
    pub(in crate::command) fn of(args: &FilterArgs) -> anyhow::Result<Self> {
        if let Some(upload) = &args.upload
            && UploadId::parse(upload.as_bytes()).is_none()
        {
            return Err(Refusal::wrong_use(format!(
                "{upload} is no upload's id; `txp uploads` lists them"
            )));
        }
        Ok(Self {
            kind: args.kind,
            merchant: args.merchant.as_ref().map(|id| format!("{id}/")),
            transaction: args.transaction.as_ref().map(|id| format!("/{id}")),
            upload: args.upload.as_ref().map(|id| format!("{id}:")),
        })
    }

    /// Whether every event is wanted.
    fn is_open(&self) -> bool {
        self.kind.is_none()
            && self.merchant.is_none()
            && self.transaction.is_none()
            && self.upload.is_none()
    }

    /// Whether an event is wanted.
    pub(in crate::command) fn lets_pass(&self, event: &[u8]) -> bool {
        if self.is_open() {
            return true;
        }
        let Ok(seen) = serde_json::from_slice::<Seen<'_>>(event) else {
            return false;
        };
        // A rejected row without usable ids has its upload and record as subject.
        let names_row = || {
            let mut parts = seen.subject.split('/');
            let first = parts.next().unwrap_or_default();
            UploadId::parse(first.as_bytes()).is_some()
        };
        let of_transaction = self.merchant.is_none() && self.transaction.is_none() || !names_row();
        of_transaction
            && self.kind.is_none_or(|kind| kind.name() == seen.kind)
            && self.merchant.iter().all(|m| seen.subject.starts_with(m))
            && self.transaction.iter().all(|t| seen.subject.ends_with(t))
            && self.upload.iter().all(|u| seen.id.starts_with(u))
    }
}

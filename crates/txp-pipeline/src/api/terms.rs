//! What was agreed on when a link was given: kept beside the link until the file comes, and then
//! what the file is read by.

use super::{Client, UploadRequest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use txp_domain::event::{Defaults, Merchants, Redrive, SourceFile, UploadOptions, UploadReceived};
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_domain::trace::TraceParent;

/// The terms of one upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Whose upload it is.
    pub client_id: String,
    /// The merchants that the client may send for, as they stood when the link was given.
    pub merchants: Merchants,
    /// Identifiers may look like card numbers: an operator's exemption of the client.
    #[serde(default)]
    pub long_number_ids_allowed: bool,
    /// The file's name, long numbers redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// Exactly so many bytes are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_length: Option<u64>,
    /// This content only: SHA-256 in 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// One bad row refuses the whole file.
    #[serde(default)]
    pub strict: bool,
    /// Validate only.
    #[serde(default)]
    pub dry_run: bool,
    /// What a row means that does not say; the client's own where the request names none.
    #[serde(default)]
    pub defaults: Defaults,
    /// Their column name to ours.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, String>,
    /// The trace of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceParent>,
    /// Not a file of its own: an operator has rows of an earlier one read again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redrive: Option<RedriveTerms>,
}

/// The terms of rows that are read again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedriveTerms {
    /// When the first upload arrived: a row without a timestamp means the same time again.
    pub arrived_at: Timestamp,
    /// Which rows.
    #[serde(flatten)]
    pub rows: Redrive,
}

impl Terms {
    /// The terms of somebody who asks for nothing, and is bound by nothing but the merchants.
    #[must_use]
    pub fn plain(client_id: &str, merchants: Merchants) -> Self {
        Self {
            client_id: client_id.to_owned(),
            merchants,
            long_number_ids_allowed: false,
            file_name: None,
            content_length: None,
            sha256: None,
            strict: false,
            dry_run: false,
            defaults: Defaults::default(),
            columns: BTreeMap::new(),
            trace: None,
            redrive: None,
        }
    }

    /// The terms on which the file of an upload is read once more for the rows that `received`
    /// names; `sha256` is that of the file. `None` if it names none.
    #[must_use]
    pub fn of_redrive(received: &UploadReceived, sha256: String) -> Option<Self> {
        let rows = received.options.redrive.clone()?;
        let options = received.options.clone();
        Some(Self {
            long_number_ids_allowed: options.long_number_ids_allowed,
            file_name: Some(received.file.name.clone()),
            content_length: received.file.bytes,
            sha256: Some(sha256),
            strict: options.strict,
            defaults: options.defaults,
            columns: options.columns,
            trace: received.trace.clone(),
            redrive: Some(RedriveTerms {
                arrived_at: received.uploaded_at,
                rows,
            }),
            ..Self::plain(&received.client_id, received.merchants.clone())
        })
    }

    /// The terms that a client asks for.
    #[must_use]
    pub fn of(request: UploadRequest, client: &Client) -> Self {
        let own = request.defaults;
        let defaults = &client.defaults;
        Self {
            long_number_ids_allowed: client.long_number_ids_allowed,
            file_name: request.filename,
            content_length: request.content_length,
            sha256: request.sha256,
            strict: request.strict,
            dry_run: request.dry_run,
            defaults: Defaults {
                currency: own.currency.or_else(|| defaults.currency.clone()),
                time_zone: own.time_zone.or_else(|| defaults.time_zone.clone()),
            },
            columns: request.columns,
            ..Self::plain(&client.client_id, client.merchants.clone())
        }
    }

    /// What the history is told of the file once it is there, and came at this time. `bytes` is its
    /// size.
    #[must_use]
    pub fn received(
        &self,
        upload_id: UploadId,
        uploaded_at: Timestamp,
        bytes: u64,
    ) -> UploadReceived {
        let redrive = self.redrive.as_ref();
        UploadReceived {
            upload_id,
            uploaded_at: redrive.map_or(uploaded_at, |redrive| redrive.arrived_at),
            trace: self.trace.clone(),
            client_id: self.client_id.clone(),
            file: SourceFile {
                name: file_name(self.file_name.as_deref(), upload_id),
                bytes: Some(bytes),
                identity: None,
            },
            options: UploadOptions {
                strict: self.strict,
                defaults: self.defaults.clone(),
                columns: self.columns.clone(),
                long_number_ids_allowed: self.long_number_ids_allowed,
                redrive: redrive.map(|redrive| redrive.rows.clone()),
            },
            merchants: self.merchants.clone(),
        }
    }
}

/// What an upload's file is called, from the first to the last: as the request said, else by the
/// upload.
#[must_use]
pub fn file_name(given: Option<&str>, upload_id: UploadId) -> String {
    given.map_or_else(|| format!("{upload_id}.csv"), str::to_owned)
}

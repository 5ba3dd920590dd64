//! A file as it came: what is known of it before it is read, and whether it is what was agreed on.

use super::event::Continuation;
use anyhow::Context;
use txp_aws::dynamodb::uploads::UploadView;
use txp_aws::s3::object::ObjectHead;
use txp_domain::event::{FailureReason, Merchants, UploadReceived};
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_pipeline::api::Terms;
use txp_pipeline::stage::ingest::{ReadingRules, refusal};

/// Whose an upload is that nobody announced.
pub(super) const UNANNOUNCED: &str = "unannounced";

/// What is known of a file before it is read.
pub(super) struct Arrived {
    pub(super) received: UploadReceived,
    pub(super) is_dry_run: bool,
    /// The digest that was agreed on and is still to be looked at.
    sha256: Option<String>,
    /// The object, or why it is not read.
    object: Result<ObjectHead, FailureReason>,
}

/// A file that is to be read.
pub(super) struct Readable {
    pub(super) received: UploadReceived,
    pub(super) rules: ReadingRules,
    pub(super) sha256: Option<String>,
    pub(super) head: ObjectHead,
}

impl Arrived {
    /// A file whose object was looked at; `None`: it is gone. `at` is when it was put, as far as it
    /// was told.
    pub(super) fn with(
        task: &Continuation,
        at: Option<Timestamp>,
        view: Option<&UploadView>,
        head: Option<ObjectHead>,
        bytes_max: u64,
    ) -> anyhow::Result<Self> {
        let terms = terms_of(view)?;
        let known = known_of(view);
        let put_at = match &head {
            Some(head) => head.put_at,
            None => put_at(task, at, known),
        };
        let bytes = head.as_ref().map_or(0, |head| head.bytes);
        let announced = match (&terms, known) {
            (Some(terms), _) => Some(terms.received(task.upload_id, put_at, bytes)),
            (None, known) => known.cloned(),
        };
        let is_announced = announced.is_some();
        let received = announced.unwrap_or_else(|| unannounced(task.upload_id, put_at, bytes));
        let (object, sha256) = match head {
            None => (Err(refusal::object_gone()), None),
            Some(_) if !is_announced => (Err(refusal::not_announced()), None),
            Some(head) => (
                check(&head, terms.as_ref(), bytes_max),
                unproven(&head, terms.as_ref()),
            ),
        };
        Ok(Self {
            received,
            is_dry_run: terms.is_some_and(|terms| terms.dry_run),
            sha256,
            object,
        })
    }

    /// A file that cannot even be looked at, and is given up for this reason.
    pub(super) fn unseen(
        task: &Continuation,
        at: Option<Timestamp>,
        view: Option<&UploadView>,
        reason: FailureReason,
    ) -> Self {
        let terms = terms_of(view).ok().flatten();
        let known = known_of(view);
        let put_at = put_at(task, at, known);
        let is_dry_run = terms.as_ref().is_some_and(|terms| terms.dry_run);
        let received = known
            .cloned()
            .or_else(|| terms.map(|terms| terms.received(task.upload_id, put_at, 0)));
        let client_id = view.and_then(|view| view.client_id.clone());
        let received = received.unwrap_or_else(|| UploadReceived {
            client_id: client_id.unwrap_or_else(|| UNANNOUNCED.to_owned()),
            ..unannounced(task.upload_id, put_at, 0)
        });
        Self {
            received,
            is_dry_run,
            sha256: None,
            object: Err(reason),
        }
    }

    /// The file, if it can be read.
    pub(super) fn readable(self) -> Result<Readable, FailureReason> {
        let head = self.object?;
        let rules = ReadingRules::of(&self.received);
        Ok(Readable {
            rules: rules.map_err(|fault| refusal::bad_options(&fault))?,
            received: self.received,
            sha256: self.sha256,
            head,
        })
    }
}

fn terms_of(view: Option<&UploadView>) -> anyhow::Result<Option<Terms>> {
    let terms = view.and_then(|view| view.terms.as_ref());
    terms
        .map(|terms| serde_json::from_str(terms))
        .transpose()
        .context("the terms of the upload's link cannot be read")
}

fn known_of(view: Option<&UploadView>) -> Option<&UploadReceived> {
    view.and_then(|view| view.upload.received.as_ref())
}

/// When a file was put that cannot be looked at: the same on every try, as far as that can be.
fn put_at(task: &Continuation, at: Option<Timestamp>, known: Option<&UploadReceived>) -> Timestamp {
    let known = known.map(|known| known.uploaded_at);
    known
        .or(at)
        .unwrap_or_else(|| link_given_at(task.upload_id))
}

/// Holds an object to what was agreed on.
fn check(
    head: &ObjectHead,
    terms: Option<&Terms>,
    bytes_max: u64,
) -> Result<ObjectHead, FailureReason> {
    if head.bytes > bytes_max {
        return Err(refusal::too_large(head.bytes, bytes_max));
    }
    let Some(terms) = terms else {
        return Ok(head.clone());
    };
    if let Some(agreed) = terms.content_length.filter(|agreed| *agreed != head.bytes) {
        return Err(refusal::length_mismatch(head.bytes, agreed));
    }
    match (&terms.sha256, &head.sha256) {
        (Some(agreed), Some(found)) if !agreed.eq_ignore_ascii_case(found) => {
            Err(refusal::sha256_mismatch())
        }
        _ => Ok(head.clone()),
    }
}

/// The digest that was agreed on, if S3 does not vouch for it.
fn unproven(head: &ObjectHead, terms: Option<&Terms>) -> Option<String> {
    let agreed = terms.and_then(|terms| terms.sha256.clone());
    agreed.filter(|_| head.sha256.is_none())
}

fn unannounced(upload_id: UploadId, put_at: Timestamp, bytes: u64) -> UploadReceived {
    let terms = Terms::plain(UNANNOUNCED, Merchants::Only(Vec::new()));
    terms.received(upload_id, put_at, bytes)
}

/// The time that an upload's id says: the same on every try.
fn link_given_at(upload_id: UploadId) -> Timestamp {
    Timestamp::from_unix_millis(upload_id.unix_millis()).unwrap_or(Timestamp::EPOCH)
}

//! An upload's life: announced by a link, received, ended, completed; or expired.
//!
//! Times that are compared come from the callers' clocks; they decide when somebody may try, never
//! who may write.

use super::super::attributes::{Fields, Item, number, text};
use super::super::connection::{corrupt, pass_over};
use super::super::{Damage, tables};
use super::progress::ending_of;
use super::{UPLOAD, Uploads, codec, written};
use crate::error::port_error;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use txp_domain::event::{UploadEvent, UploadReceived};
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_domain::upload::{Ending, UploadState};
use txp_pipeline::port::{ErrorKind, PortError, Written};

/// A link that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The upload.
    pub upload_id: UploadId,
    /// Who was given it.
    pub client_id: String,
    /// Until when it can be used.
    pub expires_at: Timestamp,
    /// The terms of the upload as the API keeps them, for whoever reads the object.
    pub terms: String,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DueKind {
    /// A link that nobody used in time.
    Link,
    /// A lease that its holder did not renew.
    Lease,
    /// A file that arrived and of which not every row is folded: due since it arrived; of rows that
    /// are read again, since that was asked for.
    Unfinished,
    /// An upload's end that is to be told, and was not: due since it ended.
    Ended,
}

impl DueKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Lease => "lease",
            Self::Unfinished => "unfinished",
            Self::Ended => "ended",
        }
    }
}

/// Something that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The upload.
    pub upload_id: UploadId,
    /// Since when.
    pub at: Timestamp,
}

impl Uploads {
    /// Takes down a link; a conflict if the upload is known already.
    ///
    /// # Errors
    /// The table cannot be written.
    pub async fn announce(&self, announcement: &Announcement) -> Result<Written, PortError> {
        let update = self
            .update(announcement.upload_id, UPLOAD)
            .condition_expression("attribute_not_exists(upload_id)")
            .update_expression(
                "SET client_id = :client, #state = :state, terms = :terms, \
                 expires_at = :expires, due = :due, due_at = :due_at",
            )
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":client", text(&*announcement.client_id))
            .expression_attribute_values(":state", text(UploadState::Pending.name()))
            .expression_attribute_values(":terms", text(&*announcement.terms))
            .expression_attribute_values(":expires", text(announcement.expires_at.to_string()))
            .expression_attribute_values(":due", text(DueKind::Link.name()))
            .expression_attribute_values(":due_at", number(announcement.expires_at.unix_millis()));
        Ok(written(&self.send(update).await?))
    }

    /// Gives up a link that was not used; a conflict if the upload is not pending, or not yet due.
    ///
    /// # Errors
    /// The table cannot be written.
    pub async fn expire(&self, upload_id: UploadId, now: Timestamp) -> Result<Written, PortError> {
        let update = self
            .update(upload_id, UPLOAD)
            .condition_expression("#state = :pending AND due_at <= :now")
            .update_expression("SET #state = :expired REMOVE due, due_at")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":pending", text(UploadState::Pending.name()))
            .expression_attribute_values(":expired", text(UploadState::Expired.name()))
            .expression_attribute_values(":now", number(now.unix_millis()));
        Ok(written(&self.send(update).await?))
    }

    /// What is due by `now`, the longest due first, up to `limit`. From the index, which is behind
    /// the table for a moment: whoever takes something up does so by a conditional write.
    ///
    /// # Errors
    /// The table cannot be read, or an item is damaged.
    pub async fn due(
        &self,
        kind: DueKind,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Due>, PortError> {
        let mut pages = self
            .connection
            .client()
            .query()
            .table_name(&self.table)
            .index_name(tables::BY_DUE)
            .key_condition_expression("due = :due AND due_at <= :now")
            .expression_attribute_values(":due", text(kind.name()))
            .expression_attribute_values(":now", number(now.unix_millis()))
            .into_paginator()
            .items()
            .send();
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(item) = pages.next().await
        {
            let item = item.map_err(|error| port_error(self.reading(), error))?;
            match read_due(Fields(&item)) {
                Ok(due) => found.push(due),
                // It would keep all others waiting for ever.
                Err(damage) => pass_over(&corrupt(&self.table, damage)),
            }
        }
        Ok(found)
    }

    /// Takes down that rows of an upload are to be read again, as rows of another one: `known` are those
    /// that the caller knows of. A conflict if there are others by now, or no such upload.
    ///
    /// # Errors
    /// The table cannot be written.
    pub async fn redrive(
        &self,
        upload_id: UploadId,
        known: &[UploadId],
        new: UploadId,
    ) -> Result<Written, PortError> {
        let known = codec::encode_ids(known);
        let all = match known.is_empty() {
            true => new.to_string(),
            false => format!("{known} {new}"),
        };
        let condition = match known.is_empty() {
            true => "attribute_exists(upload_id) AND attribute_not_exists(redrives)",
            false => "redrives = :known",
        };
        let mut update = self
            .update(upload_id, UPLOAD)
            .condition_expression(condition)
            .update_expression("SET redrives = :all")
            .expression_attribute_values(":all", text(all));
        if !known.is_empty() {
            update = update.expression_attribute_values(":known", text(known));
        }
        Ok(written(&self.send(update).await?))
    }

    /// Says that the object is being read, where only a link was known. Says nothing new otherwise.
    pub(super) async fn begin(&self, upload_id: UploadId, now: Timestamp) -> Result<(), PortError> {
        let update = self
            .update(upload_id, UPLOAD)
            .condition_expression("#state IN (:pending, :expired)")
            .update_expression("SET #state = :processing, due = :due, due_at = :now")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":due", text(DueKind::Unfinished.name()))
            .expression_attribute_values(":now", number(now.unix_millis()))
            .expression_attribute_values(":pending", text(UploadState::Pending.name()))
            .expression_attribute_values(":expired", text(UploadState::Expired.name()))
            .expression_attribute_values(":processing", text(UploadState::Processing.name()));
        self.send(update).await?;
        Ok(())
    }

    pub(super) async fn receive(
        &self,
        received: &UploadReceived,
        arrival_millis: i64,
    ) -> Result<(), PortError> {
        let json = codec::encode_received(received).map_err(unwritable)?;
        let due_at = match &received.options.redrive {
            None => received.uploaded_at.unix_millis(),
            Some(_) => i64::try_from(received.upload_id.unix_millis()).unwrap_or(i64::MAX),
        };
        let update = self
            .update(received.upload_id, UPLOAD)
            .condition_expression("attribute_not_exists(received) AND attribute_not_exists(ending)")
            .update_expression(
                "SET received = :received, client_id = if_not_exists(client_id, :client), \
                 #state = :processing, changed_at_ms = :at, due = :due, due_at = :arrived",
            )
            .expression_attribute_values(":due", text(DueKind::Unfinished.name()))
            .expression_attribute_values(":arrived", number(due_at))
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":received", text(json))
            .expression_attribute_values(":client", text(&*received.client_id))
            .expression_attribute_values(":processing", text(UploadState::Processing.name()))
            .expression_attribute_values(":at", number(arrival_millis));
        // It came before: it changes nothing. Both events are of one bucket, so the ending is after.
        self.send(update).await?;
        Ok(())
    }

    pub(super) async fn end(
        &mut self,
        event: &UploadEvent,
        arrival_millis: i64,
    ) -> Result<(), PortError> {
        let Some(ending) = ending_of(event) else {
            return Ok(());
        };
        let upload_id = event.upload_id();
        let state = match &ending {
            Ending::Parsed(_) => UploadState::Parsed,
            Ending::Failed(..) => UploadState::Failed,
        };
        let json = codec::encode_ending(&ending).map_err(unwritable)?;
        let update = self
            .update(upload_id, UPLOAD)
            .condition_expression("attribute_not_exists(ending)");
        let set = "SET ending = :ending, #state = :state, changed_at_ms = :at";
        let update = match &ending {
            // A file whose rows are not all folded stays due: `receive` has said since when.
            Ending::Parsed(_) => update.update_expression(set),
            Ending::Failed(..) => self.ended(update, set),
        };
        let update = update
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":ending", text(json))
            .expression_attribute_values(":state", text(state.name()))
            .expression_attribute_values(":at", number(arrival_millis));
        let ending = match self.send(update).await? {
            Some(_) => ending,
            None => {
                if self.read_progress(upload_id).await?.ends.is_some() {
                    return Ok(());
                }
                // The first ending stands; a crash came before its records were expected.
                self.stored_ending(upload_id).await?.unwrap_or(ending)
            }
        };
        self.expect(upload_id, &ending, arrival_millis).await
    }

    /// Every row is folded. A failed upload stays failed. Gives the upload's item if this is what
    /// completed it.
    pub(super) async fn complete(
        &self,
        upload_id: UploadId,
        arrival_millis: i64,
    ) -> Result<Option<Item>, PortError> {
        let update = self
            .update(upload_id, UPLOAD)
            .condition_expression("#state = :parsed");
        let update = self
            .ended(update, "SET #state = :completed, changed_at_ms = :at")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":parsed", text(UploadState::Parsed.name()))
            .expression_attribute_values(":completed", text(UploadState::Completed.name()))
            .expression_attribute_values(":at", number(arrival_millis));
        self.send_for_item(update).await
    }

    /// The write by which an upload ends: it is not due any more, or due to be told. In the same write,
    /// so that no crash comes in between.
    fn ended(&self, update: UpdateItemFluentBuilder, set: &str) -> UpdateItemFluentBuilder {
        if !self.tells_ends {
            return update.update_expression(format!("{set} REMOVE due, due_at"));
        }
        update
            .update_expression(format!("{set}, due = :due, due_at = :at"))
            .expression_attribute_values(":due", text(DueKind::Ended.name()))
    }

    /// Takes down that an upload's end was told, or is no news any more.
    ///
    /// # Errors
    /// The table cannot be written.
    pub async fn told(&self, upload_id: UploadId) -> Result<(), PortError> {
        let update = self
            .update(upload_id, UPLOAD)
            .condition_expression("due = :ended")
            .update_expression("REMOVE due, due_at")
            .expression_attribute_values(":ended", text(DueKind::Ended.name()));
        self.send(update).await?;
        Ok(())
    }

    async fn stored_ending(&self, upload_id: UploadId) -> Result<Option<Ending>, PortError> {
        let Some(item) = self.get(upload_id, UPLOAD).await? else {
            return Ok(None);
        };
        let json = Fields(&item).optional_text("ending");
        let json = json.map_err(|damage| corrupt(&self.table, damage))?;
        let ending = json.map(|json| codec::decode_ending(json).ok_or(Damage("ending")));
        ending
            .transpose()
            .map_err(|damage| corrupt(&self.table, damage))
    }

    pub(super) async fn changed_at(&self, upload_id: UploadId) -> Result<i64, PortError> {
        let item = self.get(upload_id, UPLOAD).await?.unwrap_or_default();
        let at = Fields(&item).optional_number("changed_at_ms");
        let at = at.map_err(|damage| corrupt(&self.table, damage))?;
        Ok(at.unwrap_or(0))
    }
}

fn read_due(fields: Fields<'_>) -> Result<Due, Damage> {
    let at = Timestamp::from_unix_millis(fields.number("due_at")?);
    Ok(Due {
        upload_id: fields.parsed("upload_id")?,
        at: at.ok_or(Damage("due_at"))?,
    })
}

fn unwritable(error: serde_json::Error) -> PortError {
    let context = "an upload's event cannot be written as JSON";
    PortError::caused(ErrorKind::Permanent, context, error)
}

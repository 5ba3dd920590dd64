//! Who reads an uploaded object: one reader at a time, and only one version of the object ever.
//!
//! A claim is a lease with a fence. The fence goes up with each claim, and every later write of a
//! reader is conditional on its own: one that was thought dead and comes back writes nothing. What
//! it appended to the history meanwhile are the same events with the same ids, which the fold
//! recognises.
//!
//! A claim also counts the tries that ended without a word: each claim adds one, and a checkpoint or
//! a lease that is given back takes them away. So it tells of a reader that dies. Of one that fails
//! and says so, whoever gives the lease back tells how often that was so.

use super::super::Damage;
use super::super::attributes::{Fields, Item, bytes, number, text};
use super::super::connection::corrupt;
use super::{CLAIM, DueKind, Uploads, written};
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_pipeline::port::{ErrorKind, PortError, Written};

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Of a checkpoint's state: an item of DynamoDB holds 400 KB in all.
pub const CHECKPOINT_STATE_BYTES_MAX: usize = 256 * 1024;

/// The number of a claim: the higher one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence(pub u64);

/// How far an object is read: no row up to here is unacknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Where the next record begins.
    pub byte_offset: u64,
    /// The last record read.
    pub record: u64,
    /// What a reader needs beside it to go on, as it wrote it; at most
    /// [`CHECKPOINT_STATE_BYTES_MAX`].
    pub state: Vec<u8>,
}

/// A claim that was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// To be shown with every later write.
    pub fence: Fence,
    /// Where to go on; `None` at the beginning.
    pub checkpoint: Option<Checkpoint>,
    /// Tries before this one, in a row, that ended without a checkpoint or a word.
    pub tries_lost: u32,
    /// Tries before this one that failed for good, as the last one told.
    pub tries_failed: u32,
}

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The object is the caller's to read.
    Claimed(Claimed),
    /// Somebody else reads it, until then at least.
    Held {
        /// When the lease ends if it is not renewed.
        until: Timestamp,
    },
    /// It was read to its end.
    Done,
    /// Another version of the object is the upload.
    OtherVersion,
}

/// A claim as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimView {
    /// The version of the object.
    pub version: String,
    /// Who reads it, or did last.
    pub owner: String,
    /// The number of the claim.
    pub fence: Fence,
    /// When the lease ends.
    pub lease_until: Timestamp,
    /// Whether it was read to its end.
    pub is_done: bool,
    /// How far it is read.
    pub checkpoint: Option<Checkpoint>,
    /// Tries in a row without a checkpoint or a word, the last one included.
    pub tries: u32,
    /// Tries that failed for good, as the last one told.
    pub tries_failed: u32,
}

impl Uploads {
    /// Claims an object's version for `lease_seconds`. A claim whose answer was lost may be made
    /// again by the same owner; owners have a new name for each try.
    ///
    /// # Errors
    /// The table cannot be read or written, or an item is damaged.
    pub async fn claim(
        &self,
        upload_id: UploadId,
        version: &str,
        owner: &str,
        now: Timestamp,
        lease_seconds: u32,
    ) -> Result<Claim, PortError> {
        let until = after(now, lease_seconds);
        let update = self
            .update(upload_id, CLAIM)
            .condition_expression(
                "attribute_not_exists(fence) OR (object_version = :version \
                 AND attribute_not_exists(done) AND (lease_until <= :now OR lease_owner = :owner))",
            )
            .update_expression(
                "SET object_version = :version, lease_owner = :owner, lease_until = :until, \
                 due = :due, due_at = :until ADD fence :one, tries :one",
            )
            .expression_attribute_values(":version", text(version))
            .expression_attribute_values(":owner", text(owner))
            .expression_attribute_values(":now", number(now.unix_millis()))
            .expression_attribute_values(":until", number(until.unix_millis()))
            .expression_attribute_values(":due", text(DueKind::Lease.name()))
            .expression_attribute_values(":one", number(1));
        let Some(item) = self.send_for_item(update).await? else {
            return self.refusal(upload_id, version).await;
        };
        let view = self.decode_claim(&item)?;
        self.begin(upload_id, now).await?;
        Ok(Claim::Claimed(Claimed {
            fence: view.fence,
            checkpoint: view.checkpoint,
            tries_lost: view.tries.saturating_sub(1),
            tries_failed: view.tries_failed,
        }))
    }

    /// Why a claim was not granted.
    async fn refusal(&self, upload_id: UploadId, version: &str) -> Result<Claim, PortError> {
        let Some(view) = self.claim_of(upload_id).await? else {
            let context = "a claim was refused and is gone; try again";
            return Err(PortError::new(ErrorKind::Transient, context));
        };
        Ok(if view.version != version {
            Claim::OtherVersion
        } else if view.is_done {
            Claim::Done
        } else {
            Claim::Held {
                until: view.lease_until,
            }
        })
    }

    /// The claim on an upload's object, if there was one.
    ///
    /// # Errors
    /// The table cannot be read, or the item is damaged.
    pub async fn claim_of(&self, upload_id: UploadId) -> Result<Option<ClaimView>, PortError> {
        let item = self.get(upload_id, CLAIM).await?;
        item.map(|item| self.decode_claim(&item)).transpose()
    }

    /// Renews a lease; a conflict if the claim is somebody else's by now, and the caller must stop.
    ///
    /// # Errors
    /// The table cannot be written.
    pub async fn renew(
        &self,
        upload_id: UploadId,
        fence: Fence,
        now: Timestamp,
        lease_seconds: u32,
    ) -> Result<Written, PortError> {
        let until = after(now, lease_seconds);
        self.fenced(
            upload_id,
            fence,
            "SET lease_until = :until, due_at = :until",
            until,
        )
        .await
    }

    /// Takes down how far the object is read, and renews the lease. A conflict as for
    /// [`Self::renew`], and for a checkpoint behind the stored one.
    ///
    /// # Errors
    /// The table cannot be written; the checkpoint's state is too long.
    pub async fn checkpoint(
        &self,
        upload_id: UploadId,
        fence: Fence,
        checkpoint: &Checkpoint,
        now: Timestamp,
        lease_seconds: u32,
    ) -> Result<Written, PortError> {
        if checkpoint.state.len() > CHECKPOINT_STATE_BYTES_MAX {
            let context = format!(
                "a checkpoint's state has {} bytes, {CHECKPOINT_STATE_BYTES_MAX} are allowed",
                checkpoint.state.len()
            );
            return Err(PortError::new(ErrorKind::Permanent, context));
        }
        let until = after(now, lease_seconds);
        let update = self
            .update(upload_id, CLAIM)
            .condition_expression(
                "fence = :fence AND attribute_not_exists(done) \
                 AND (attribute_not_exists(last_record) OR last_record <= :record)",
            )
            .update_expression(
                "SET byte_offset = :offset, last_record = :record, reader_state = :state, \
                 lease_until = :until, due_at = :until REMOVE tries",
            )
            .expression_attribute_values(":fence", number(fence.0))
            .expression_attribute_values(":offset", number(checkpoint.byte_offset))
            .expression_attribute_values(":record", number(checkpoint.record))
            .expression_attribute_values(":state", bytes(&*checkpoint.state))
            .expression_attribute_values(":until", number(until.unix_millis()));
        Ok(written(&self.send(update).await?))
    }

    /// Ends the lease now, so that the next reader need not wait, and tells it how many tries have
    /// failed for good by now; a conflict as for [`Self::renew`].
    ///
    /// # Errors
    /// The table cannot be written.
    pub async fn release(
        &self,
        upload_id: UploadId,
        fence: Fence,
        now: Timestamp,
        tries_failed: u32,
    ) -> Result<Written, PortError> {
        let update = self
            .holders(upload_id, fence, now)
            .update_expression(
                "SET lease_until = :until, due_at = :until, tries_failed = :failed REMOVE tries",
            )
            .expression_attribute_values(":failed", number(tries_failed));
        Ok(written(&self.send(update).await?))
    }

    /// The object was read to its end, and all of it is acknowledged. A conflict as for
    /// [`Self::renew`], or if it is finished already.
    ///
    /// # Errors
    /// The table cannot be written.
    pub async fn finish(
        &self,
        upload_id: UploadId,
        fence: Fence,
        now: Timestamp,
    ) -> Result<Written, PortError> {
        let expression = "SET done = :until REMOVE due, due_at, reader_state";
        self.fenced(upload_id, fence, expression, now).await
    }

    /// A write of the claim's holder.
    async fn fenced(
        &self,
        upload_id: UploadId,
        fence: Fence,
        expression: &str,
        until: Timestamp,
    ) -> Result<Written, PortError> {
        let update = self.holders(upload_id, fence, until);
        let update = update.update_expression(expression);
        Ok(written(&self.send(update).await?))
    }

    /// A write on the condition that the claim is still the caller's, and not finished.
    fn holders(
        &self,
        upload_id: UploadId,
        fence: Fence,
        until: Timestamp,
    ) -> UpdateItemFluentBuilder {
        self.update(upload_id, CLAIM)
            .condition_expression("fence = :fence AND attribute_not_exists(done)")
            .expression_attribute_values(":fence", number(fence.0))
            .expression_attribute_values(":until", number(until.unix_millis()))
    }

    pub(super) fn decode_claim(&self, item: &Item) -> Result<ClaimView, PortError> {
        decode(Fields(item)).map_err(|damage| corrupt(&self.table, damage))
    }
}

fn after(now: Timestamp, seconds: u32) -> Timestamp {
    let lease = i64::from(seconds).saturating_mul(NANOS_PER_SECOND);
    Timestamp(now.0.saturating_add(lease))
}

fn decode(fields: Fields<'_>) -> Result<ClaimView, Damage> {
    let until = Timestamp::from_unix_millis(fields.number("lease_until")?);
    let state = match fields.get("reader_state") {
        Some(_) => fields.bytes("reader_state")?.to_vec(),
        None => Vec::new(),
    };
    let checkpoint = match fields.optional_number("last_record")? {
        Some(record) => Some(Checkpoint {
            byte_offset: fields.number("byte_offset")?,
            record,
            state,
        }),
        None => None,
    };
    Ok(ClaimView {
        version: fields.text("object_version")?.to_owned(),
        owner: fields.text("lease_owner")?.to_owned(),
        fence: Fence(fields.number("fence")?),
        lease_until: until.ok_or(Damage("lease_until"))?,
        is_done: fields.get("done").is_some(),
        checkpoint,
        tries: fields.optional_number("tries")?.unwrap_or(0),
        tries_failed: fields.optional_number("tries_failed")?.unwrap_or(0),
    })
}

//! Uploads: three items each, under the upload's id, so that what is written often is small and in
//! no index of what is listed.
//!
//! - `upload`: client, state, the link's terms, what upload.received and its ending say. Written
//!   about five times in an upload's life. Carries `client_id` for the list, and `due` while a link
//!   waits.
//! - `progress`: the watermark of each bucket (`w00` to `wff`), the counts by class, and the last
//!   records that are expected. One update per batch and upload moves the watermarks of all its
//!   buckets, each under the condition that it stands where the batch found it: writers of other
//!   buckets do not disturb, and a row is counted once. At its largest (256 buckets) about 3.5 KB,
//!   4 write units; DynamoDB takes 1,000 units a second of one item, so 250 batches a second of one
//!   upload.
//! - `claim`: who reads the object, see [`claims`].
//!
//! Beside them, for a day, an item per Idempotency-Key: see [`requests`].
//!
//! An upload is done when every bucket is at its last record. Whoever makes that true completes it:
//! each update answers with the item as it then is, and updates of one item have an order.

mod claims;
mod codec;
mod life;
mod list;
mod progress;
mod report;
mod requests;

pub use claims::{CHECKPOINT_STATE_BYTES_MAX, Checkpoint, Claim, ClaimView, Claimed, Fence};
pub use life::{Announcement, Due, DueKind};
pub use list::{PAGE_MAX, UploadPage, UploadView};
pub use requests::{RememberedLink, Request};

use super::attributes::{Item, text};
use super::connection::{Connection, conditional};
use crate::error::port_error;
use aws_sdk_dynamodb::operation::update_item::UpdateItemOutput;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnValue};
use progress::Progress;
use std::collections::HashMap;
use txp_domain::event::UploadEvent;
use txp_domain::id::UploadId;
use txp_domain::position::Bucket;
use txp_pipeline::port::{Advance, PortError, UploadStore, Written};

/// The item of the upload itself.
const UPLOAD: &str = "upload";
/// The item of how far it is folded.
const PROGRESS: &str = "progress";
/// The item of who reads it.
const CLAIM: &str = "claim";

/// Uploads whose progress is remembered between batches.
const REMEMBERED_MAX: usize = 64;

/// The table of uploads.
#[derive(Clone, Debug)]
pub struct Uploads {
    connection: Connection,
    table: String,
    /// Whether the end of an upload is to be told.
    tells_ends: bool,
    /// As last seen. One that is behind makes a conditional write fail, and is read again then.
    seen: HashMap<UploadId, Progress>,
}

impl Uploads {
    /// The table of this name.
    #[must_use]
    pub fn new(connection: Connection, table: impl Into<String>) -> Self {
        Self {
            connection,
            table: table.into(),
            tells_ends: false,
            seen: HashMap::new(),
        }
    }

    /// Makes uploads that end from now on due to be told ([`DueKind::Ended`]).
    #[must_use]
    pub fn telling_ends(mut self) -> Self {
        self.tells_ends = true;
        self
    }

    /// Lets go of what was seen. To be called before a batch that may be a redelivery: what a crash
    /// left open is found by reading.
    pub fn forget(&mut self) {
        self.seen.clear();
    }

    /// One of an upload's items, as it is now.
    async fn get(&self, upload_id: UploadId, part: &str) -> Result<Option<Item>, PortError> {
        self.get_item(upload_id.as_str(), part).await
    }

    async fn get_item(&self, key: &str, part: &str) -> Result<Option<Item>, PortError> {
        let output = self
            .connection
            .client()
            .get_item()
            .table_name(&self.table)
            .key("upload_id", text(key))
            .key("part", text(part))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| port_error(self.reading(), error))?;
        Ok(output.item)
    }

    fn update(&self, upload_id: UploadId, part: &str) -> UpdateItemFluentBuilder {
        self.connection
            .client()
            .update_item()
            .table_name(&self.table)
            .key("upload_id", text(upload_id.as_str()))
            .key("part", text(part))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
    }

    /// Sends an update; `None` if its condition did not hold.
    async fn send(
        &self,
        update: UpdateItemFluentBuilder,
    ) -> Result<Option<UpdateItemOutput>, PortError> {
        let output = conditional(update.send().await, || self.writing())?;
        if let Some(output) = &output {
            self.connection.consumed(output.consumed_capacity());
        }
        Ok(output)
    }

    /// Sends an update and gives the item as it is after it.
    async fn send_for_item(
        &self,
        update: UpdateItemFluentBuilder,
    ) -> Result<Option<Item>, PortError> {
        let output = self.send(update.return_values(ReturnValue::AllNew)).await?;
        Ok(output.map(|output| output.attributes.unwrap_or_default()))
    }

    fn reading(&self) -> String {
        format!("reading the table {} failed", self.table)
    }

    fn writing(&self) -> String {
        format!("writing to the table {} failed", self.table)
    }
}

/// Whether a conditional write took place.
fn written<T>(output: &Option<T>) -> Written {
    match output {
        Some(_) => Written::Stored,
        None => Written::Conflict,
    }
}

impl UploadStore for Uploads {
    async fn watermark(&mut self, upload_id: UploadId, bucket: Bucket) -> Result<u64, PortError> {
        let is_known = self.seen.contains_key(&upload_id);
        if !is_known {
            let progress = self.read_progress(upload_id).await?;
            self.remember(upload_id, progress);
        }
        Ok(self
            .seen
            .get(&upload_id)
            .map_or(0, |progress| progress.watermark(bucket)))
    }

    async fn advance(&mut self, step: &Advance, arrival_millis: i64) -> Result<Written, PortError> {
        self.advance_all(std::slice::from_ref(step), arrival_millis)
            .await
    }

    async fn advance_all(
        &mut self,
        steps: &[Advance],
        arrival_millis: i64,
    ) -> Result<Written, PortError> {
        for steps in steps.chunk_by(|a, b| a.upload_id == b.upload_id) {
            if self.advance_one(steps, arrival_millis).await? == Written::Conflict {
                return Ok(Written::Conflict);
            }
        }
        Ok(Written::Stored)
    }

    async fn apply(&mut self, event: &UploadEvent, arrival_millis: i64) -> Result<(), PortError> {
        match event {
            UploadEvent::Received(received) => self.receive(received, arrival_millis).await,
            UploadEvent::Parsed(_) | UploadEvent::Failed(_) => {
                self.end(event, arrival_millis).await
            }
        }
    }
}

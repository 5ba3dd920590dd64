//! Requests with an Idempotency-Key: which link each was answered with, for a day.
//!
//! One item of the table per key, written on the condition that there is none, so that of two
//! requests at the same time one decides the link and the other finds it. It is written before the
//! link is announced: whoever finds it announces the link again, which a crash in between has left
//! undone and which changes nothing otherwise. DynamoDB takes the item away when its time has come,
//! up to two days late; until then it counts as gone.

use super::super::Damage;
use super::super::attributes::{Fields, bytes, number, text};
use super::super::connection::{conditional, corrupt};
use super::super::tables::EXPIRES_AT_S;
use super::Uploads;
use txp_domain::id::UploadId;
use txp_domain::letters::to_letters;
use txp_domain::time::Timestamp;
use txp_pipeline::api::{IDEMPOTENCY_SECONDS, Idempotency};
use txp_pipeline::port::{ErrorKind, PortError};

/// The part of such an item.
const REQUEST: &str = "request";

/// What a request is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RememberedLink {
    /// The upload.
    pub upload_id: UploadId,
    /// Until when its link can be used.
    pub expires_at: Timestamp,
}

/// What is known of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// It came for the first time, or again with the same body: this is its link.
    Link(RememberedLink),
    /// Its key came with another body.
    Other,
}

impl Uploads {
    /// Takes down with which link a request is answered, or finds which one it was.
    ///
    /// # Errors
    /// The table cannot be read or written, or an item is damaged.
    pub async fn remember_request(
        &self,
        request: &Idempotency,
        link: RememberedLink,
        now: Timestamp,
    ) -> Result<Request, PortError> {
        let key = format!("{REQUEST}:{}", to_letters(&request.key));
        let now_s = now.unix_seconds();
        let put = self
            .connection
            .client()
            .put_item()
            .table_name(&self.table)
            .item("upload_id", text(&*key))
            .item("part", text(REQUEST))
            .item("body", bytes(request.body))
            .item("link", text(link.upload_id.as_str()))
            .item("link_expires_at", text(link.expires_at.to_string()))
            .item(
                EXPIRES_AT_S,
                number(now_s.saturating_add(i64::from(IDEMPOTENCY_SECONDS))),
            )
            .condition_expression(format!(
                "attribute_not_exists(upload_id) OR {EXPIRES_AT_S} <= :now"
            ))
            .expression_attribute_values(":now", number(now_s));
        let stored = conditional(put.send().await, || self.writing())?;
        if stored.is_some() {
            return Ok(Request::Link(link));
        }
        // Also after the answer to our own was lost and the SDK sent it again: then it is our link.
        let Some(item) = self.get_item(&key, REQUEST).await? else {
            let context = "a request was known and is not any more; try again";
            return Err(PortError::new(ErrorKind::Transient, context));
        };
        let found = decode(Fields(&item), &request.body);
        found.map_err(|damage| corrupt(&self.table, damage))
    }
}

fn decode(fields: Fields<'_>, body: &[u8; 32]) -> Result<Request, Damage> {
    if fields.bytes("body")? != body {
        return Ok(Request::Other);
    }
    Ok(Request::Link(RememberedLink {
        upload_id: fields.parsed("link")?,
        expires_at: fields.parsed("link_expires_at")?,
    }))
}

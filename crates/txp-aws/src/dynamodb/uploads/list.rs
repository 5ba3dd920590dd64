//! Reading uploads: one whole, or a client's, the newest first.
//!
//! The list comes from the index `by_client`, which has keys only: an upload's id begins with its
//! time, so the order of ids is that of time, and the index is written once per upload. What is
//! told of each upload is read from the table.

use super::super::attributes::{Fields, Item, Pen, text};
use super::super::batch_get::batch_get;
use super::super::connection::corrupt;
use super::super::{Damage, tables};
use super::progress::{Progress, upload_of};
use super::{CLAIM, ClaimView, PROGRESS, UPLOAD, Uploads, codec};
use crate::error::port_error;
use std::collections::HashMap;
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_domain::upload::{Upload, UploadState};
use txp_pipeline::api::Page;
use txp_pipeline::port::PortError;

/// The most uploads of a page: as the API has them, and one more that says whether there are more.
pub const PAGE_MAX: usize = Page::LIMIT_MAX + 1;

/// An upload as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct UploadView {
    /// Whose it is; `None` if rows of it came and nothing else so far.
    pub client_id: Option<String>,
    /// Where it stands, links counted.
    pub state: UploadState,
    /// What is folded of it.
    pub upload: Upload,
    /// The terms of its link, if there was one.
    pub terms: Option<String>,
    /// What a dry run of it found, as JSON.
    pub report: Option<String>,
    /// Until when the link can be used, if there was one.
    pub expires_at: Option<Timestamp>,
    /// Who reads its object; not told in lists.
    pub claim: Option<ClaimView>,
    /// The uploads that its rejected rows were read again as, oldest first.
    pub redrives: Vec<UploadId>,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct UploadPage {
    /// The newest first.
    pub uploads: Vec<UploadView>,
    /// Where the next page begins, if there may be one.
    pub next: Option<UploadId>,
}

impl Uploads {
    /// An upload; `None` if nothing is known of it.
    ///
    /// # Errors
    /// The table cannot be read, or an item is damaged.
    pub async fn load(&self, upload_id: UploadId) -> Result<Option<UploadView>, PortError> {
        let mut pages = self
            .connection
            .client()
            .query()
            .table_name(&self.table)
            .key_condition_expression("upload_id = :id")
            .expression_attribute_values(":id", text(upload_id.as_str()))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut items = Vec::new();
        // Three items of up to 400 KB may be more than the 1 MB of a page.
        while let Some(item) = pages.next().await {
            items.push(item.map_err(|error| port_error(self.reading(), error))?);
        }
        if items.is_empty() {
            return Ok(None);
        }
        self.view(upload_id, &items).map(Some)
    }

    /// The uploads of a client before `before`, or its newest ones, `limit` of them and at most
    /// [`PAGE_MAX`]. One that was announced a moment ago may be missing.
    ///
    /// # Errors
    /// The table cannot be read, or an item is damaged.
    pub async fn list(
        &self,
        client_id: &str,
        before: Option<UploadId>,
        limit: usize,
    ) -> Result<UploadPage, PortError> {
        let limit = limit.clamp(1, PAGE_MAX);
        let mut query = self
            .connection
            .client()
            .query()
            .table_name(&self.table)
            .index_name(tables::BY_CLIENT)
            .key_condition_expression("client_id = :client")
            .expression_attribute_values(":client", text(client_id))
            .scan_index_forward(false)
            // Keys are far below the 1 MB of a page; PAGE_MAX fits.
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        if let Some(before) = before {
            query = query
                .key_condition_expression("client_id = :client AND upload_id < :before")
                .expression_attribute_values(":before", text(before.as_str()));
        }
        let output = query
            .send()
            .await
            .map_err(|error| port_error(self.reading(), error))?;
        let ids: Result<Vec<UploadId>, Damage> = output
            .items()
            .iter()
            .map(|item| Fields(item).parsed("upload_id"))
            .collect();
        let ids = ids.map_err(|damage| corrupt(&self.table, damage))?;
        let next = ids.last().copied().filter(|_| ids.len() == limit);
        Ok(UploadPage {
            uploads: self.views(&ids).await?,
            next,
        })
    }

    async fn views(&self, ids: &[UploadId]) -> Result<Vec<UploadView>, PortError> {
        let keys = ids.iter().flat_map(|id| {
            [UPLOAD, PROGRESS].map(|part| {
                let mut pen = Pen::default();
                pen.text("upload_id", id.as_str());
                pen.text("part", part);
                pen.0
            })
        });
        let items = batch_get(&self.connection, &self.table, keys.collect()).await?;
        let mut by_id: HashMap<UploadId, Vec<Item>> = HashMap::new();
        for item in items {
            let id = Fields(&item).parsed("upload_id");
            let id = id.map_err(|damage| corrupt(&self.table, damage))?;
            by_id.entry(id).or_default().push(item);
        }
        let parts = |id: &UploadId| by_id.get(id).map_or(&[][..], Vec::as_slice);
        ids.iter().map(|id| self.view(*id, parts(id))).collect()
    }

    fn view(&self, id: UploadId, items: &[Item]) -> Result<UploadView, PortError> {
        let part = |name: &str| {
            let is_it = |item: &&Item| Fields(item).text("part") == Ok(name);
            items.iter().find(is_it)
        };
        let progress = part(PROGRESS).map(|item| self.decode_progress(item));
        let progress = progress.transpose()?.unwrap_or_default();
        let claim = part(CLAIM)
            .map(|item| self.decode_claim(item))
            .transpose()?;
        let none = Item::new();
        let view = decode(id, Fields(part(UPLOAD).unwrap_or(&none)), &progress, claim);
        view.map_err(|damage| corrupt(&self.table, damage))
    }
}

fn decode(
    id: UploadId,
    fields: Fields<'_>,
    progress: &Progress,
    claim: Option<ClaimView>,
) -> Result<UploadView, Damage> {
    let received = fields.optional_text("received")?;
    let received = received
        .map(|json| codec::decode_received(id, json).ok_or(Damage("received")))
        .transpose()?;
    let ending = fields.optional_text("ending")?;
    let ending = ending
        .map(|json| codec::decode_ending(json).ok_or(Damage("ending")))
        .transpose()?;
    let changed_at = fields.optional_number("changed_at_ms")?.unwrap_or(0);
    let upload = upload_of(id, received, ending, changed_at, progress);
    // What is folded says where it stands; before anything is, the link does.
    let link = fields.optional_text("state")?;
    let state = match (link, &upload.ending) {
        (Some("pending"), None) => UploadState::Pending,
        (Some("expired"), None) => UploadState::Expired,
        _ => upload.state(),
    };
    let redrives = fields.optional_text("redrives")?.unwrap_or_default();
    let redrives = codec::decode_ids(redrives).ok_or(Damage("redrives"))?;
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Ok(UploadView {
        redrives,
        client_id: owned(fields.optional_text("client_id")?),
        state,
        upload,
        terms: owned(fields.optional_text("terms")?),
        report: owned(fields.optional_text("report")?),
        expires_at: fields
            .get("expires_at")
            .map(|_| fields.parsed("expires_at"))
            .transpose()?,
        claim,
    })
}

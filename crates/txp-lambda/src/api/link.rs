//! POST /upload: a link to send one file to, once.
//!
//! The upload is announced before its link is told, so that no file comes that no record announces.
//! How many links a client may have open is bounded by the usage plan of its key, which counts
//! requests by the month; no count is kept here.

use super::answer::{Failure, Outcome, json};
use super::event::Request;
use super::world::World;
use txp_aws::dynamodb::uploads::{Announcement, RememberedLink, Request as Known};
use txp_aws::s3::presign::Bound;
use txp_pipeline::api::{
    Client, IDEMPOTENCY_HEADER, Idempotency, LINK_METHOD, LinkDocument, Terms, UPLOAD_BYTES_MAX,
    UploadRequest, digest_of_hex, link_expiry, refusal, upload_key,
};
use txp_pipeline::port::{ErrorKind, PortError, Written};

pub(super) async fn create<W: World>(world: &W, client: &Client, request: &Request) -> Outcome {
    let body = request.body()?;
    let content_type = request.header("content-type").next();
    let asked = UploadRequest::of(&body, content_type, UPLOAD_BYTES_MAX)?;
    let keys = request.header(IDEMPOTENCY_HEADER).map(str::as_bytes);
    let idempotency = Idempotency::read(keys, &client.client_id, &asked)?;
    let now = world.now();
    let mut link = RememberedLink {
        upload_id: world.mint(now)?,
        expires_at: link_expiry(now),
    };
    if let Some(idempotency) = idempotency {
        match world.remember(&idempotency, link, now).await? {
            Known::Link(known) => link = known,
            Known::Other => return Err(refusal::key_reused().into()),
        }
    }
    let bound = Bound {
        key: upload_key(&client.client_id, link.upload_id),
        content_length: asked.content_length,
        sha256: asked.sha256.as_deref().and_then(digest_of_hex),
        expires_at: link.expires_at,
    };
    let terms = Terms {
        trace: request.trace.clone(),
        ..Terms::of(asked, client)
    };
    announce(world, link, terms).await?;
    let signed = world.put_link(&bound).await?;
    let document = LinkDocument {
        upload_id: link.upload_id,
        url: signed.url,
        method: LINK_METHOD.to_owned(),
        headers: signed.headers,
        key: bound.key,
        expires_at: link.expires_at,
        max_bytes: bound.content_length.unwrap_or(UPLOAD_BYTES_MAX),
    };
    json(201, &document)
}

async fn announce<W: World>(world: &W, link: RememberedLink, terms: Terms) -> Result<(), Failure> {
    let announcement = Announcement {
        upload_id: link.upload_id,
        terms: serde_json::to_string(&terms).map_err(|error| Failure::internal(&error))?,
        client_id: terms.client_id,
        expires_at: link.expires_at,
    };
    if world.announce(&announcement).await? == Written::Stored {
        return Ok(());
    }
    // The request came before, or the answer to this write was lost and it was sent again. That two
    // clients are given one id takes 2^48 requests in one millisecond, and is looked for all the same.
    let known = world.upload(link.upload_id).await?;
    let owner = known.and_then(|view| view.client_id);
    if owner.as_ref() == Some(&announcement.client_id) {
        return Ok(());
    }
    let context = "a new upload's id is another's already; the next request gets another one";
    Err(PortError::new(ErrorKind::Transient, context).into())
}

//! What can be asked: a transaction, an upload, its rejects, the uploads. A client is told of its
//! own only; all else is not found.

use super::answer::{Failure, Outcome, ProxyAnswer, json};
use super::event::Request;
use super::world::World;
use txp_aws::dynamodb::uploads::UploadView;
use txp_domain::id::UploadId;
use txp_pipeline::api::{
    Client, Page, Terms, asked_transaction, asked_upload, file_name, merchant_id, owns_upload,
    refusal, visible_transaction,
};
use txp_pipeline::document::{
    AsOfDocument, Audience, RowErrors, StateName, UploadDocument, UploadSource, UploadsDocument,
    first_errors, transaction_document, upload_document, upload_of,
};

/// How much is told of an upload.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// All.
    Whole,
    /// As one of many: without its first errors.
    Entry,
}

pub(super) async fn status<W: World>(
    world: &W,
    client: &Client,
    request: &Request,
    transaction_id: &str,
) -> Outcome {
    let merchant_id = merchant_id(&request.query)?;
    let transaction_id = asked_transaction(transaction_id)?;
    let found = world.transactions(transaction_id).await?;
    let transaction = visible_transaction(found, &client.merchants, merchant_id)?;
    let upload = match upload_of(&transaction) {
        Some(upload_id) => world.upload(upload_id).await?.map(|view| view.upload),
        None => None,
    };
    // The names of another client's files are not this one's.
    let upload = upload.filter(|upload| owns_upload(upload, &client.client_id));
    let as_of = AsOfDocument::of(&transaction);
    let audience = Audience::Merchant;
    let document = transaction_document(&transaction, upload.as_ref(), as_of, audience);
    json(200, &document)
}

pub(super) async fn upload<W: World>(world: &W, client: &Client, upload_id: &str) -> Outcome {
    let view = find(world, client, upload_id).await?;
    json(200, &document(world, &view, Detail::Whole).await?)
}

/// One page of a client's uploads.
pub(super) async fn uploads<W: World>(world: &W, client: &Client, request: &Request) -> Outcome {
    let page = Page::read(&request.query)?;
    // One more than is asked for says whether there is another page.
    let found = world.uploads(&client.client_id, page.before, page.limit + 1);
    let mut views = found.await?.uploads;
    let has_more = views.len() > page.limit;
    views.truncate(page.limit);
    let mut uploads = Vec::with_capacity(views.len());
    for view in &views {
        uploads.push(document(world, view, Detail::Entry).await?);
    }
    let last = views.last().map(|view| view.upload.id.to_string());
    let document = UploadsDocument {
        uploads,
        next_cursor: last.filter(|_| has_more),
    };
    json(200, &document)
}

/// The report is fetched from where it lies: an answer of a function holds 6 MB at most.
pub(super) async fn rejects<W: World>(world: &W, client: &Client, upload_id: &str) -> Outcome {
    let view = find(world, client, upload_id).await?;
    let has_report = match tried(&view)? {
        Some(document) => !document.rejected_by_code.is_empty(),
        None => has_rejects(&view),
    };
    if !has_report {
        return Err(refusal::no_rejects().into());
    }
    let location = world.report_url(view.upload.id).await?;
    Ok(ProxyAnswer::see_other(location))
}

async fn find<W: World>(
    world: &W,
    client: &Client,
    upload_id: &str,
) -> Result<UploadView, Failure> {
    let view = world.upload(asked_upload(upload_id)?).await?;
    let is_own = |view: &UploadView| view.client_id.as_ref() == Some(&client.client_id);
    let own = view.filter(is_own);
    own.ok_or_else(|| refusal::no_upload().into())
}

async fn document<W: World>(
    world: &W,
    view: &UploadView,
    detail: Detail,
) -> Result<UploadDocument, Failure> {
    let id = view.upload.id;
    if let Some(document) = tried(view)? {
        let has_report = !document.rejected_by_code.is_empty();
        let report = report(world, id, has_report, detail).await?;
        return Ok(UploadDocument {
            errors: report.errors,
            rejects_url: report.url,
            ..document
        });
    }
    if view.upload.received.is_none() && view.upload.ending.is_none() {
        return announced(view);
    }
    let report = report(world, id, has_rejects(view), detail).await?;
    let is_read = view.upload.ending.is_some();
    let source = UploadSource {
        percent_read: percent_read(view).filter(|_| !is_read),
        errors: report.errors,
        rejects_url: report.url,
        ..UploadSource::default()
    };
    let document = upload_document(&view.upload, source);
    if document.receipt.is_none() {
        return Ok(document);
    }
    Ok(document.signed(world.receipt_key().await?))
}

/// What is told of a report of rejected rows.
#[derive(Default)]
struct Report {
    url: Option<String>,
    errors: Vec<RowErrors>,
}

async fn report<W: World>(
    world: &W,
    upload_id: UploadId,
    is_there: bool,
    detail: Detail,
) -> Result<Report, Failure> {
    if !is_there {
        return Ok(Report::default());
    }
    Ok(Report {
        url: Some(world.report_url(upload_id).await?),
        errors: match detail {
            Detail::Whole => errors(world, upload_id).await?,
            Detail::Entry => Vec::new(),
        },
    })
}

/// The document that a dry run left, which knows nothing of its report.
fn tried(view: &UploadView) -> Result<Option<UploadDocument>, Failure> {
    let report = view.report.as_deref();
    let document = report.map(serde_json::from_str).transpose();
    document.map_err(|error| Failure::internal(&error))
}

/// The document of an upload that the history does not know, or not yet. Whether its link expired
/// unused says the table and not the clock: what came in its last second is still to be found there.
fn announced(view: &UploadView) -> Result<UploadDocument, Failure> {
    let id = view.upload.id;
    let state = StateName::from(view.state);
    let (Some(terms), Some(expires_at)) = (&view.terms, view.expires_at) else {
        return Ok(UploadDocument::empty(id, state));
    };
    let terms: Terms = serde_json::from_str(terms).map_err(|error| Failure::internal(&error))?;
    let file = file_name(terms.file_name.as_deref(), id);
    Ok(UploadDocument::announced(id, state, file, expires_at))
}

/// Whether there is a report: it is written before the end of reading is told.
fn has_rejects(view: &UploadView) -> bool {
    let ending = view.upload.ending.as_ref();
    ending.is_some_and(|ending| ending.tally().rejected > 0)
}

/// How far a file is read, in hundredths, where it takes so long that it is written down.
fn percent_read(view: &UploadView) -> Option<u8> {
    let bytes = view.upload.received.as_ref()?.file.bytes?;
    let read = view.claim.as_ref()?.checkpoint.as_ref()?.byte_offset;
    let hundredths = read.saturating_mul(100).checked_div(bytes)?;
    // 100 is kept for completed.
    u8::try_from(hundredths.min(99)).ok()
}

/// The first rejected rows. The last line of what is looked at may be cut, and is left out.
async fn errors<W: World>(world: &W, upload_id: UploadId) -> Result<Vec<RowErrors>, Failure> {
    let head = world.report_head(upload_id).await?.unwrap_or_default();
    let whole = head.iter().rposition(|byte| *byte == b'\n');
    let whole = head.get(..=whole.unwrap_or(0)).unwrap_or_default();
    first_errors(whole).map_err(|error| Failure::internal(&error))
}

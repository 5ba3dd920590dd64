//! What can be asked: a transaction, an upload, its rejects, the uploads. A client is told of its
//! own only; all else is not found.

use crate::answer::{Answer, Failure, blocking, json, typed};
use crate::app::App;
use crate::caller::Caller;
use crate::site::FileBody;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, HeaderValue};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::sync::Arc;
use txp_domain::id::UploadId;
use txp_domain::upload::Upload;
use txp_local::control::Known;
use txp_pipeline::api::{
    Page, Route, asked_transaction, asked_upload, merchant_id, owns_upload, refusal,
    visible_transaction,
};
use txp_pipeline::document::{
    AsOfDocument, Audience, Problem, ProblemKind, StateName, UploadDocument, UploadSource,
    UploadsDocument, first_errors, transaction_document, upload_document, upload_of,
};

type Pairs = Vec<(String, String)>;
type AskedPath = Result<Path<String>, PathRejection>;
type AskedQuery = Result<Query<Pairs>, QueryRejection>;

pub(crate) async fn status(
    State(app): State<Arc<App>>,
    Caller(client): Caller,
    path: AskedPath,
    query: AskedQuery,
) -> Answer {
    let pairs = pairs(query)?;
    let merchant = merchant_id(&pairs)?.map(str::to_owned);
    let transaction_id = transaction_in(path)?;
    let document = blocking(move || {
        let (found, as_of) = app.host.transactions(&transaction_id)?;
        let transaction = visible_transaction(found, &client.who.merchants, merchant.as_deref())?;
        let upload = match upload_of(&transaction) {
            Some(upload_id) => app.host.upload(upload_id)?,
            None => None,
        };
        // The names of another client's files are not this one's.
        let upload = upload.filter(|upload| owns_upload(upload, &client.who.client_id));
        let as_of = AsOfDocument::new(as_of.sequence, as_of.arrival_millis);
        let audience = Audience::Merchant;
        Ok(transaction_document(
            &transaction,
            upload.as_ref(),
            as_of,
            audience,
        ))
    })
    .await?;
    json(StatusCode::OK, &document)
}

pub(crate) async fn upload(
    State(app): State<Arc<App>>,
    Caller(client): Caller,
    path: AskedPath,
) -> Answer {
    let upload_id = upload_in(path)?;
    let owned = blocking(move || whole(&app, Some(&client.who.client_id), upload_id)).await?;
    json(StatusCode::OK, &owned.document)
}

pub(crate) async fn uploads(
    State(app): State<Arc<App>>,
    Caller(client): Caller,
    query: AskedQuery,
) -> Answer {
    let page = Page::read(&pairs(query)?)?;
    let (uploads, next_cursor) =
        blocking(move || list(&app, Some(&client.who.client_id), page)).await?;
    let document = UploadsDocument {
        uploads: uploads.into_iter().map(|owned| owned.document).collect(),
        next_cursor,
    };
    json(StatusCode::OK, &document)
}

pub(crate) async fn rejects(
    State(app): State<Arc<App>>,
    Caller(client): Caller,
    path: AskedPath,
) -> Answer {
    let upload_id = upload_in(path)?;
    report(app, Some(client.who.client_id.clone()), upload_id).await
}

/// The report of rejected rows of one upload: of this client, or of any.
pub(crate) async fn report(
    app: Arc<App>,
    client_id: Option<String>,
    upload_id: UploadId,
) -> Answer {
    let stall = app.options.body_idle_timeout;
    let file = blocking(move || {
        let found = find(&app, client_id.as_deref(), upload_id)?;
        open_report(&app, &found)?.ok_or_else(|| refusal::no_rejects().into())
    })
    .await?;
    let body = FileBody::of(file, stall).map_err(|error| Failure::internal(&error))?;
    let mut response = typed(StatusCode::OK, "text/csv; charset=utf-8", Body::new(body));
    let name = format!("attachment; filename=\"{upload_id}.rejects.csv\"");
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// Where an upload's report is found.
pub(crate) fn rejects_url(upload_id: UploadId) -> String {
    Route::GetRejects
        .path()
        .replace("{upload_id}", upload_id.as_str())
}

pub(crate) fn pairs(query: AskedQuery) -> Result<Pairs, Failure> {
    query.map(|Query(pairs)| pairs).map_err(|_| {
        let detail = "the query is not well formed";
        Box::new(Problem::new(ProblemKind::InvalidParameter, detail)).into()
    })
}

pub(crate) fn upload_in(path: AskedPath) -> Result<UploadId, Failure> {
    let Path(text) = path.map_err(|_| refusal::no_upload())?;
    Ok(asked_upload(&text)?)
}

pub(crate) fn transaction_in(path: AskedPath) -> Result<String, Failure> {
    let Path(text) = path.map_err(|_| refusal::no_transaction())?;
    asked_transaction(&text)?;
    Ok(text)
}

/// The document of one upload: of this client, or of any.
pub(crate) fn whole(
    app: &App,
    client_id: Option<&str>,
    upload_id: UploadId,
) -> Result<OwnedDocument, Failure> {
    owned(app, &find(app, client_id, upload_id)?, Detail::Whole)
}

/// An upload's document, and whose it is.
#[derive(Serialize)]
pub(crate) struct OwnedDocument {
    client_id: Option<String>,
    #[serde(flatten)]
    document: UploadDocument,
}

fn owned(app: &App, found: &Found, detail: Detail) -> Result<OwnedDocument, Failure> {
    let received = found.upload.as_ref().and_then(|u| u.received.as_ref());
    let of_history = received.map(|received| received.client_id.clone());
    let of_link = || found.known.as_ref().map(|k| k.link.client_id.clone());
    Ok(OwnedDocument {
        client_id: of_history.or_else(of_link),
        document: document(app, found, detail)?,
    })
}

/// What is known of an upload: in the history, and of its link.
struct Found {
    upload_id: UploadId,
    upload: Option<Upload>,
    known: Option<Known>,
}

fn find(app: &App, client_id: Option<&str>, upload_id: UploadId) -> Result<Found, Failure> {
    let known = app.links.get(upload_id);
    let found = Found {
        upload_id,
        upload: app
            .host
            .upload(upload_id)?
            .filter(|upload| client_id.is_none_or(|id| owns_upload(upload, id))),
        known: known.filter(|known| client_id.is_none_or(|id| known.link.client_id == id)),
    };
    let is_there = found.upload.is_some() || found.known.is_some();
    Ok(Some(found)
        .filter(|_| is_there)
        .ok_or_else(refusal::no_upload)?)
}

/// How much is told of an upload.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// All.
    Whole,
    /// As one of many: without its first errors.
    Entry,
}

fn document(app: &App, found: &Found, detail: Detail) -> Result<UploadDocument, Failure> {
    let id = found.upload_id;
    let known = found.known.as_ref();
    let is_tried = known.is_some_and(|known| known.report.is_some());
    let Some(upload) = found.upload.as_ref().filter(|_| !is_tried) else {
        return Ok(waiting(app, found));
    };
    let report = open_report(app, found)?;
    let rejects_url = report.as_ref().map(|_| rejects_url(id));
    let errors = match report.filter(|_| detail == Detail::Whole) {
        Some(report) => first_errors(BufReader::new(report)).map_err(|e| Failure::internal(&e))?,
        None => Vec::new(),
    };
    let source = UploadSource {
        is_dry_run: false,
        findings: None,
        percent_read: upload
            .ending
            .is_none()
            .then(|| app.queue.percent(id))
            .flatten(),
        errors,
        rejects_url,
    };
    Ok(upload_document(upload, source).signed(app.options.receipt_key.as_ref()))
}

/// The document of an upload that the history does not know, or not yet.
fn waiting(app: &App, found: &Found) -> UploadDocument {
    let Some(known) = &found.known else {
        return UploadDocument::empty(found.upload_id, StateName::Expired);
    };
    let mut document = known.document(app.now());
    if document.state == StateName::Processing {
        document.percent = app.queue.percent(found.upload_id);
    }
    document
}

/// The report of rejected rows, once reading has ended.
fn open_report(app: &App, found: &Found) -> Result<Option<File>, Failure> {
    let was_read = found
        .upload
        .as_ref()
        .is_some_and(|upload| upload.ending.is_some());
    let was_tried = found
        .known
        .as_ref()
        .is_some_and(|known| known.report.is_some());
    if !was_read && !was_tried {
        return Ok(None);
    }
    match File::open(app.host.rejects_path(found.upload_id)) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::internal(&error)),
    }
}

/// One page of a client's uploads, or of all, and where the next starts: those of the history and
/// those that only have a link.
pub(crate) fn list(
    app: &App,
    client_id: Option<&str>,
    page: Page,
) -> Result<(Vec<OwnedDocument>, Option<String>), Failure> {
    // One more than is asked for says whether there is another page.
    let wanted = page.limit + 1;
    let mut found: BTreeMap<UploadId, Found> = BTreeMap::new();
    for upload in app.host.uploads(client_id, page.before, wanted)? {
        let entry = Found {
            upload_id: upload.id,
            known: None,
            upload: Some(upload),
        };
        found.insert(entry.upload_id, entry);
    }
    for known in app.links.newest(client_id, page.before, wanted) {
        let upload_id = known.link.upload_id;
        let entry = found.entry(upload_id).or_insert_with(|| Found {
            upload_id,
            upload: None,
            known: None,
        });
        entry.known = Some(known);
    }
    let has_more = found.len() > page.limit;
    let newest: Vec<Found> = found.into_values().rev().take(page.limit).collect();
    let uploads: Result<Vec<_>, _> = newest
        .iter()
        .map(|found| owned(app, found, Detail::Entry))
        .collect();
    let last = newest.last().map(|found| found.upload_id.to_string());
    Ok((uploads?, last.filter(|_| has_more)))
}

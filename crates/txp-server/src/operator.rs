//! What the operator's page asks for: the whole directory, every client's uploads, alerts, metrics.
//!
//! No part of the API of merchants, and not in its description: it changes with the page. Each
//! request carries the operator's token in a header of its own, which no page of another site can
//! send, and is refused where it comes from one. Only looks; nothing here changes anything.

mod alerts;
mod overview;

use crate::answer::{Answer, Failure, blocking, json};
use crate::app::App;
use crate::origin::check_origin;
use crate::read::{self, OwnedDocument};
use crate::serve::Peer;
use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::get;
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;
use txp_domain::event::Merchants;
use txp_pipeline::api::{Page, merchant_id, visible_transaction};
use txp_pipeline::document::{
    AsOfDocument, Audience, ProblemKind, transaction_document, upload_of,
};

/// The header that carries the token.
const TOKEN_HEADER: &str = "x-operator-token";

/// Wrong tokens per second that are answered as such, and how many may come at once.
pub(crate) const REFUSALS_PER_SECOND: u32 = 1;
/// See [`REFUSALS_PER_SECOND`].
pub(crate) const REFUSALS_BURST: u32 = 10;

/// Where all of it is.
pub(crate) const PREFIX: &str = "/operator/";

const OVERVIEW: &str = "/operator/overview";
const SERIES: &str = "/operator/series";
const UPLOADS: &str = "/operator/uploads";
const UPLOAD: &str = "/operator/uploads/{upload_id}";
const REJECTS: &str = "/operator/uploads/{upload_id}/rejects";
const ALERTS: &str = "/operator/alerts";
const TRANSACTION: &str = "/operator/transactions/{transaction_id}";

/// Every path.
pub(crate) const PATHS: [&str; 7] = [
    OVERVIEW,
    SERIES,
    UPLOADS,
    UPLOAD,
    REJECTS,
    ALERTS,
    TRANSACTION,
];

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route(OVERVIEW, get(overview::overview))
        .route(SERIES, get(crate::series::series))
        .route(UPLOADS, get(uploads))
        .route(UPLOAD, get(upload))
        .route(REJECTS, get(rejects))
        .route(ALERTS, get(alerts::alerts))
        .route(TRANSACTION, get(transaction))
}

/// Whoever has the operator's token.
pub(crate) struct Operator;

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Failure> {
        let Some(peer) = parts.extensions.get::<Peer>() else {
            let detail = "the request came over no connection";
            return Err(Failure::new(ProblemKind::OriginRefused, detail));
        };
        check_origin(app, &parts.headers, *peer)?;
        let mut values = parts.headers.get_all(TOKEN_HEADER).iter();
        let (first, second) = (values.next(), values.next());
        let presented = first
            .filter(|_| second.is_none())
            .and_then(|value| value.to_str().ok());
        if app.operator.is(presented.unwrap_or_default())? {
            return Ok(Self);
        }
        // Wrong ones only: whoever guesses must not lock the operator out. What protects is that
        // there are 2^256 tokens; this keeps the guessing cheap.
        if !app.refusals.admit(TOKEN_HEADER, Instant::now()) {
            let detail = "too many wrong tokens came";
            return Err(Failure::new(ProblemKind::TooManyRequests, detail));
        }
        let detail = "the header x-operator-token does not hold the operator's token";
        Err(Failure::new(ProblemKind::OperatorRefused, detail))
    }
}

type Pairs = Vec<(String, String)>;
type AskedPath = Result<Path<String>, PathRejection>;
type AskedQuery = Result<Query<Pairs>, QueryRejection>;

/// Everyone's uploads, newest first.
#[derive(Serialize)]
struct UploadsDocument {
    uploads: Vec<OwnedDocument>,
    next_cursor: Option<String>,
}

async fn uploads(_: Operator, State(app): State<Arc<App>>, query: AskedQuery) -> Answer {
    let page = Page::read(&read::pairs(query)?)?;
    let (uploads, next_cursor) = blocking(move || read::list(&app, None, page)).await?;
    let document = UploadsDocument {
        uploads,
        next_cursor,
    };
    json(StatusCode::OK, &document)
}

async fn upload(_: Operator, State(app): State<Arc<App>>, path: AskedPath) -> Answer {
    let upload_id = read::upload_in(path)?;
    let document = blocking(move || read::whole(&app, None, upload_id)).await?;
    json(StatusCode::OK, &document)
}

async fn rejects(_: Operator, State(app): State<Arc<App>>, path: AskedPath) -> Answer {
    let upload_id = read::upload_in(path)?;
    read::report(app, None, upload_id).await
}

async fn transaction(
    _: Operator,
    State(app): State<Arc<App>>,
    path: AskedPath,
    query: AskedQuery,
) -> Answer {
    let pairs = read::pairs(query)?;
    let merchant = merchant_id(&pairs)?.map(str::to_owned);
    let transaction_id = read::transaction_in(path)?;
    let document = blocking(move || {
        let (found, as_of) = app.host.transactions(&transaction_id)?;
        let transaction = visible_transaction(found, &Merchants::All, merchant.as_deref())?;
        let upload = match upload_of(&transaction) {
            Some(upload_id) => app.host.upload(upload_id)?,
            None => None,
        };
        let as_of = AsOfDocument::new(as_of.sequence, as_of.arrival_millis);
        let audience = Audience::Operator;
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

//! The table of routes, and what is answered where there is none.

use crate::answer::Failure;
use crate::app::App;
use crate::{content, guard, link, operator, page, read, site};
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post, put};
use std::sync::Arc;
use txp_pipeline::api::{Route, refusal};

/// The routes of a server.
pub(crate) fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route(Route::PostUpload.path(), post(link::create))
        .route(Route::PutContent.path(), put(content::receive))
        .route(Route::GetStatus.path(), get(read::status))
        .route(Route::GetUpload.path(), get(read::upload))
        .route(Route::GetRejects.path(), get(read::rejects))
        .route(Route::GetUploads.path(), get(read::uploads))
        .route(Route::GetOpenapi.path(), get(site::openapi))
        .route(Route::GetReceiptKey.path(), get(site::receipt_key))
        .route(Route::GetHealth.path(), get(site::health))
        .route(Route::GetMetrics.path(), get(site::metrics))
        .route(Route::GetShell.path(), get(page::shell))
        .route(page::ASSETS_PATH, get(page::asset))
        .merge(operator::routes())
        .fallback(async || no_route())
        .method_not_allowed_fallback(async || no_method())
        .layer(from_fn_with_state(Arc::clone(app), guard::guard))
        .with_state(Arc::clone(app))
}

pub(crate) fn no_route() -> Failure {
    refusal::no_route().into()
}

fn no_method() -> Failure {
    refusal::no_method().into()
}

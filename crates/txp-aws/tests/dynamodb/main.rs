//! The stores on DynamoDB do what every adapter of their ports must do, and what only they promise:
//! claims, lists, what a first sight costs. Against ministack, a third party's emulator.
//!
//! `cargo xtask ci --only test` makes the emulator's Python environment and runs this.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: a panic is how they say no"
)]

mod alerts;
mod claims;
mod emulator;
mod folding;
mod life;
mod rebuild;
mod suppressions;
mod webhooks;

use emulator::Emulator;
use txp_aws::dynamodb::Connection;
use txp_aws::dynamodb::profiles::Profiles;
use txp_aws::dynamodb::tables;
use txp_aws::dynamodb::transactions::Transactions;
use txp_aws::dynamodb::uploads::Uploads;
use txp_domain::id::UploadId;
use txp_domain::upload::Upload;
use txp_tests::conformance;

async fn read(store: &mut Uploads, id: UploadId) -> Upload {
    let view = store.load(id).await.unwrap();
    view.expect("the upload is known").upload
}

async fn uploads(emulator: &Emulator) -> Uploads {
    let connection = Connection::new(emulator.client());
    Uploads::new(connection, emulator.table(&tables::UPLOADS).await)
}

#[tokio::test]
async fn transactions_conform() {
    let emulator = Emulator::shared().await;
    let table = emulator.table(&tables::TRANSACTIONS).await;
    let connection = Connection::new(emulator.client());
    let mut store = Transactions::new(connection, table);
    conformance::transactions::insert_new_tells_new_from_known(&mut store).await;
    conformance::transactions::an_item_is_read_back_as_it_was_stored(&mut store).await;
    conformance::transactions::store_is_conditional_on_the_revision(&mut store).await;
    conformance::transactions::merchants_of_one_id_are_apart(&mut store).await;
    conformance::transactions::prepared_items_are_those_stored(&mut store).await;
    let mut other = store.clone();
    conformance::transactions::a_stale_item_is_never_written_over(&mut store, &mut other).await;
    let shared = store.of_id("shared").await.unwrap();
    let merchants: Vec<_> = shared.iter().map(|item| &*item.key.merchant_id).collect();
    assert_eq!(merchants, ["m-a", "m-b"]);
    assert_eq!(store.of_id("nobody's").await.unwrap(), []);
}

#[tokio::test]
async fn uploads_conform() {
    let emulator = Emulator::shared().await;
    let mut store = uploads(&emulator).await;
    conformance::uploads::a_watermark_is_advanced_once(&mut store, read).await;
    conformance::uploads::all_buckets_advance_together(&mut store, read).await;
    conformance::uploads::an_upload_completes_once(&mut store, read).await;
    conformance::uploads::a_failed_upload_stays_failed(&mut store, read).await;
}

#[tokio::test]
async fn profiles_conform() {
    let emulator = Emulator::shared().await;
    let table = emulator.table(&tables::PROFILES).await;
    let connection = Connection::new(emulator.client());
    let mut store = Profiles::new(connection, table);
    let mut other = store.clone();
    conformance::profiles::a_profile_is_read_back_as_it_was_stored(&mut store).await;
    conformance::profiles::store_is_conditional_on_the_revision(&mut store).await;
    conformance::profiles::an_update_is_made_once(&mut store).await;
    conformance::profiles::prepared_profiles_are_those_stored(&mut store).await;
    conformance::profiles::a_stale_profile_is_never_written_over(&mut store, &mut other).await;
    conformance::profiles::several_are_updated_as_each_alone(&mut store, &mut other).await;
}

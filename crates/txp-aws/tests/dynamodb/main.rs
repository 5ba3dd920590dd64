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
mod faulty;
mod folding;
mod life;
mod paging;
mod rebuild;
mod suppressions;
mod topic;
mod webhooks;

use aws_sdk_dynamodb::Client;
use txp_aws::dynamodb::Connection;
use txp_aws::dynamodb::alerts::{Alerts, SharedCooldowns};
use txp_aws::dynamodb::profiles::Profiles;
use txp_aws::dynamodb::tables;
use txp_aws::dynamodb::transactions::Transactions;
use txp_aws::dynamodb::uploads::Uploads;
use txp_domain::id::UploadId;
use txp_domain::upload::Upload;
use txp_emulator::Emulator;
use txp_tests::conformance;

async fn read(store: &mut Uploads, id: UploadId) -> Upload {
    let view = store.load(id).await.unwrap();
    view.expect("the upload is known").upload
}

async fn uploads(emulator: &Emulator) -> Uploads {
    let connection = Connection::new(emulator.dynamodb());
    Uploads::new(connection, emulator.table(&tables::UPLOADS).await)
}

/// The functions of one port over one client, which may be one whose calls go wrong.
mod over {
    use super::*;

    pub(super) async fn transactions(emulator: &Emulator, client: Client) {
        let table = emulator.table(&tables::TRANSACTIONS).await;
        let mut store = Transactions::new(Connection::new(client), table);
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

    pub(super) async fn uploads(emulator: &Emulator, client: Client) {
        let table = emulator.table(&tables::UPLOADS).await;
        let mut store = Uploads::new(Connection::new(client), table);
        conformance::uploads::a_watermark_is_advanced_once(&mut store, read).await;
        conformance::uploads::all_buckets_advance_together(&mut store, read).await;
        conformance::uploads::an_upload_completes_once(&mut store, read).await;
        conformance::uploads::a_failed_upload_stays_failed(&mut store, read).await;
    }

    pub(super) async fn profiles(emulator: &Emulator, client: Client) {
        let table = emulator.table(&tables::PROFILES).await;
        let mut store = Profiles::new(Connection::new(client), table);
        let mut other = store.clone();
        conformance::profiles::a_profile_is_read_back_as_it_was_stored(&mut store).await;
        conformance::profiles::store_is_conditional_on_the_revision(&mut store).await;
        conformance::profiles::an_update_is_made_once(&mut store).await;
        conformance::profiles::prepared_profiles_are_those_stored(&mut store).await;
        conformance::profiles::a_stale_profile_is_never_written_over(&mut store, &mut other).await;
        conformance::profiles::several_are_updated_as_each_alone(&mut store, &mut other).await;
    }

    pub(super) async fn alerts(emulator: &Emulator, client: Client) {
        let table = emulator.table(&tables::ALERTS).await;
        let mut ledger = Alerts::new(Connection::new(client), table);
        let cooldowns = SharedCooldowns::new(ledger.clone());
        conformance::alerts::an_alert_is_recorded_then_marked(&mut ledger).await;
        conformance::alerts::a_storm_is_told_by_digests(&mut ledger, cooldowns.clone()).await;
        conformance::alerts::an_old_finding_is_recorded_only(&mut ledger, cooldowns).await;
    }
}

#[tokio::test]
async fn transactions_conform() {
    let emulator = Emulator::shared().await;
    over::transactions(&emulator, emulator.dynamodb()).await;
}

#[tokio::test]
async fn uploads_conform() {
    let emulator = Emulator::shared().await;
    over::uploads(&emulator, emulator.dynamodb()).await;
}

#[tokio::test]
async fn profiles_conform() {
    let emulator = Emulator::shared().await;
    over::profiles(&emulator, emulator.dynamodb()).await;
}

#[tokio::test]
async fn alerts_conform() {
    let emulator = Emulator::shared().await;
    over::alerts(&emulator, emulator.dynamodb()).await;
}

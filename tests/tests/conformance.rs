//! The embedded adapters do what every adapter of their ports must do.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "tests: a panic is how they say no"
)]

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use txp_domain::alert::Cooldowns;
use txp_domain::id::UploadId;
use txp_domain::upload::Upload;
use txp_local::alerts::Ledger;
use txp_local::state::State;
use txp_tests::conformance::{NOW, alerts, profiles, transactions, uploads};

/// The embedded adapters never wait: a future that is polled is done.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(done) => done,
        Poll::Pending => unreachable!("an embedded adapter waits"),
    }
}

fn with_state(test: impl AsyncFn(&mut State)) {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    now(test(&mut state));
}

async fn read(state: &mut State, id: UploadId) -> Upload {
    state.upload(id).unwrap().expect("the upload is known")
}

#[test]
fn transactions_conform() {
    with_state(async |state| {
        transactions::insert_new_tells_new_from_known(state).await;
        transactions::an_item_is_read_back_as_it_was_stored(state).await;
        transactions::store_is_conditional_on_the_revision(state).await;
        transactions::merchants_of_one_id_are_apart(state).await;
    });
}

#[test]
fn uploads_conform() {
    with_state(async |state| {
        uploads::a_watermark_is_advanced_once(state, read).await;
        uploads::all_buckets_advance_together(state, read).await;
        uploads::an_upload_completes_once(state, read).await;
        uploads::a_failed_upload_stays_failed(state, read).await;
    });
}

#[test]
fn profiles_conform() {
    with_state(async |state| {
        profiles::a_profile_is_read_back_as_it_was_stored(state).await;
        profiles::store_is_conditional_on_the_revision(state).await;
        profiles::an_update_is_made_once(state).await;
        profiles::prepared_profiles_are_those_stored(state).await;
    });
}

#[test]
fn alerts_conform() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _waiting) = Ledger::open(dir.path(), NOW).unwrap();
    now(alerts::an_alert_is_recorded_then_marked(&mut ledger));
    let cooldowns = Cooldowns::default;
    now(alerts::a_storm_is_told_by_digests(&mut ledger, cooldowns()));
    now(alerts::an_old_finding_is_recorded_only(
        &mut ledger,
        cooldowns(),
    ));
}

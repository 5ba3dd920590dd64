//! What was left lying is taken up by the sweeper.

use crate::world::{World, terms};
use std::cell::RefCell;
use txp_domain::upload::UploadState;
use txp_lambda::validation::event::ValidationEvent;
use txp_pipeline::port::{ErrorKind, PortError};
use txp_pipeline::stage::ingest::TRIES_FAILED_MAX;
use txp_tests::alarm::{self, Alarms, State};

const FILE: &[u8] = b"transaction_id,amount,merchant_id,card_number\nt1,1.00,m1,4242424242424242\n";

#[tokio::test]
async fn a_file_whose_notification_was_lost_is_read_and_a_link_not_used_expires() {
    let mut world = World::new().await;
    let (put, unused) = (
        world.announce(30, &terms()).await,
        world.announce(31, &terms()).await,
    );
    let _lost = world.put(put, FILE).await;
    world.take(ValidationEvent::Tick, 60_000).await.unwrap();
    let task = world.next_call().expect("it is found");
    assert_eq!((task.upload_id, world.next_call()), (put, None));
    world
        .take(ValidationEvent::Continue(task), 60_000)
        .await
        .unwrap();
    assert_eq!(world.ending(put).await["type"], "upload.parsed");
    assert_eq!(world.view(unused).await.state, UploadState::Expired);
}

#[tokio::test]
async fn a_file_whose_reader_died_is_read_on() {
    let mut world = World::new().await;
    let id = world.announce(32, &terms()).await;
    let event = world.put(id, FILE).await;
    let version = world.task_of(&event).version;
    // A reader of long ago.
    world.claim_long_ago(id, &version).await;
    world.take(ValidationEvent::Tick, 60_000).await.unwrap();
    let task = world.next_call().expect("its lease ran out");
    world
        .take(ValidationEvent::Continue(task), 60_000)
        .await
        .unwrap();
    assert_eq!(world.ending(id).await["type"], "upload.parsed");
}

/// A file that kills whoever reads it is not read for ever: its client is told.
#[tokio::test]
async fn a_file_that_its_readers_die_of_fails_and_says_so() {
    let mut world = World::new().await;
    for (number, lost, state) in [(33, 4, "parsed"), (34, 5, "failed")] {
        let id = world.announce(number, &terms()).await;
        let event = world.put(id, FILE).await;
        let version = world.task_of(&event).version;
        for try_number in 0..lost {
            world.claim_lost(id, &version, try_number).await;
        }
        world.take(ValidationEvent::Tick, 60_000).await.unwrap();
        let task = world.next_call().expect("its lease ran out");
        let taken = world.take(ValidationEvent::Continue(task), 60_000);
        taken.await.unwrap();
        let told = world.told(id).await;
        assert_eq!(told["state"], state, "{lost} lost");
        if state == "failed" {
            assert_eq!(told["failure"]["code"], "readers_lost");
        }
        assert!(world.view(id).await.claim.unwrap().is_done);
        world.take(ValidationEvent::Tick, 60_000).await.unwrap();
        assert_eq!(world.next_call(), None, "it is done with");
    }
}

const BAD: &[u8] = b"transaction_id,amount,merchant_id,card_number\nt1,1.00,m1,4242424242424242\nt2,-1,m1,4242424242424242\n";

/// A file that nobody can read, and each says so, is not tried for ever either: its client is told,
/// and the rows that were read stand. Here there is no bucket for its report.
#[tokio::test]
async fn a_file_that_fails_for_good_is_given_up_and_says_so() {
    let mut world = World::new().await;
    let id = world.announce(38, &terms()).await;
    let mut event = world.put(id, BAD).await;
    world.delete_reports().await;
    for tries in 0..TRIES_FAILED_MAX {
        let failed = world.take(event, 60_000).await;
        assert!(failed.is_err(), "try {tries}: it fails loudly");
        let view = world.view(id).await;
        assert_eq!(view.claim.unwrap().tries_failed, tries + 1);
        world.take(ValidationEvent::Tick, 60_000).await.ok();
        let task = world.next_call().expect("it is tried again");
        event = ValidationEvent::Continue(task);
    }
    world.take(event, 60_000).await.unwrap();
    let told = world.told(id).await;
    assert_eq!(
        (&told["state"], &told["failure"]["code"]),
        (&"failed".into(), &"reading_failed".into())
    );
    assert!(world.view(id).await.claim.unwrap().is_done);
    world.take(ValidationEvent::Tick, 60_000).await.ok();
    assert_eq!(world.next_call(), None, "it is done with");
}

/// A denial is the operator's to mend: it fails each time, loudly, and the file is read once that is
/// done, however often it was tried.
#[tokio::test]
async fn a_file_that_may_not_be_read_is_tried_until_it_may() {
    let mut world = World::new().await;
    let id = world.announce(39, &terms()).await;
    let mut event = world.put(id, FILE).await;
    world.deny_objects(true);
    for _ in 0..TRIES_FAILED_MAX + 2 {
        let error = world.take(event, 60_000).await.unwrap_err();
        let kind = error.downcast_ref::<PortError>().map(|error| error.kind);
        assert_eq!(kind, Some(ErrorKind::Denied), "{error:#}");
        let view = world.view(id).await;
        assert_eq!(view.claim.unwrap().tries_failed, 0);
        assert_eq!(view.state, UploadState::Processing);
        world.take(ValidationEvent::Tick, 60_000).await.ok();
        let task = world.next_call().expect("it is tried again");
        event = ValidationEvent::Continue(task);
    }
    assert!(world.events().await.is_empty());
    world.deny_objects(false);
    world.take(event, 60_000).await.unwrap();
    assert_eq!(world.told(id).await["state"], "parsed");
}

/// What cannot be taken up fails the tick, and does not keep the others waiting.
#[tokio::test]
async fn a_damaged_upload_does_not_stop_the_sweeper() {
    let mut world = World::new().await;
    world.damage(world.id(35)).await;
    let id = world.announce(36, &terms()).await;
    let event = world.put(id, FILE).await;
    world
        .claim_lost(id, &world.task_of(&event).version, 0)
        .await;
    let unused = world.announce(37, &terms()).await;
    let swept = world.take(ValidationEvent::Tick, 60_000).await;
    let error = format!("{:#}", swept.unwrap_err());
    assert!(error.contains("is damaged"), "{error}");
    assert_eq!(world.next_call().map(|task| task.upload_id), Some(id));
    assert_eq!(world.view(unused).await.state, UploadState::Expired);
}

/// The alarm `sweeper-silent`, by the rounds that the function tells of, and by none.
#[test]
fn a_sweeper_that_nobody_wakes_raises_its_alarm() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    let world = RefCell::new(runtime.block_on(World::new()));
    let nobody = |cloud: &mut alarm::World| cloud.drop("sweeps");
    let tick = |cloud: &mut alarm::World| {
        nobody(cloud);
        cloud.told_by("validation", || {
            let mut world = world.borrow_mut();
            runtime.block_on(world.take(ValidationEvent::Tick, 60_000))
        })
    };
    let alarms = Alarms::of_the_project();
    let states = alarm::drive(&alarms.alarms["sweeper-silent"], nobody, |cloud| {
        tick(cloud).unwrap();
    });
    assert_eq!(states, [State::Ok, State::Alarm, State::Ok]);
}

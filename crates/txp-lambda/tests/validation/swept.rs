//! What was left lying is taken up by the sweeper.

use crate::world::{World, terms};
use txp_domain::upload::UploadState;
use txp_lambda::validation::event::ValidationEvent;

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

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

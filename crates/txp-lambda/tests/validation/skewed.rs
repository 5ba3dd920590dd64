//! Functions whose clocks are minutes apart: a clock says when somebody may try, and the fence says
//! who may write. So a file may be read by two at once, and nothing of it is lost or there in two ways.

use crate::generated;
use crate::world::{Calls, Skewed, World, direct, terms};
use std::pin::pin;
use std::time::Duration;
use txp_domain::upload::UploadState;
use txp_lambda::validation::Validation;
use txp_lambda::validation::event::ValidationEvent;

const MINUTES: i64 = 10;
/// How often to look whether the first has come to the gate.
const LOOK_EVERY: Duration = Duration::from_millis(5);
const ROWS: u64 = 1_000;

/// One reads, and is held up before its rows are stored, while another is told of the file.
async fn two_readers(number: u8, first: i64, second: i64, is_taken_over: bool) {
    let world = World::new().await;
    let file = generated(ROWS);
    let id = world.announce(number, &terms()).await;
    let event = world.put(id, &file).await;
    let task = ValidationEvent::Continue(world.task_of(&event));
    let (gate, mut slow) = world.gated(Skewed::minutes(first));
    let mut fast = world.another(Skewed::minutes(second));
    {
        let mut reading = pin!(World::have(&mut slow, event, 600_000));
        while !gate.is_reached() {
            tokio::select! {
                done = &mut reading => panic!("it was not held up: {done:?}"),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        let fence = world.view(id).await.claim.unwrap().fence;
        // The sweeper's clock decides whether the claim looks left behind.
        World::have(&mut fast, ValidationEvent::Tick, 600_000)
            .await
            .unwrap();
        assert_eq!(next_call(&fast).is_some(), is_taken_over);
        World::have(&mut fast, task, 600_000).await.unwrap();
        let claim = world.view(id).await.claim.unwrap();
        assert_eq!(claim.is_done, is_taken_over);
        assert_eq!(claim.fence > fence, is_taken_over);
        gate.open();
        // Whoever was overtaken is told so, and that is no failure.
        reading.await.unwrap();
    }
    let claim = world.view(id).await.claim.unwrap();
    assert!(claim.is_done);
    assert_eq!(next_call(&slow), None);
    assert_eq!(next_call(&fast), None);
    let (events, report) = direct(&file, &world.received(id, &terms(), &file).await);
    // Not shown if it differs: it is megabytes.
    assert!(world.events().await == events);
    assert!(world.report(id).await == Some(report));
    let records = events.values().map(Vec::len).sum();
    let stored = world.records_of(id).await;
    assert!(stored >= records);
    assert_eq!(
        stored > records,
        is_taken_over,
        "the same events came twice"
    );
}

fn next_call(function: &Validation<Calls, Skewed>) -> Option<u32> {
    let call = function.again.take();
    call.map(|task| task.hop)
}

#[tokio::test]
async fn a_reader_whose_clock_is_ahead_takes_over_and_the_file_is_read_once() {
    two_readers(50, 0, MINUTES, true).await;
}

#[tokio::test]
async fn a_reader_whose_clock_is_behind_is_taken_over_and_the_file_is_read_once() {
    two_readers(51, -MINUTES, 0, true).await;
}

#[tokio::test]
async fn a_sweeper_whose_clock_is_behind_leaves_a_reader_alone() {
    two_readers(52, 0, -MINUTES, false).await;
}

/// A link is good for as long as S3 says; a clock that is ahead gives it up early, and the file that
/// comes is read all the same.
#[tokio::test]
async fn a_link_that_was_given_up_early_is_still_a_link() {
    let mut world = World::new().await;
    let id = world.announce_until(53, Skewed::minutes(MINUTES / 2)).await;
    let mut ahead = world.another(Skewed::minutes(MINUTES));
    for (sweeper_is_ahead, state) in [(false, UploadState::Pending), (true, UploadState::Expired)] {
        let tick = ValidationEvent::Tick;
        if sweeper_is_ahead {
            World::have(&mut ahead, tick, 60_000).await.unwrap();
        } else {
            world.take(tick, 60_000).await.unwrap();
        }
        assert_eq!(world.view(id).await.state, state);
    }
    let file = generated(30);
    let event = world.put(id, &file).await;
    world.take(event, 60_000).await.unwrap();
    let (events, _) = direct(&file, &world.received(id, &terms(), &file).await);
    assert!(world.events().await == events);
    assert_eq!(world.told(id).await["state"], "parsed");
}

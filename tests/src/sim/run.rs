//! Runs futures against each other, one poll at a time, in an order drawn from the seed; each wait
//! is a place where another goes first, or where a crash drops them all.

use crate::random::Random;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// Something that a worker does.
pub(super) type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Lets the others go first.
pub(super) async fn wait() {
    let mut is_over = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut is_over, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Runs all tasks to their ends, or drops them after so many polls. Says whether all ended.
pub(super) fn run(tasks: Vec<Task>, random: &mut Random, crash_after: Option<usize>) -> bool {
    let mut tasks = tasks;
    let mut context = Context::from_waker(Waker::noop());
    let mut polls = 0;
    while !tasks.is_empty() {
        if crash_after.is_some_and(|limit| polls >= limit) {
            return false;
        }
        polls += 1;
        let at = random.below(tasks.len());
        if tasks[at].as_mut().poll(&mut context).is_ready() {
            drop(tasks.swap_remove(at));
        }
    }
    true
}

/// The result of a future that never waits.
pub(super) fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("it waits"),
    }
}

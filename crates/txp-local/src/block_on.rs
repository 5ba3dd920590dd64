//! Running a stage on the thread that calls it. The embedded adapters do their work in place and
//! never pend, so polling until done needs neither a reactor nor a waker.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Runs a future whose ports never pend for long.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return done;
        }
        std::thread::yield_now();
    }
}

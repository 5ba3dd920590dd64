//! Faults of endpoints of webhooks, under the queue and the sender of the embedded host.

use super::faults::{Fault, fault};
use super::measured::{Measured, ago};
use std::cell::Cell;
use std::rc::Rc;
use txp_domain::time::Timestamp;
use txp_local::control::Webhooks;
use txp_local::webhooks::{Putter, Queue, send_waiting};
use txp_pipeline::webhook::{Outgoing, Post, PostFailure, PostRequest, Topic};
use txp_tests::alarm::World;

const DAY_NANOS: i64 = 24 * 3600 * 1_000_000_000;
const GONE: u16 = 410;

/// An endpoint that always answers the same.
struct Endpoint(u16);

impl Post for Endpoint {
    async fn post(&mut self, _: &PostRequest<'_>) -> Result<u16, PostFailure> {
        Ok(self.0)
    }
}

/// A round of sending at a time, to an endpoint that answers so.
fn round(measured: &mut Measured, world: &mut World, status: u16, now: Timestamp) {
    measured.minute(world, "anomaly", |measured| {
        let host = measured.host();
        host.measure(|| {
            let mut queue = Queue::open(&measured.dir).unwrap();
            send_waiting(&measured.dir, &mut queue, &mut Endpoint(status), || now).unwrap();
        });
        host.measure_standing([]);
    });
}

fn put(measured: &Measured, number: u64, seconds_ago: i64) {
    let message = Outgoing {
        id: format!("message-{number}"),
        topic: Topic::Uploads,
        at: ago(measured.host(), seconds_ago),
        body: "{}".to_owned(),
    };
    Putter::new(&measured.dir).put(&[message]).unwrap();
}

fn listening() -> Rc<std::cell::RefCell<Measured>> {
    let shared = Measured::new();
    {
        let measured = shared.borrow();
        let webhooks = Webhooks::open(&measured.dir, measured.host().now()).unwrap();
        let (topics, added_at) = (vec![Topic::Uploads], ago(measured.host(), 86_400));
        let url = "https://shop.example/";
        webhooks.add(url, topics, false, added_at).unwrap();
    }
    shared
}

/// An endpoint that does not take a message for two hours.
pub(crate) fn late() -> Fault {
    let shared = listening();
    let broken = Rc::clone(&shared);
    fault(
        "webhooks-late",
        move |world| {
            let mut measured = broken.borrow_mut();
            // The same message is not put twice.
            put(&measured, 1, 7200);
            let now = measured.host().now();
            round(&mut measured, world, 503, now);
        },
        move |world| {
            let mut measured = shared.borrow_mut();
            // The next try is due by then.
            let then = Timestamp(measured.host().now().0 + DAY_NANOS);
            round(&mut measured, world, 204, then);
        },
    )
}

/// An endpoint that says that nobody wants its messages any more.
pub(crate) fn given_up() -> Fault {
    let shared = listening();
    let broken = Rc::clone(&shared);
    let number = Rc::new(Cell::new(0));
    let tell = move |measured: &mut Measured, world: &mut World, status: u16| {
        number.set(number.get() + 1);
        put(measured, number.get(), 0);
        let now = measured.host().now();
        round(measured, world, status, now);
    };
    let refused = tell.clone();
    fault(
        "webhooks-given-up",
        move |world| refused(&mut broken.borrow_mut(), world, GONE),
        move |world| tell(&mut shared.borrow_mut(), world, 204),
    )
}

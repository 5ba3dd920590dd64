//! The producer does what every adapter of the port must do that a history is appended by.

use crate::stream::Stream;
use crate::wrapped::Hasty;
use crate::{faulty, open};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use txp_aws::kinesis::producer::{Producer, Settings};
use txp_aws::kinesis::put::StreamWriter;
use txp_emulator::{Proxy, Turn};
use txp_pipeline::port::{ErrorKind, EventSink, Window};
use txp_tests::conformance::events;
use txp_tests::conformance::source::{Given, read_all};

fn producer(writer: StreamWriter) -> impl EventSink {
    Producer::new(writer, Hasty::default(), Settings::default())
}

async fn history(stream: &Stream) -> Vec<Given> {
    read_all(&mut open(stream, Window::default()).await).await
}

/// The functions over one writer, which may be one whose calls go wrong. Gives how many events came
/// again.
async fn over(stream: &Stream, writer: StreamWriter) -> usize {
    let read = async || history(stream).await;
    let mut sink = producer(writer.clone());
    events::nothing_adds_nothing(&mut sink, read).await;
    let repeats = events::what_is_flushed_is_there_in_order(&mut sink, read).await;
    let mut other = producer(writer);
    events::two_keep_their_orders(&mut sink, &mut other, read).await;
    repeats
}

#[tokio::test]
async fn appending_conforms() {
    let stream = Stream::create(2).await;
    assert_eq!(over(&stream, stream.writer()).await, 0);
}

#[tokio::test]
async fn appending_conforms_whatever_goes_wrong() {
    let stream = Stream::create(2).await;
    let faults = faulty::Faults::default();
    let proxy = Proxy::before(stream.port, faulty::faults_of(&faults));
    let (writer, _reader) = stream.through(proxy.port);
    let repeats = over(&stream, writer).await;
    assert!(repeats > 0, "answers were lost");
    faulty::came(&faults, &["lost", "part"]);
}

/// What cannot be tried again, and what was tried for long.
#[tokio::test]
async fn a_producer_that_failed_takes_nothing_more() {
    for (status, code, kind) in [
        (400, "AccessDeniedException", ErrorKind::Denied),
        (400, "ResourceNotFoundException", ErrorKind::Permanent),
        (500, "InternalFailure", ErrorKind::Transient),
        (
            400,
            "ProvisionedThroughputExceededException",
            ErrorKind::Throttled,
        ),
    ] {
        let stream = Stream::create(1).await;
        let is_refused = Arc::new(AtomicBool::new(false));
        let refused = Arc::clone(&is_refused);
        let proxy = Proxy::before(stream.port, move |_| {
            if refused.load(Ordering::Relaxed) {
                return Turn::Instead(status, json!({ "__type": code }).to_string());
            }
            Turn::Through
        });
        let (writer, _reader) = stream.through(proxy.port);
        events::one_that_failed_takes_nothing_more(
            &mut producer(writer),
            async || is_refused.store(true, Ordering::Relaxed),
            async || is_refused.store(false, Ordering::Relaxed),
            async || history(&stream).await,
            kind,
        )
        .await;
    }
}

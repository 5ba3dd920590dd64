//! The producer and the reader by a stream that throttles, breaks down, breaks off, stores a part of a
//! call, stores and does not answer, is silent, lets iterators expire and gives few records at a time,
//! while it is resharded.

use crate::stream::Stream;
use crate::wrapped::Hasty;
use crate::{BATCHES, Recorded, batch, reshard};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use txp_aws::kinesis::producer::{Producer, Settings};
use txp_aws::kinesis::reader::StreamSource;
use txp_emulator::{Once, Proxy, Request, Turn};
use txp_pipeline::port::{EventSink as _, Window};
use txp_tests::conformance::source;

/// Records of an answer.
const FEW: u32 = 7;
/// The one request that nobody answers: waiting for that takes seconds.
const UNANSWERED: usize = 15;

/// How often each fault came, by name.
pub(crate) type Faults = Arc<Mutex<BTreeMap<&'static str, usize>>>;

pub(crate) fn faults_of(faults: &Faults) -> impl Fn(&mut Request) -> Turn + use<> {
    let (faults, once) = (Arc::clone(faults), Once::default());
    move |request| {
        let Some(number) = once.number(request) else {
            return Turn::Through;
        };
        let (fault, turn) = match (number, number % 10, request.operation()) {
            (UNANSWERED, ..) => ("silence", Turn::Silence),
            (_, 1, _) => (
                "throttle",
                refusal(400, "ProvisionedThroughputExceededException"),
            ),
            (_, 3, _) => ("breakdown", refusal(500, "InternalFailure")),
            (_, 5, _) => ("reset", Turn::Reset),
            (_, 7, "PutRecords") => ("lost", Turn::Lost),
            (_, _, "PutRecords") => ("part", half(request)),
            (_, 7, "GetRecords") => ("expiry", refusal(400, "ExpiredIteratorException")),
            (_, _, "GetRecords") => {
                request.change(|body| body["Limit"] = json!(FEW));
                ("few", Turn::Through)
            }
            _ => return Turn::Through,
        };
        *faults.lock().unwrap().entry(fault).or_default() += 1;
        turn
    }
}

fn refusal(status: u16, code: &str) -> Turn {
    Turn::Instead(status, json!({ "__type": code }).to_string())
}

/// The second half of a call's records is refused.
fn half(request: &mut Request) -> Turn {
    let mut left = 0;
    request.change(|body| {
        let records = body["Records"].as_array_mut().unwrap();
        left = records.split_off(records.len().div_ceil(2)).len();
    });
    Turn::Changed(Box::new(move |answer| {
        let mut answer: Value = serde_json::from_slice(answer).unwrap();
        let refused = json!({ "ErrorCode": "InternalFailure", "ErrorMessage": "no" });
        let records = answer["Records"].as_array_mut().unwrap();
        records.extend(std::iter::repeat_n(refused, left));
        answer["FailedRecordCount"] = json!(left);
        serde_json::to_vec(&answer).unwrap()
    }))
}

/// Each fault that a port's calls can meet came.
pub(crate) fn came(faults: &Faults, expected: &[&str]) {
    let faults = faults.lock().unwrap();
    let of_all = ["throttle", "breakdown", "reset", "silence"];
    for fault in of_all.iter().chain(expected) {
        assert!(faults.contains_key(fault), "{fault}: {faults:?}");
    }
}

#[tokio::test]
async fn a_stream_conforms_whatever_goes_wrong() {
    let stream = Stream::create(2).await;
    let faults = Faults::default();
    let proxy = Proxy::before(stream.port, faults_of(&faults));
    let (writer, reader) = stream.through(proxy.port);
    let mut producer = Producer::new(writer, Hasty::default(), Settings::default());
    let mut recorded = Recorded::new();
    for number in 0..BATCHES {
        reshard(&stream, number).await;
        producer
            .append(&mut batch(number, &mut recorded))
            .await
            .unwrap();
        producer.flush().await.unwrap();
    }
    // What is there, read in peace: nothing is lost, and what is first of each is in order.
    let stored = StreamSource::open(stream.reader(), Hasty::default(), Window::default()).await;
    let stored = source::by_bucket(&source::read_all(&mut stored.unwrap()).await);
    let (mut stored_bytes, mut repeats) = (Recorded::new(), 0);
    for (bucket, events) in stored {
        let bytes: Vec<_> = events.into_iter().map(|event| event.bytes).collect();
        let mut first: Vec<Vec<u8>> = Vec::new();
        for event in &bytes {
            if first.contains(event) {
                repeats += 1;
            } else {
                first.push(event.clone());
            }
        }
        assert_eq!(first, recorded[&bucket], "{bucket}");
        stored_bytes.insert(bucket, bytes);
    }
    assert_eq!(stored_bytes.len(), recorded.len());
    assert!(repeats > 0, "answers were lost");

    let open = async |window| {
        StreamSource::open(reader.clone(), Hasty::default(), window)
            .await
            .unwrap()
    };
    source::every_event_comes_once_in_order(open, &stored_bytes).await;
    source::a_source_goes_on_from_any_place(open).await;
    came(&faults, &["lost", "part", "expiry", "few"]);
}

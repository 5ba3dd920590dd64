//! What the function is told, and how far it says that it got.

use super::*;
use serde_json::json;

#[test]
fn an_event_is_a_batch_or_a_tick() {
    let of = |event: serde_json::Value| serde_json::from_value::<AnomalyEvent>(event);
    let batch = json!({ "Records": [{ "eventName": "INSERT", "more": 1 }, 5, null], "x": {} });
    assert!(matches!(of(batch), Ok(AnomalyEvent::Stream(records)) if records.len() == 3));
    for source in ["aws.events", "aws.scheduler"] {
        let tick = json!({ "source": source, "detail-type": "Scheduled Event", "detail": {} });
        assert!(matches!(of(tick), Ok(AnomalyEvent::Tick)));
    }
    for other in [
        json!({}),
        json!({ "source": "aws.s3" }),
        json!([]),
        json!(1),
    ] {
        assert!(of(other).is_err());
    }
}

#[test]
fn the_answer_names_the_first_record_that_is_not_done() {
    let records: Vec<StreamRecord> = serde_json::from_value(json!([
        { "dynamodb": { "SequenceNumber": "100" } },
        { "dynamodb": { "SequenceNumber": "200" } },
        { "dynamodb": {} },
    ]))
    .unwrap();
    let failures = |undone| {
        let answer = serde_json::to_value(answer(&records, undone).unwrap()).unwrap();
        answer["batchItemFailures"].clone()
    };
    assert_eq!(failures(None), json!([]));
    assert_eq!(
        failures(Some((1, None))),
        json!([{ "itemIdentifier": "200" }])
    );
    let error = || PortError::new(txp_pipeline::port::ErrorKind::Denied, "not allowed");
    assert_eq!(
        failures(Some((0, Some(error())))),
        json!([{ "itemIdentifier": "100" }])
    );
    // Without a number the whole batch comes again.
    assert!(answer(&records, Some((2, Some(error())))).is_err());
}

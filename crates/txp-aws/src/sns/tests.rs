//! What goes into a call.

use super::*;
use txp_domain::alert::{Notice, Told};
use txp_domain::finding::Money;
use txp_domain::money::{Amount, Currency};
use txp_domain::rule::Severity;
use txp_domain::time::Timestamp;

fn message(body_bytes: usize) -> Message {
    Message {
        id: "a".into(),
        subject: "subject".into(),
        body: "b".repeat(body_bytes),
        severity: Severity::High,
        rule: "r".into(),
        merchant_id: "m".into(),
        told: Told::Finding(Box::new(Notice {
            id: "a".into(),
            merchant_id: "m".into(),
            rule: "r".into(),
            transaction_id: "t".into(),
            severity: Severity::High,
            score: 500,
            money: Money {
                amount: Amount(1),
                currency: Currency::USD,
            },
            event_time: Timestamp(0),
            words: "w".into(),
        })),
    }
}

#[test]
fn a_call_holds_up_to_ten_messages_and_256_kib() {
    for (sizes, expected) in [
        (vec![100; 25], vec![10, 10, 5]),
        (vec![100 << 10; 5], vec![2, 2, 1]),
        (vec![1, 300 << 10, 1], vec![1, 1, 1]),
        (vec![], vec![]),
    ] {
        let messages: Vec<_> = sizes.iter().map(|bytes| message(*bytes)).collect();
        let calls = calls(&messages);
        let lengths: Vec<_> = calls.iter().map(Vec::len).collect();
        assert_eq!(lengths, expected);
        let in_order = calls.into_iter().flatten().eq(&messages);
        assert!(in_order);
        for message in &messages {
            assert!(body_of(message).len() + OVERHEAD_BYTES_MAX <= CALL_BYTES_MAX);
        }
    }
}

#[test]
fn an_entry_is_what_sns_takes() {
    let mut message = message(10);
    message.subject = format!("line\nümlaut {}", "s".repeat(200));
    message.rule = String::new();
    let entry = entry_of(3, &message).unwrap();
    let subject = entry.subject().unwrap();
    assert!(subject.starts_with("line??mlaut"), "{subject}");
    assert_eq!(subject.len(), SUBJECT_CHARS_MAX);
    assert_eq!(entry.message(), message.body);
    // An empty attribute is refused: the rule's is left out.
    let attributes = entry.message_attributes().unwrap();
    let value = |name| attributes.get(name)?.string_value();
    assert_eq!(value("severity"), Some("high"));
    assert_eq!(value("merchant_id"), Some("m"));
    assert_eq!(value("rule"), None);
}

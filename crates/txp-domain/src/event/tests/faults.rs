//! Reading what is not ours, damaged, or from the future.

use super::frozen::frozen;
use crate::event::*;

/// A frozen event with one text in the place of another.
fn changed(name: &str, from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(frozen(name)).unwrap();
    assert!(text.contains(from), "{name}: {from}");
    text.replace(from, to).into_bytes()
}

fn fault(bytes: &[u8]) -> String {
    decode(bytes).unwrap_err().to_string()
}

#[test]
fn unknown_fields_are_ignored() {
    let mut names: Vec<_> = super::samples::rows().iter().map(|row| row.0).collect();
    names.extend(super::samples::others().iter().map(|other| other.0));
    for name in names {
        let before = frozen(name);
        let extended = changed(
            name,
            "\"data\":{",
            "\"tracestate\":\"x\",\"data\":{\"new\":{\"a\":[1]},",
        );
        let extended = String::from_utf8(extended).unwrap();
        let extended = extended.replace("\"card\":{", "\"card\":{\"new\":1,");
        let expected = decode(&before).unwrap();
        assert_eq!(
            decode(extended.as_bytes()).unwrap().event(),
            expected.event(),
            "{name}"
        );
    }
}

/// A trace that is none is no reason to lose an event.
#[test]
fn an_odd_trace_is_passed_over() {
    for (name, trace) in [
        ("upload.received.1.json", "\"00-1\""),
        ("upload.parsed.1.json", "[1]"),
        ("upload.failed.1.json", "null"),
    ] {
        let before = frozen(name);
        let with = format!("\"traceparent\":{trace},\"data\":{{");
        let odd = changed(name, "\"data\":{", &with);
        let expected = decode(&before).unwrap();
        assert_eq!(decode(&odd).unwrap().event(), expected.event(), "{name}");
    }
}

#[test]
fn attributes_come_in_any_order_and_layout() {
    for name in ["transaction.accepted.1.json", "row.rejected.1.json"] {
        let bytes = frozen(name);
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let sorted = serde_json::to_vec(&value).unwrap();
        assert_ne!(sorted, bytes, "{name}");
        let (decoded, expected) = (decode(&sorted).unwrap(), decode(&bytes).unwrap());
        assert_eq!(decoded.event().id(), expected.event().id());
        if let Decoded::Transaction { .. } = &decoded {
            assert_eq!(decoded.event(), expected.event());
        }
        assert!(decode(&serde_json::to_vec_pretty(&value).unwrap()).is_ok());
    }
}

#[test]
fn the_future_is_named() {
    for name in ["transaction.accepted", "upload.parsed", "anomaly.flagged"] {
        let bytes = changed(
            &format!("{name}.1.json"),
            &format!("schemas/{name}/1.json"),
            &format!("schemas/{name}/2.json"),
        );
        assert_eq!(
            fault(&bytes),
            format!("{name} is of version 2, the newest known here is 1; use a newer txp")
        );
    }
    let bytes = changed(
        "transaction.accepted.1.json",
        "transaction.accepted",
        "transaction.settled",
    );
    assert_eq!(
        fault(&bytes),
        "event type is unknown; a newer txp may know it"
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_cannot_be_is_named() {
    let accepted = "transaction.accepted.1.json";
    let rejected = "row.rejected.1.json";
    for (name, from, to, field) in [
        (
            accepted,
            "\"specversion\":\"1.0\"",
            "\"specversion\":\"0.3\"",
            "specversion",
        ),
        (accepted, "/1.json", "/01.json", "dataschema"),
        (accepted, "/1.json", "/+1.json", "dataschema"),
        (accepted, "/1.json", "/0.json", "dataschema"),
        (accepted, "/1.json", "/99999999999.json", "dataschema"),
        (
            accepted,
            "schemas/transaction.accepted",
            "schemas/row.rejected",
            "dataschema",
        ),
        (accepted, "\"record\":17", "\"record\":18", "id"),
        (accepted, ":17\"", ":017\"", "id"),
        (accepted, "\"refund\"", "\"chargeback\"", "data.type"),
        (
            "transaction.disputed.1.json",
            "\"chargeback\"",
            "\"sale\"",
            "data.type",
        ),
        (
            "transaction.disputed.1.json",
            ",\"original_transaction_id\":\"tx-1\"",
            "",
            "data.original_transaction_id",
        ),
        (accepted, "1234.567", "1234.56", "data.amount"),
        (accepted, "1234.567", "1234", "data.amount"),
        (accepted, "1234.567", "-1234.567", "data.amount"),
        (accepted, "1234.567", "01234.567", "data.amount"),
        (
            accepted,
            "\"transaction_id\":\"TX_2.a:9\"",
            "\"transaction_id\":\"a/b\"",
            "data.transaction_id",
        ),
        (
            accepted,
            "\"merchant_id\":\"shop-7\"",
            "\"merchant_id\":\"\"",
            "data.merchant_id",
        ),
        (accepted, "till-3", "till\\\"3", "data.terminal_id"),
        (
            rejected,
            "\"transaction_id\":\"tx-1\"",
            "\"transaction_id\":\"\"",
            "data.transaction_id or data.merchant_id",
        ),
        ("upload.parsed.1.json", ":parsed\"", ":failed\"", "id"),
        ("anomaly.shadowed.1.json", ":shadow\"", ":other\"", "id"),
        (
            "anomaly.flagged.1.json",
            "\"data\":{\"id\":\"",
            "\"data\":{\"id\":\"x",
            "id",
        ),
    ] {
        assert_eq!(
            fault(&changed(name, from, to)),
            format!("event's {field} is not valid"),
            "{from} to {to}"
        );
    }
}

#[test]
fn damage_is_named_without_the_content() {
    for (name, from, to) in [
        (
            "transaction.accepted.1.json",
            "\"0005\"",
            "\"4111111111111111\"",
        ),
        ("transaction.accepted.1.json", "\"BHD\"", "\"ZZZ\""),
        (
            "transaction.accepted.1.json",
            "\"amex\"",
            "\"4111111111111111\"",
        ),
        (
            "transaction.accepted.1.json",
            "\"time_source\":\"file\",",
            "",
        ),
        (
            "row.rejected.1.json",
            "\"violations\":[",
            "\"violations\":[7,",
        ),
        ("row.rejected.1.json", "\"line\":22", "\"line\":-22"),
        ("upload.parsed.1.json", "\"255\":18", "\"256\":18"),
        (
            "upload.received.1.json",
            "\"strict\":true",
            "\"strict\":\"4111111111111111\"",
        ),
    ] {
        let words = fault(&changed(name, from, to));
        assert!(
            words.starts_with("event is not the JSON that its type needs"),
            "{words}"
        );
        assert!(!words.contains("4111"), "{words}");
    }
    let whole = frozen("transaction.accepted.1.json");
    for cut in 0..whole.len() {
        assert!(decode(&whole[..cut]).is_err(), "{cut}");
    }
    assert!(decode(b"\xff\xfe").is_err());
    assert!(decode(b"[]").is_err());
}

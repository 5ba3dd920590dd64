//! What is written for what is logged.

use super::*;
use serde_json::json;
use tracing::{debug, error, error_span, info, warn};

const CARD: &str = "4242424242424242";

/// The lines that are written while `work` runs.
fn lines(level: LevelFilter, work: impl FnOnce(&Sink)) -> Vec<Value> {
    let written = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&written);
    let sink = Sink::new("validation", move |line| into.lock().unwrap().extend(line));
    let registry = Registry::default().with(sink.layer(level));
    tracing::subscriber::with_default(registry, || work(&sink));
    let text = String::from_utf8(std::mem::take(&mut *written.lock().unwrap())).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn invocation() -> Invocation {
    Invocation {
        request_id: "12345678-1234-1234-9234-2dfe598c3fcd".to_owned(),
        trace_id: Some("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1".to_owned()),
        ..Invocation::default()
    }
}

#[test]
fn a_line_says_when_how_bad_what_and_of_which_request() {
    let lines = lines(LevelFilter::INFO, |sink| {
        info!("before");
        sink.begin(&invocation());
        let span = error_span!("upload", upload_id = "bcdf", record = tracing::field::Empty);
        span.record("record", 7);
        span.in_scope(|| {
            warn!(
                rows = 3,
                share = 0.5,
                late = true,
                level = "x",
                "read {}",
                "it"
            )
        });
    });
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["function"], "validation");
    assert!(lines[0].get("request_id").is_none());
    let mut second = lines[1].clone();
    let timestamp = second["timestamp"].take();
    assert!(Timestamp::parse(timestamp.as_str().unwrap().as_bytes()).is_some());
    assert_eq!(
        second,
        json!({
            "timestamp": null, "level": "WARN", "message": "read it", "function": "validation",
            "request_id": "12345678-1234-1234-9234-2dfe598c3fcd",
            "trace_id": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
            "upload_id": "bcdf", "record": 7, "rows": 3, "share": 0.5, "late": true,
        })
    );
}

#[test]
fn no_card_number_is_written_whatever_is_logged() {
    let number: u64 = CARD.parse().unwrap();
    let spaced = "4242 4242 4242 4242";
    let broken = "4242\n4242\r\n4242\u{a0}4242";
    let wide = "４２４２４２４２４２４２４２４２";
    let cause = std::io::Error::other(CARD);
    let error = anyhow::Error::new(cause).context(spaced);
    let lines = lines(LevelFilter::TRACE, |_| {
        let span = error_span!("upload", name = CARD, bytes = ?CARD.as_bytes());
        let _entered = span.enter();
        info!("the row {CARD} is bad");
        info!(
            number,
            signed = number as i64,
            wide = u128::from(number),
            ratio = number as f64,
            "n"
        );
        info!(text = spaced, display = %broken, debug = ?broken, wide, "t");
        info!(list = ?["4242", "4242", "4242", "4242"], some = ?Some(broken), "l");
        error!(error = &*error as &(dyn std::error::Error + 'static), chain = %format!("{error:#}"), "e");
        debug!(bytes = CARD.as_bytes(), long = %CARD.repeat(1000), "b");
    });
    assert_eq!(lines.len(), 6);
    for line in &lines {
        for (name, value) in line.as_object().unwrap() {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            if name != "timestamp" {
                assert_eq!(clean(&text), text, "{line}");
            }
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            assert!(!digits.contains("42424242"), "{name}: {text}");
        }
    }
    assert_eq!(lines[0]["message"], "the row [redacted 16 digits] is bad");
    // What stands between an error and its cause is passed over too.
    assert_eq!(lines[4]["error"], "[redacted 32 digits]");
}

/// By them somebody searches; a card number is none.
#[test]
fn identifiers_are_written_whole() {
    let sequence = "49590338271490256608559692538361571095921575989136588898";
    let trace = "00-5759e9882123456789012345a9942727-53995c3f42cd8ad8-01";
    let lines = lines(LevelFilter::INFO, |_| {
        info!(sequence, upload_trace = %trace, "whole");
        info!(
            sequence = CARD,
            upload_trace = "4242 4242 4242 4242",
            "none"
        );
        info!(other = sequence, "as any text");
    });
    assert_eq!(lines[0]["sequence"], sequence);
    assert_eq!(lines[0]["upload_trace"], trace);
    for name in ["sequence", "upload_trace"] {
        assert_eq!(lines[1][name], "[redacted 16 digits]");
    }
    assert_eq!(lines[2]["other"], "[redacted 56 digits]");
}

#[test]
fn others_say_only_what_is_wrong() {
    let lines = lines(LevelFilter::TRACE, |_| {
        info!(target: "aws_smithy_runtime", "a request with its body");
        warn!(target: "aws_smithy_runtime", "a clock is off");
        error!(target: "lambda_runtime::layers::panic", "again");
        info!(target: "txp_pipeline::stage", "ours");
    });
    let said: Vec<&str> = lines
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    assert_eq!(said, ["a clock is off", "ours"]);
}

#[test]
fn levels_are_named_as_lambda_names_them() {
    for (name, expected) in [
        ("INFO", LevelFilter::INFO),
        ("debug", LevelFilter::DEBUG),
        ("WARN", LevelFilter::WARN),
        ("FATAL", LevelFilter::ERROR),
        ("off", LevelFilter::OFF),
        ("loud", LevelFilter::INFO),
    ] {
        assert_eq!(level_of(name), expected, "{name}");
    }
}

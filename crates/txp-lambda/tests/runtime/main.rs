//! The loop over invocations as Lambda sees it: a process that asks a Runtime API for events. The
//! API here answers with a few and records what comes back; the function under test logs, counts,
//! calls DynamoDB, fails and panics as its event says.
//!
//! The process is this test binary again, told by a variable to be the function.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: a panic is how they say no"
)]

mod lambda;

use lambda::{Ended, Lambda};
use serde_json::Value;
use txp_aws::config;
use txp_lambda::runtime::{self, Function, Invocation};
use txp_pipeline::telemetry::{self, Metric};

/// Set in the process that is the function.
const IS_FUNCTION: &str = "TXP_TEST_FUNCTION";

const CARD: &str = "4242424242424242";

struct Probe(aws_sdk_dynamodb::Client);

impl Function for Probe {
    type Event = String;
    type Answer = String;

    async fn start() -> anyhow::Result<Self> {
        Ok(Self(aws_sdk_dynamodb::Client::new(&config::load().await)))
    }

    async fn handle(&mut self, event: String, _: &Invocation) -> anyhow::Result<String> {
        match event.as_str() {
            "count" => {
                telemetry::count(Metric::RowsRead, 3);
                telemetry::count_of(Metric::RowsFolded, "class", "accepted".to_owned(), 2);
                for lag in 0..200 {
                    telemetry::observe(Metric::FoldLagMilliseconds, f64::from(lag));
                }
                telemetry::observe(Metric::UploadToCompletedSeconds, f64::NAN);
            }
            "call" => {
                let answer = self.0.list_tables().send().await?;
                tracing::info!(tables = answer.table_names().len(), "called");
            }
            "fail" => anyhow::bail!("no row may be {CARD}"),
            "panic" => panic!("the digits 4242 and {CARD}"),
            _ => tracing::info!(card = CARD, "the event is {event}, {CARD}"),
        }
        Ok(event)
    }
}

#[test]
fn the_function_itself() {
    if std::env::var_os(IS_FUNCTION).is_some() {
        runtime::run::<Probe>();
    }
}

/// The function, given these events.
fn given(events: &[&str]) -> Ended {
    Lambda::start().run(events, |command| {
        command.args(["--exact", "the_function_itself", "--nocapture"]);
        command.env(IS_FUNCTION, "1");
    })
}

fn emf(lines: &[Value]) -> Vec<&Value> {
    lines
        .iter()
        .filter(|line| line.get("_aws").is_some())
        .collect()
}

#[test]
fn an_invocation_leaves_one_line_that_says_how_it_went() {
    let ended = given(&["\"hello\"", "\"fail\"", "17"]);
    let closing: Vec<_> = ended
        .lines
        .iter()
        .filter(|line| line["message"] == "done" || line["message"] == "failed")
        .collect();
    assert_eq!(closing.len(), 3, "{:?}", ended.lines);
    for (number, (line, message)) in closing.iter().zip(["done", "failed", "failed"]).enumerate() {
        assert_eq!(line["message"], message);
        assert_eq!(line["request_id"], lambda::request_id(number));
        assert_eq!(line["trace_id"], lambda::TRACE_ID);
        assert_eq!(line["function"], lambda::FUNCTION);
        assert_eq!(line["cold_start"], number == 0);
        assert!(line["millis"].is_u64());
    }
    assert_eq!(closing[1]["error"], "no row may be [redacted 16 digits]");
    let invalid = closing[2]["error"].as_str().unwrap();
    assert!(invalid.starts_with("the event is not one"), "{invalid}");
    let errors = ended.lines.iter().filter(|line| line["level"] == "ERROR");
    assert_eq!(errors.count(), 2, "each failure is said once");
    assert_eq!(
        ended.answers[0],
        ("response".to_owned(), "\"hello\"".to_owned())
    );
    assert_eq!(ended.answers[1].0, "error");
    assert!(!ended.output.contains("42424242"), "{}", ended.output);
    assert!(
        !ended
            .answers
            .iter()
            .any(|(_, body)| body.contains("42424242"))
    );
}

#[test]
fn metrics_are_documents_with_names_of_the_list_and_few_dimensions() {
    let ended = given(&["\"count\"", "\"hello\"", "\"count\""]);
    let documents = emf(&ended.lines);
    let mut seen = Vec::new();
    for document in &documents {
        assert!(document["request_id"].is_string(), "{document}");
        let described = &document["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(described["Namespace"], "transaction-processor");
        let dimensions = described["Dimensions"][0].as_array().unwrap();
        assert_eq!(document["function"], lambda::FUNCTION);
        for measured in described["Metrics"].as_array().unwrap() {
            let name = measured["Name"].as_str().unwrap();
            let metric = Metric::ALL.iter().find(|metric| metric.name() == name);
            let metric = metric.expect(name);
            assert!(measured["Unit"].is_string(), "{document}");
            for dimension in dimensions {
                let dimension = dimension.as_str().unwrap();
                assert!(dimension == "function" || metric.dimensions().contains(&dimension));
                assert!(document[dimension].is_string());
            }
            seen.push((*metric, document[name].clone()));
        }
    }
    let of = |metric| {
        seen.iter()
            .filter(move |(seen, _)| *seen == metric)
            .map(|(_, value)| value)
    };
    assert_eq!(of(Metric::ColdStarts).count(), 1);
    assert_eq!(of(Metric::RowsRead).collect::<Vec<_>>(), [3, 3]);
    assert_eq!(of(Metric::RowsFolded).collect::<Vec<_>>(), [2, 2]);
    // What is more than the format holds is dropped, and not said once for each.
    assert!(of(Metric::FoldLagMilliseconds).all(|values| values.as_array().unwrap().len() == 100));
    assert_eq!(of(Metric::UploadToCompletedSeconds).count(), 0);
    assert!(ended.lines.iter().all(|line| line["level"] != "ERROR"));
}

#[test]
fn a_panic_is_logged_without_its_digits_and_ends_the_process() {
    let ended = given(&["\"panic\"", "\"hello\""]);
    let line = ended
        .lines
        .iter()
        .find(|line| line.get("panic").is_some())
        .expect("a line");
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["panic"], "the digits #### and ################");
    assert_eq!(line["request_id"], lambda::request_id(0));
    assert!(
        line["location"].as_str().unwrap().contains("main.rs"),
        "{line}"
    );
    assert!(ended.answers.is_empty() && ended.crashed);
    assert!(!ended.output.contains("4242"), "{}", ended.output);
}

#[test]
fn a_call_to_aws_carries_the_trace() {
    let ended = given(&["\"call\""]);
    assert_eq!(
        ended.answers[0],
        ("response".to_owned(), "\"call\"".to_owned())
    );
    let call = ended.calls.first().expect("a request to DynamoDB");
    let header = call
        .lines()
        .find_map(|line| line.strip_prefix("x-amzn-trace-id: "))
        .expect("the trace in a header");
    assert_eq!(header, lambda::TRACE_ID);
}

//! What the work costs, as an estimate: each call is counted at the list price of what it asks for.
//!
//! Prices of us-east-1 in billionths of a US dollar, on demand, as published for 2026. What is left
//! out is small beside these or does not depend on the work: stored bytes, logs, keys, the stream's
//! hour, indexes, what a table gives back beyond the item asked for. The bill has the truth; the
//! estimate is there within a minute, and tells at once when a change makes a row dearer.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use std::time::Duration;
use txp_pipeline::telemetry::{Metric, count_of};

/// A request to a function.
const INVOCATION: u64 = 200;
/// A thousandth of a second of a function with 1 GB: 16,667 a second.
const GB_SECOND: u64 = 16_667;
/// The memory where the environment does not say.
const MEMORY_MB: u64 = 512;
const MEMORY_VARIABLE: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
/// A write of up to 1 KiB to a table.
const WRITE_UNIT: u64 = 625;
const WRITE_UNIT_BYTES: u64 = 1024;
/// A consistent read of up to 4 KiB.
const READ_UNIT: u64 = 125;
/// What one key takes of a read's request: of many keys, so many reads.
const KEY_BYTES: u64 = 128;
/// 1000 bytes through the stream: taken in for 80, read by two for 40 each.
const STREAM_KILOBYTE: u64 = 160;
/// Writing or listing objects.
const OBJECT_WRITE: u64 = 5000;
/// Reading an object.
const OBJECT_READ: u64 = 400;
/// A message to people.
const MESSAGE: u64 = 500;

/// An HTTP client that counts what its requests cost.
#[derive(Clone, Debug)]
pub struct Counting<C = SharedHttpClient>(pub C);

#[derive(Debug)]
struct CountingConnector(SharedHttpConnector);

impl<C: HttpClient> HttpClient for Counting<C> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.0.http_connector(settings, components);
        SharedHttpConnector::new(CountingConnector(inner))
    }
}

impl HttpConnector for CountingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let bytes = request.body().content_length().unwrap_or(0);
        if let Some((service, price)) = price(target, request.method(), request.uri(), bytes) {
            count_of(
                Metric::CostNanoDollars,
                "service",
                service.to_owned(),
                price,
            );
        }
        self.0.call(request)
    }
}

/// Counts an invocation that took so long.
pub fn count_invocation(took: Duration) {
    let memory = std::env::var(MEMORY_VARIABLE);
    let memory = memory.ok().and_then(|megabytes| megabytes.parse().ok());
    let price = invocation_price(took, memory.unwrap_or(MEMORY_MB));
    count_of(
        Metric::CostNanoDollars,
        "service",
        "lambda".to_owned(),
        price,
    );
}

fn invocation_price(took: Duration, megabytes: u64) -> u64 {
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let work = (millis + 1).saturating_mul(megabytes * GB_SECOND) / (1024 * 1000);
    INVOCATION + work
}

/// Service and price of a request, where it has one.
fn price(target: &str, method: &str, uri: &str, bytes: u64) -> Option<(&'static str, u64)> {
    if let Some((service, operation)) = target.split_once('.') {
        if service.starts_with("DynamoDB") {
            return Some(("dynamodb", table_price(operation, bytes)));
        }
        let is_put = service.starts_with("Kinesis") && operation == "PutRecords";
        return is_put.then_some(("kinesis", bytes * STREAM_KILOBYTE / 1000));
    }
    let host = uri.split("://").nth(1).unwrap_or(uri);
    let host = host.split(['/', '?']).next().unwrap_or_default();
    let is_of = |service: &str| host.starts_with(service) || host.contains(&format!(".{service}."));
    if is_of("s3") {
        let is_read = method == "GET" && !uri.contains("list-type=") && !uri.contains("versions");
        let is_read = is_read || method == "HEAD";
        return Some(("s3", if is_read { OBJECT_READ } else { OBJECT_WRITE }));
    }
    is_of("sns").then_some(("sns", MESSAGE))
}

fn table_price(operation: &str, bytes: u64) -> u64 {
    match operation {
        "GetItem" | "Query" => READ_UNIT,
        "BatchGetItem" => READ_UNIT * bytes.div_ceil(KEY_BYTES).max(1),
        "TransactWriteItems" => 2 * WRITE_UNIT * bytes.div_ceil(WRITE_UNIT_BYTES).max(1),
        _ => WRITE_UNIT * bytes.div_ceil(WRITE_UNIT_BYTES).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::body::SdkBody;
    use txp_pipeline::telemetry::count;
    use txp_tests::alarm::{Alarms, State, World, drive};

    #[test]
    fn requests_have_the_price_of_what_they_ask_for() {
        let s3 = "https://transaction-uploads-dev.s3.us-east-1.amazonaws.com/uploads/a.csv";
        let cases = [
            (
                "DynamoDB_20120810.PutItem",
                "POST",
                "",
                1024,
                Some(("dynamodb", 625)),
            ),
            (
                "DynamoDB_20120810.PutItem",
                "POST",
                "",
                1025,
                Some(("dynamodb", 1250)),
            ),
            (
                "DynamoDB_20120810.GetItem",
                "POST",
                "",
                100,
                Some(("dynamodb", 125)),
            ),
            (
                "Kinesis_20131202.PutRecords",
                "POST",
                "",
                1_000_000,
                Some(("kinesis", 160_000)),
            ),
            ("Kinesis_20131202.ListShards", "POST", "", 10, None),
            ("", "GET", s3, 0, Some(("s3", 400))),
            ("", "PUT", s3, 10, Some(("s3", 5000))),
            (
                "",
                "POST",
                "https://sns.us-east-1.amazonaws.com/",
                10,
                Some(("sns", 500)),
            ),
            (
                "",
                "POST",
                "https://lambda.us-east-1.amazonaws.com/",
                10,
                None,
            ),
        ];
        for (target, method, uri, bytes, expected) in cases {
            assert_eq!(
                price(target, method, uri, bytes),
                expected,
                "{target} {method} {uri}"
            );
        }
    }

    /// Answers nothing: what is counted is what is asked for.
    #[derive(Debug)]
    struct Silent;

    impl HttpConnector for Silent {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            let silence = ConnectorError::other("nobody answers".into(), None);
            HttpConnectorFuture::ready(Err(silence))
        }
    }

    /// Writes an item for each of 200 rows.
    fn write(cloud: &mut World, bytes: usize) {
        let rows = 200;
        cloud.told_by("validation", || count(Metric::RowsRead, rows));
        cloud.told_by("aggregator", || {
            let connector = CountingConnector(SharedHttpConnector::new(Silent));
            for _ in 0..rows {
                let mut request = HttpRequest::new(SdkBody::from(vec![0; bytes]));
                let headers = request.headers_mut();
                headers.insert("x-amz-target", "DynamoDB_20120810.PutItem");
                // It is counted when it is asked, whoever waits for the answer.
                drop(connector.call(request));
            }
        });
    }

    /// The alarm `cost`, by items that have become large.
    #[test]
    fn items_that_grow_raise_the_alarm_of_cost() {
        let alarms = Alarms::of_the_project();
        let states = drive(
            &alarms.alarms["cost"],
            |cloud| write(cloud, 17 * 1024),
            |cloud| write(cloud, 900),
        );
        assert_eq!(states, [State::Ok, State::Alarm, State::Ok]);
    }

    #[test]
    fn a_second_of_half_a_gigabyte_has_half_the_price() {
        assert_eq!(
            invocation_price(Duration::from_millis(999), 512),
            200 + 8333
        );
        // No invocation is free.
        assert!(invocation_price(Duration::ZERO, 512) > 200);
    }
}

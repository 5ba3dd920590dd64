//! Tables, buckets and clients of a test's own.

use crate::emulator::Emulator;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
use aws_smithy_http_client::Builder;
use serde_json::{Value, json};
use std::sync::Arc;
use txp_aws::dynamodb::{Connection, tables};
use txp_domain::event::{Defaults, Merchants};
use txp_lambda::api::{Aws, Names, ProxyAnswer, answer};
use txp_lambda::runtime::Invocation;
use txp_pipeline::api::Client;
use ureq::Agent;
use ureq::http::Response;

pub(crate) struct Stack {
    pub(crate) emulator: Arc<Emulator>,
    pub(crate) names: Names,
    pub(crate) world: Aws,
}

impl Stack {
    pub(crate) async fn start() -> Self {
        let emulator = Emulator::shared().await;
        let uploads = emulator.table(&tables::UPLOADS).await;
        let names = Names {
            clients: emulator.table(&tables::CLIENTS).await,
            transactions: emulator.table(&tables::TRANSACTIONS).await,
            // Buckets are named after the table, which is the test's own.
            files: format!("files-{uploads}"),
            reports: format!("reports-{uploads}"),
            uploads,
        };
        let s3 = s3(&emulator);
        for bucket in [&names.files, &names.reports] {
            s3.create_bucket().bucket(bucket).send().await.unwrap();
        }
        let world = world(&emulator, &names);
        Self {
            emulator,
            names,
            world,
        }
    }

    /// Another process of the function.
    pub(crate) fn other(&self) -> Aws {
        world(&self.emulator, &self.names)
    }

    pub(crate) fn s3(&self) -> aws_sdk_s3::Client {
        s3(&self.emulator)
    }

    pub(crate) async fn client(&self, client_id: &str, merchants: &[&str]) {
        let client = client(client_id, merchants);
        let key = format!("key-{client_id}");
        self.world.clients.put(&key, &client, false).await.unwrap();
    }

    pub(crate) async fn get(&mut self, client_id: &str, path: &str) -> (u16, Value) {
        told(send(&mut self.world, client_id, "GET", path, json!({})).await)
    }

    pub(crate) async fn post(&mut self, client_id: &str, more: Value) -> (u16, Value) {
        told(post(&mut self.world, client_id, more).await)
    }
}

pub(crate) fn client(client_id: &str, merchants: &[&str]) -> Client {
    let merchants = merchants.iter().map(|name| (*name).to_owned());
    Client {
        client_id: client_id.to_owned(),
        merchants: Merchants::Only(merchants.collect()),
        defaults: Defaults::default(),
        long_number_ids_allowed: false,
    }
}

fn world(emulator: &Emulator, names: &Names) -> Aws {
    let connection = Connection::new(emulator.client());
    Aws::new(connection, &s3(emulator), names.clone())
}

fn s3(emulator: &Emulator) -> aws_sdk_s3::Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(emulator.endpoint())
        .force_path_style(true)
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "emulator"))
        .http_client(Builder::new().build_http())
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

/// A request of a client, as the gateway hands it over; `more` goes over it.
pub(crate) async fn send(
    world: &mut Aws,
    client_id: &str,
    method: &str,
    path: &str,
    more: Value,
) -> ProxyAnswer {
    let mut event = json!({
        "httpMethod": method,
        "path": path,
        "requestContext": {
            "stage": "prod", "requestId": "0a1b-2c", "path": format!("/prod{path}"),
            "identity": { "apiKeyId": format!("key-{client_id}") },
        },
    });
    for (name, value) in more.as_object().unwrap() {
        event[name] = value.clone();
    }
    let event = serde_json::from_value(event).unwrap();
    answer(world, event, &Invocation::default()).await
}

/// A request for a link; `more` has the body as JSON, and the Idempotency-Key as `key`.
pub(crate) async fn post(world: &mut Aws, client_id: &str, more: Value) -> ProxyAnswer {
    let mut headers = json!({ "content-type": "application/json" });
    if let Some(key) = more.get("key") {
        headers["Idempotency-Key"] = key.clone();
    }
    let body = more.get("body").map(Value::to_string);
    let event = json!({ "headers": headers, "body": body });
    send(world, client_id, "POST", "/upload", event).await
}

pub(crate) fn told(answer: ProxyAnswer) -> (u16, Value) {
    let body = serde_json::from_str(&answer.body).unwrap_or_default();
    (answer.status_code, body)
}

pub(crate) fn agent() -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None);
    config.build().into()
}

pub(crate) fn text(response: Response<ureq::Body>) -> String {
    response.into_body().read_to_string().unwrap()
}

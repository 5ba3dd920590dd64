//! Tables, buckets and clients of a test's own.

use serde_json::{Value, json};
use std::sync::Arc;
use txp_aws::dynamodb::{Connection, tables};
use txp_domain::event::{Defaults, Merchants};
use txp_emulator::Emulator;
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
        let (files, reports) = (
            emulator.bucket("files").await,
            emulator.bucket("reports").await,
        );
        let names = Names {
            clients: emulator.table(&tables::CLIENTS).await,
            transactions: emulator.table(&tables::TRANSACTIONS).await,
            files: files.name().to_owned(),
            reports: reports.name().to_owned(),
            uploads: emulator.table(&tables::UPLOADS).await,
        };
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
    let connection = Connection::new(emulator.dynamodb());
    Aws::new(connection, &emulator.s3(), names.clone())
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

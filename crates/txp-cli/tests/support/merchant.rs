//! A merchant over HTTP: a key, links, files put on them.

use super::{Place, Server, wait_until};
use serde_json::Value;

/// A client with a key of its own.
pub(crate) struct Merchant<'a> {
    url: &'a str,
    key: String,
    agent: ureq::Agent,
}

impl Merchant<'_> {
    pub(crate) fn new<'a>(place: &Place, server: &'a Server) -> Merchant<'a> {
        let (code, added) = place.json(["clients", "add", "shop", "--merchants", "m1"]);
        assert_eq!(code, Some(0), "{added}");
        let config = ureq::Agent::config_builder().proxy(None).build();
        Merchant {
            url: &server.url,
            key: added["key"].as_str().unwrap().to_owned(),
            agent: config.new_agent(),
        }
    }

    pub(crate) fn link(&self) -> Value {
        self.link_for(&serde_json::json!({}))
    }

    /// A link that is asked for with a body.
    pub(crate) fn link_for(&self, body: &Value) -> Value {
        let request = self.agent.post(format!("{}/upload", self.url));
        let request = request.header("x-api-key", &self.key);
        let request = request.content_type("application/json");
        let mut answer = request.send(&body.to_string()).unwrap();
        serde_json::from_slice(&answer.body_mut().read_to_vec().unwrap()).unwrap()
    }

    pub(crate) fn put(&self, link: &Value, body: &[u8]) {
        let mut request = self.agent.put(link["url"].as_str().unwrap());
        for (name, value) in link["headers"].as_object().unwrap() {
            request = request.header(name, value.as_str().unwrap());
        }
        let answer = request.send(body).unwrap();
        assert!(answer.status().is_success());
    }

    pub(crate) fn completed(&self, link: &Value) -> Value {
        let id = link["upload_id"].as_str().unwrap();
        let mut document = Value::Null;
        wait_until("the upload", || {
            let request = self.agent.get(format!("{}/uploads/{id}", self.url));
            let mut answer = request.header("x-api-key", &self.key).call().unwrap();
            document = serde_json::from_slice(&answer.body_mut().read_to_vec().unwrap()).unwrap();
            !matches!(
                document["state"].as_str(),
                Some("pending" | "processing" | "parsed")
            )
        });
        document
    }
}

//! A merchant over HTTP: a key, links, files put on them.

use super::{Place, Server, wait_until};
use serde_json::Value;

/// A client with a key of its own.
pub(crate) struct Merchant {
    url: String,
    key: String,
    agent: ureq::Agent,
}

impl Merchant {
    /// The one merchant that it may name.
    pub(crate) const ID: &str = "m1";

    pub(crate) fn new(place: &Place, server: &Server) -> Self {
        let (code, added) = place.json(["clients", "add", "shop", "--merchants", Self::ID]);
        assert_eq!(code, Some(0), "{added}");
        let config = ureq::Agent::config_builder().proxy(None).build();
        Self {
            url: server.url.clone(),
            key: added["key"].as_str().unwrap().to_owned(),
            agent: config.new_agent(),
        }
    }

    /// The same client at another server of the directory.
    pub(crate) fn at(self, server: &Server) -> Self {
        Self {
            url: server.url.clone(),
            key: self.key,
            agent: self.agent,
        }
    }

    /// What a route answers, whatever its status.
    pub(crate) fn ask(&self, method: &str, path: &str) -> (u16, Value) {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = config.proxy(None).build().new_agent();
        let url = format!("{}{path}", self.url);
        let answer = match method {
            "POST" => agent.post(url).header("x-api-key", &self.key).send_empty(),
            _ => agent.get(url).header("x-api-key", &self.key).call(),
        };
        let mut answer = answer.unwrap();
        let body = answer.body_mut().read_to_vec().unwrap();
        (
            answer.status().as_u16(),
            serde_json::from_slice(&body).unwrap(),
        )
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

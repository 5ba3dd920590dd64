//! Who is told over webhooks: a list that the deployment keeps as one secret, since what messages are
//! signed with stands in it.
//!
//! `[{"name", "url", "events": ["uploads", "alerts"], "secrets": ["whsec_..."]}]`. Every secret of an
//! endpoint signs: whoever changes one lists both for a while.

use crate::secrets::{content, reading};
use aws_sdk_secretsmanager::Client;
use serde::Deserialize;
use txp_domain::time::Timestamp;
use txp_pipeline::port::{ErrorKind, PortError};
use txp_pipeline::webhook::{Endpoint, Secret, Topic, check_url};

/// The variable that names the secret; without it nobody is told.
pub const WEBHOOKS_SECRET: &str = "WEBHOOKS_SECRET";
/// The variable that is set where uploads' ends are told.
pub const TELL_UPLOAD_ENDS: &str = "TELL_UPLOAD_ENDS";

const NAME: &str = "the webhooks";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    name: String,
    url: String,
    events: Vec<Topic>,
    secrets: Vec<String>,
    /// For trying things out, as on the embedded host.
    #[serde(default)]
    loopback_allowed: bool,
}

/// The endpoints that a secret holds.
///
/// # Errors
/// The secret cannot be read, or is no such list. What it holds is never told.
pub async fn endpoints(client: &Client, secret: &str) -> Result<Vec<Endpoint>, PortError> {
    let content = content(client, secret, NAME).await?;
    parse(&content).map_err(|why| {
        let context = reading(secret, NAME);
        PortError::new(ErrorKind::Permanent, format!("{context}: {why}"))
    })
}

fn parse(content: &[u8]) -> Result<Vec<Endpoint>, String> {
    // The parser's words may quote a secret.
    let given: Vec<Given> = serde_json::from_slice(content).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!(
            "it stops making sense at line {line}, column {column}; the setting `webhooks` makes it"
        )
    })?;
    given.into_iter().map(endpoint).collect()
}

fn endpoint(given: Given) -> Result<Endpoint, String> {
    let name = &given.name;
    check_url(&given.url, given.loopback_allowed)
        .map_err(|why| format!("the url of the webhook {name}: {why}"))?;
    let secrets = given.secrets.iter().map(|text| Secret::parse(text));
    let secrets = secrets.collect::<Option<Vec<_>>>();
    let secrets = secrets.filter(|secrets| !secrets.is_empty());
    Ok(Endpoint {
        secrets: secrets.ok_or_else(|| {
            format!("a secret of the webhook {name} is not `whsec_` and base64 of 24 to 64 bytes")
        })?,
        id: given.name,
        url: given.url,
        topics: given.events,
        loopback_allowed: given.loopback_allowed,
        // Messages are kept from when there is somebody to tell.
        added_at: Timestamp(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn list(url: &str, secrets: &[&str]) -> Vec<u8> {
        let list = serde_json::json!([
            { "name": "shop", "url": url, "events": ["alerts"], "secrets": secrets },
        ]);
        list.to_string().into_bytes()
    }

    #[test]
    fn a_list_is_read() {
        assert_eq!(parse(b"[]"), Ok(Vec::new()));
        let endpoints = parse(&list("https://example.com/hook", &[SECRET, SECRET])).unwrap();
        let [endpoint] = &endpoints[..] else {
            panic!("{endpoints:?}")
        };
        assert_eq!(
            (&*endpoint.id, &endpoint.topics[..]),
            ("shop", &[Topic::Alerts][..])
        );
        assert!(!endpoint.loopback_allowed);
        let signatures = endpoint.signatures("i", 7, b"b", Timestamp(7));
        assert_eq!(signatures.split(' ').count(), 2);
    }

    #[test]
    fn what_is_wrong_is_said_without_a_secret() {
        for (content, wanted) in [
            (
                b"[{\"secrets\": \"whsec_MfKQ9r8GKYqr\"}]".to_vec(),
                "line 1",
            ),
            (list("http://example.com/", &[SECRET]), "shop"),
            (list("https://example.com/", &["whsec_short"]), "shop"),
            (list("https://example.com/", &[]), "shop"),
        ] {
            let why = parse(&content).unwrap_err();
            assert!(why.contains(wanted), "{why}");
            assert!(!why.contains("MfKQ") && !why.contains("short"), "{why}");
        }
    }
}

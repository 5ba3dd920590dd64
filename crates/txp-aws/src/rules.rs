//! The operator's rule file: an object of a bucket, fetched only when it is another one.

use crate::error::port_error;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use txp_pipeline::port::{ErrorKind, PortError};
use txp_pipeline::rulefile::RULE_FILE_BYTES_MAX;
use txp_pipeline::stage::rulebook::RuleSource;

/// The variable that names the object; without it, the rules activated last judge, or the program's.
pub const RULES_OBJECT: &str = "RULES_OBJECT";

/// The variable that names the object of rules that are tried; without it, or while there is no such
/// object, none are.
pub const SHADOW_RULES_OBJECT: &str = "SHADOW_RULES_OBJECT";

const NOT_MODIFIED: u16 = 304;

/// The object, and what was read of it last.
#[derive(Clone, Debug)]
pub struct RulesObject {
    client: Client,
    bucket: String,
    key: String,
    name: String,
    last: Option<(String, Vec<u8>)>,
}

/// What names no object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not of the form s3://BUCKET/KEY; set it right or take it away")]
pub struct BadName(&'static str);

impl RulesObject {
    /// The object of this name, `s3://BUCKET/KEY`, as a variable has it.
    ///
    /// # Errors
    /// The name has another form.
    pub fn new(
        client: Client,
        name: impl Into<String>,
        variable: &'static str,
    ) -> Result<Self, BadName> {
        let name = name.into();
        let place = name.strip_prefix("s3://").and_then(|at| at.split_once('/'));
        let (bucket, key) = place
            .filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
            .ok_or(BadName(variable))?;
        Ok(Self {
            client,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            name,
            last: None,
        })
    }

    fn reading(&self) -> String {
        format!("reading {} failed", self.name)
    }

    async fn take(&mut self, output: GetObjectOutput) -> Result<Vec<u8>, PortError> {
        let length = output.content_length();
        let length = length.and_then(|bytes| usize::try_from(bytes).ok());
        if length.is_none_or(|bytes| bytes > RULE_FILE_BYTES_MAX) {
            let context = format!(
                "{} has more than {RULE_FILE_BYTES_MAX} bytes; is it a rule file?",
                self.name
            );
            return Err(PortError::new(ErrorKind::Permanent, context));
        }
        let tag = output.e_tag().map(str::to_owned);
        let body = output.body.collect().await;
        let body = body
            .map_err(|error| PortError::caused(ErrorKind::Transient, self.reading(), error))?
            .to_vec();
        self.last = tag.map(|tag| (tag, body.clone()));
        Ok(body)
    }
}

impl RuleSource for RulesObject {
    fn name(&self) -> &str {
        &self.name
    }

    async fn read(&mut self) -> Result<Option<Vec<u8>>, PortError> {
        let get = self.client.get_object();
        let get = get
            .bucket(&self.bucket)
            .key(&self.key)
            .set_if_none_match(self.last.as_ref().map(|(tag, _)| tag.clone()));
        let error = match get.send().await {
            Ok(output) => return self.take(output).await.map(Some),
            Err(error) => error,
        };
        let status = error.raw_response().map(|raw| raw.status().as_u16());
        match &self.last {
            Some((_, body)) if status == Some(NOT_MODIFIED) => Ok(Some(body.clone())),
            _ if error.code() == Some("NoSuchKey") => Ok(None),
            _ => Err(port_error(self.reading(), error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::config::{BehaviorVersion, Config};

    #[test]
    fn an_object_is_named_by_bucket_and_key() {
        let config = Config::builder().behavior_version(BehaviorVersion::latest());
        let client = Client::from_conf(config.build());
        for (name, expected) in [
            ("s3://b/k", Some(("b", "k"))),
            ("s3://b/a/k.json", Some(("b", "a/k.json"))),
            ("s3://b/", None),
            ("s3:///k", None),
            ("b/k", None),
            ("", None),
        ] {
            let object = RulesObject::new(client.clone(), name, RULES_OBJECT).ok();
            let place = object.map(|object| (object.bucket, object.key));
            let expected = expected.map(|(b, k): (&str, &str)| (b.to_owned(), k.to_owned()));
            assert_eq!(place, expected, "{name}");
        }
    }
}

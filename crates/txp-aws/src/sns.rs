//! Alerts to people: messages to a topic, several in a call.
//!
//! A call may fail for some of its messages: those alone are sent again. A standard topic; what it
//! delivers twice carries the same JSON with the same id.

use crate::error::{kind_of, port_error};
use aws_sdk_sns::Client;
use aws_sdk_sns::error::BuildError;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use std::collections::HashMap;
use txp_domain::alert::{Message, SUBJECT_CHARS_MAX};
use txp_pipeline::port::{AlertSink, Clock, ErrorKind, PortError};
use txp_pipeline::retry::RetryPolicy;

/// The most messages of one call (SNS' documented limit).
const CALL_MESSAGES_MAX: usize = 10;
/// The most bytes of one call, and of one message (SNS' documented limit).
const CALL_BYTES_MAX: usize = 256 << 10;
/// What a message's subject, attributes and names take of a call, at most: subject and rule and
/// merchant have less than 100 characters each.
const OVERHEAD_BYTES_MAX: usize = 1 << 10;
/// What stands at the end of a text that is too long for a message.
const CUT: &str = "\n...";

/// A topic. `C` waits.
#[derive(Clone, Debug)]
pub struct Topic<C> {
    client: Client,
    arn: String,
    clock: C,
    retry: RetryPolicy,
}

impl<C: Clock> Topic<C> {
    /// The topic of this name.
    pub fn new(client: Client, arn: impl Into<String>, clock: C, retry: RetryPolicy) -> Self {
        Self {
            client,
            arn: arn.into(),
            clock,
            retry,
        }
    }

    /// Publishes as many messages as a call takes, and gives back those that failed.
    async fn publish<'m>(
        &self,
        messages: &[&'m Message],
    ) -> Result<Vec<(&'m Message, PortError)>, PortError> {
        let context = || format!("publishing {} alerts to {}", messages.len(), self.arn);
        let entries = messages.iter().enumerate();
        let entries = entries
            .map(|(index, message)| entry_of(index, message))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| PortError::caused(ErrorKind::Permanent, context(), error))?;
        let output = self
            .client
            .publish_batch()
            .topic_arn(&self.arn)
            .set_publish_batch_request_entries(Some(entries))
            .send()
            .await
            .map_err(|error| port_error(context(), error))?;
        // What the answer says nothing of is not published.
        let mut failed: HashMap<usize, PortError> = (0..messages.len())
            .map(|index| (index, unanswered(&self.arn)))
            .collect();
        for published in output.successful() {
            let index = published.id().and_then(|id| id.parse().ok());
            index.and_then(|index: usize| failed.remove(&index));
        }
        for refused in output.failed() {
            let index = refused.id().parse().ok();
            if let Some(error) = index.and_then(|index: usize| failed.get_mut(&index)) {
                let status = if refused.sender_fault() { 400 } else { 500 };
                error.kind = kind_of(Some(refused.code()), status);
                error.context = format!("{} refused an alert: {}", self.arn, refused.code());
            }
        }
        let failed = messages
            .iter()
            .enumerate()
            .filter_map(|(index, message)| Some((*message, failed.remove(&index)?)));
        Ok(failed.collect())
    }

    /// Publishes what fits one call; what fails is published again, alone.
    async fn publish_all(&self, messages: Vec<&Message>) -> Result<(), PortError> {
        let mut left = messages;
        self.retry
            .run(&self.clock, async |_| {
                let failed = self.publish(&left).await?;
                let mut first_error = None;
                left = failed
                    .into_iter()
                    .map(|(message, error)| {
                        // One that will never be taken is not to be hidden by others that may be.
                        if first_error.as_ref().is_none_or(PortError::is_retryable) {
                            first_error = Some(error);
                        }
                        message
                    })
                    .collect();
                first_error.map_or(Ok(()), Err)
            })
            .await
    }
}

impl<C: Clock> AlertSink for Topic<C> {
    const AT_ONCE: usize = CALL_MESSAGES_MAX;

    async fn send(&mut self, message: &Message) -> Result<(), PortError> {
        self.publish_all(vec![message]).await
    }

    async fn send_all(&mut self, messages: &[Message]) -> Result<(), PortError> {
        for call in calls(messages) {
            self.publish_all(call).await?;
        }
        Ok(())
    }
}

/// Messages by calls, within the limits of each.
fn calls(messages: &[Message]) -> Vec<Vec<&Message>> {
    let mut calls: Vec<Vec<&Message>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        let weight = weight_of(message);
        match calls.last_mut() {
            Some(call) if call.len() < CALL_MESSAGES_MAX && bytes + weight <= CALL_BYTES_MAX => {
                call.push(message);
                bytes += weight;
            }
            _ => {
                calls.push(vec![message]);
                bytes = weight;
            }
        }
    }
    calls
}

fn weight_of(message: &Message) -> usize {
    (message.body.len() + OVERHEAD_BYTES_MAX).min(CALL_BYTES_MAX)
}

fn entry_of(index: usize, message: &Message) -> Result<PublishBatchRequestEntry, BuildError> {
    let mut entry = PublishBatchRequestEntry::builder()
        .id(index.to_string())
        .subject(subject_of(message))
        .message(body_of(message));
    for (name, value) in message.attributes() {
        // An attribute must have a value.
        if !value.is_empty() {
            let value = MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value)
                .build()?;
            entry = entry.message_attributes(name, value);
        }
    }
    entry.build()
}

/// Printable ASCII, fewer than 100 characters: whatever a rule is called, the alert goes out.
fn subject_of(message: &Message) -> String {
    let printable = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    let subject = message.subject.chars().map(printable);
    subject.take(SUBJECT_CHARS_MAX).collect()
}

/// The body, cut if no call takes it: the text for people comes first.
fn body_of(message: &Message) -> String {
    let room = CALL_BYTES_MAX - OVERHEAD_BYTES_MAX;
    if message.body.len() <= room {
        return message.body.clone();
    }
    let end = (0..=room - CUT.len())
        .rev()
        .find(|at| message.body.is_char_boundary(*at));
    let body = message.body.get(..end.unwrap_or(0)).unwrap_or_default();
    format!("{body}{CUT}")
}

fn unanswered(arn: &str) -> PortError {
    let context = format!("{arn} did not say whether an alert was published");
    PortError::new(ErrorKind::Transient, context)
}

#[cfg(test)]
mod tests;

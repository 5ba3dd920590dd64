//! Who is told: a JSON-lines file always, and whatever the program has beside it.

use crate::lines;
use crate::webhooks::Putter;
use serde::Serialize;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use txp_domain::alert::Message;
use txp_pipeline::port::{AlertSink, ErrorKind, PortError};
use txp_pipeline::webhook::Outgoing;

const OUTBOX: &str = "outbox.jsonl";

/// A person's terminal, or nothing.
pub type Terminal = Box<dyn FnMut(&Message) + Send>;

/// The outbox file, a terminal, and what webhooks are to tell.
pub struct Sinks {
    outbox: File,
    terminal: Option<Terminal>,
    webhooks: Option<Putter>,
}

#[derive(Serialize)]
struct Sent<'a> {
    id: &'a str,
    severity: &'a str,
    rule: &'a str,
    merchant_id: &'a str,
    subject: &'a str,
    body: &'a str,
}

impl Sinks {
    /// Opens the outbox in a directory. A torn last line is cut off: its alert is not marked, and is
    /// handed on again.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn open(dir: &Path, terminal: Option<Terminal>) -> io::Result<Self> {
        let outbox = lines::open(&dir.join(OUTBOX))?;
        let webhooks = dir.parent().map(Putter::new);
        Ok(Self {
            outbox,
            terminal,
            webhooks,
        })
    }
}

impl AlertSink for Sinks {
    async fn send(&mut self, message: &Message) -> Result<(), PortError> {
        let sent = Sent {
            id: &message.id,
            severity: message.severity.name(),
            rule: &message.rule,
            merchant_id: &message.merchant_id,
            subject: &message.subject,
            body: &message.body,
        };
        let failed = |error: io::Error| {
            PortError::caused(
                ErrorKind::Permanent,
                "the alert outbox cannot be written",
                error,
            )
        };
        let mut line = serde_json::to_vec(&sent).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        let written = self
            .outbox
            .write_all(&line)
            .and_then(|()| self.outbox.sync_data());
        written.map_err(failed)?;
        if let Some(webhooks) = &mut self.webhooks {
            let told = Outgoing::of_alert(message, crate::now());
            webhooks.put(&[told]).map_err(|error| {
                let context = "what webhooks are to tell cannot be written";
                PortError::caused(ErrorKind::Permanent, context, error)
            })?;
        }
        if let Some(terminal) = &mut self.terminal {
            terminal(message);
        }
        Ok(())
    }
}

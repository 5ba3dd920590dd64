//! `txp webhooks`: where uploads' ends and alerts are told, over https, signed.
//!
//! Changed beside a running serve, which notices. A secret is printed once, when it is made.

use super::{Ending, Globals, Refusal};
use crate::output;
use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use std::fmt::Write as _;
use txp_domain::time::Timestamp;
use txp_local::control::{ControlError, Webhooks};
use txp_local::webhooks::{Queue, send_waiting};
use txp_pipeline::webhook::{Endpoint, Mark, Topic};
use txp_webhook::Http;

/// Marks of an endpoint that are shown.
const MARKS_SHOWN: usize = 10;

/// Arguments of `txp webhooks`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Set an address to be told, and print its secret, once
    Add {
        /// https://...
        url: String,
        /// What it is told; everything if not given
        #[arg(long = "event", value_enum, value_name = "WHAT")]
        events: Vec<Event>,
        /// Take a loopback address, and http there: to try things out
        #[arg(long)]
        allow_loopback: bool,
    },
    /// List them, with what was told and what waits
    List,
    /// Tell it nothing more
    Remove {
        /// Its id
        webhook_id: String,
    },
    /// Print another secret; the one before signs as well for a day
    Rotate {
        /// Its id
        webhook_id: String,
    },
    /// Send what waits and is due now; a running serve does it by itself
    Send,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Event {
    /// An upload was completed or failed
    Uploads,
    /// A finding, or a digest of findings
    Alerts,
}

/// Changes, lists or sends.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    let now = txp_local::now();
    let dir = &globals.data_dir;
    match &args.what {
        What::Add {
            url,
            events,
            allow_loopback,
        } => {
            let topics = topics(events);
            let webhooks = Webhooks::open(dir, now)?;
            let added = webhooks.add(url, topics, *allow_loopback, now);
            show_secret(globals, &added.map_err(classed)?)?;
        }
        What::Rotate { webhook_id } => {
            let webhooks = Webhooks::open(dir, now)?;
            let rotated = webhooks.rotate(webhook_id, now).map_err(classed)?;
            show_secret(globals, &rotated)?;
        }
        What::Remove { webhook_id } => {
            let webhooks = Webhooks::open(dir, now)?;
            webhooks.remove(webhook_id).map_err(classed)?;
            if globals.json {
                output::json(&serde_json::json!({ "removed": webhook_id }))?;
            } else {
                output::text(&format!("{webhook_id} is removed\n"))?;
            }
        }
        What::List => list(globals)?,
        What::Send => return send(globals),
    }
    Ok(Ending::Done)
}

fn topics(events: &[Event]) -> Vec<Topic> {
    let all = [
        (Event::Uploads, Topic::Uploads),
        (Event::Alerts, Topic::Alerts),
    ];
    let wanted = all
        .into_iter()
        .filter(|(event, _)| events.is_empty() || events.contains(event));
    wanted.map(|(_, topic)| topic).collect()
}

/// What cannot be is wrong use, what is not there a problem found.
fn classed(error: ControlError) -> anyhow::Error {
    match error {
        ControlError::WebhookUrl(_) | ControlError::TooManyWebhooks => {
            Refusal::wrong_use(error.to_string())
        }
        ControlError::UnknownWebhook => Refusal::problem(error.to_string()),
        other => other.into(),
    }
}

fn show_secret(globals: &Globals, endpoint: &Endpoint) -> anyhow::Result<()> {
    let secret = endpoint
        .secrets
        .first()
        .map_or("", |secret| secret.reveal());
    if globals.json {
        return output::json(&serde_json::json!({
            "webhook_id": endpoint.id,
            "url": endpoint.url,
            "events": endpoint.topics,
            "secret": secret,
        }));
    }
    output::text(&format!(
        "webhook {} to {}\nsecret, shown only now: {secret}\n\
         messages are signed as Standard Webhooks has it: HMAC-SHA-256 over id, time and body\n",
        endpoint.id, endpoint.url
    ))
}

#[derive(Serialize)]
struct Entry<'a> {
    webhook_id: &'a str,
    url: &'a str,
    events: &'a [Topic],
    added_at: Timestamp,
    /// Secrets that sign: two for a day after a rotation.
    secrets: usize,
    waiting: usize,
    /// The latest that was told, or tried; newest first.
    latest: Vec<&'a Mark>,
}

fn list(globals: &Globals) -> anyhow::Result<()> {
    txp_local::format::read(&globals.data_dir)?;
    let now = txp_local::now();
    let endpoints = Webhooks::to_read(&globals.data_dir).list()?;
    let queue = Queue::open(&globals.data_dir)?;
    let waiting = queue.waiting(&endpoints);
    let entries: Vec<_> = endpoints
        .iter()
        .map(|endpoint| Entry {
            webhook_id: &endpoint.id,
            url: &endpoint.url,
            events: &endpoint.topics,
            added_at: endpoint.added_at,
            secrets: endpoint
                .secrets
                .iter()
                .filter(|secret| secret.until.is_none_or(|until| until > now))
                .count(),
            waiting: waiting
                .iter()
                .filter(|w| w.webhook_id == endpoint.id)
                .count(),
            latest: queue
                .marks_of(&endpoint.id)
                .into_iter()
                .take(MARKS_SHOWN)
                .collect(),
        })
        .collect();
    if globals.json {
        return output::json(&serde_json::json!({ "webhooks": entries }));
    }
    let mut out = String::new();
    for entry in &entries {
        let events: Vec<_> = entry.events.iter().map(output::name_of).collect();
        writeln!(
            out,
            "{}  {}  {}, {} waiting",
            entry.webhook_id,
            entry.url,
            events.join(" and "),
            entry.waiting
        )?;
        for mark in &entry.latest {
            let ending = mark.ending.map_or_else(
                || "to be tried again".to_owned(),
                |ending| output::name_of(&ending).replace('_', " "),
            );
            writeln!(
                out,
                "    {}  {}  {ending}, attempt {}: {}",
                mark.at, mark.id, mark.attempts, mark.answer
            )?;
        }
    }
    if entries.is_empty() {
        writeln!(
            out,
            "no webhooks yet: `txp webhooks add https://...` sets one"
        )?;
    }
    output::text(&out)
}

fn send(globals: &Globals) -> anyhow::Result<Ending> {
    txp_local::format::read(&globals.data_dir)?;
    let mut queue = Queue::open(&globals.data_dir)?;
    let told = send_waiting(
        &globals.data_dir,
        &mut queue,
        &mut Http::default(),
        txp_local::now,
    )?;
    if globals.json {
        output::json(&serde_json::json!({
            "delivered": told.delivered,
            "failed": told.failed,
            "gave_up": told.gave_up,
            "waiting": told.waiting,
        }))?;
    } else {
        output::text(&format!(
            "delivered {}, failed {}, given up {}, waiting {}\n",
            told.delivered, told.failed, told.gave_up, told.waiting
        ))?;
    }
    Ok(Ending::of(told.failed + told.gave_up == 0))
}

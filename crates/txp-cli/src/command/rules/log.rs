//! `txp rules log`: which rules judged, from where on, as the history says.

use super::super::source::{self, Source};
use super::super::{Ending, Globals};
use crate::output;
use memchr::memmem;
use serde::Serialize;
use std::fmt::Write as _;
use txp_domain::event::{Decoded, RulesetActivated, decode};
use txp_domain::position::Position;
use txp_pipeline::document::PositionDocument;
use txp_pipeline::port::{EventSource as _, Progress, SourceBatch, Window};

/// Arguments of `txp rules log`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the history is, as for `txp events`; the data directory if not given
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
}

/// An activation, as the history has it.
#[derive(Clone, Debug)]
pub(super) struct Activation {
    pub(super) position: Position,
    pub(super) event: RulesetActivated,
}

#[derive(Serialize)]
struct Line<'a> {
    activation: u64,
    version: &'a str,
    sha256: &'a str,
    activated_by: &'a str,
    activated_at: String,
    /// From behind this event on the rules judge.
    position: PositionDocument,
    /// Whether they judge now.
    active: bool,
    rules: &'a serde_json::Value,
}

/// Shows them, the first one first.
pub(super) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    let source = Source::parse(args.source.as_deref(), &globals.data_dir)?;
    source.check_history()?;
    let activations = source::runtime()?.block_on(read(&source))?;
    let lines = activations.iter().enumerate().map(|(at, activation)| {
        let Activation { position, event } = activation;
        Line {
            activation: event.activation,
            version: &event.version,
            sha256: &event.sha256,
            activated_by: &event.activated_by,
            activated_at: event.activated_at.to_string(),
            position: PositionDocument::from(position),
            active: at + 1 == activations.len(),
            rules: &event.rules,
        }
    });
    let lines: Vec<_> = lines.collect();
    if globals.json {
        output::json(&serde_json::json!({ "activations": lines }))?;
        return Ok(Ending::Done);
    }
    let mut out = String::new();
    for line in &lines {
        let &Line {
            activation,
            version,
            sha256,
            activated_by,
            ref activated_at,
            ref position,
            active,
            ..
        } = line;
        let now = if active { ", judges now" } else { "" };
        let short: String = sha256.chars().take(12).collect();
        writeln!(
            out,
            "{activation:>4}  {version}  by {activated_by} at {activated_at}, from event {} on{now}\n      sha256 {short}…",
            position.sequence
        )?;
    }
    if lines.is_empty() {
        out.push_str("no rules were activated yet\n");
    }
    output::text(&out)?;
    Ok(Ending::Done)
}

/// Every activation of a history, in order. Other events are passed over unread.
pub(super) async fn read(source: &Source) -> anyhow::Result<Vec<Activation>> {
    let finder = memmem::Finder::new(b"ruleset.activated");
    let mut source = source.open(Window::default()).await?;
    let mut batch = SourceBatch::default();
    let mut found: Vec<Activation> = Vec::new();
    loop {
        let progress = source.next(&mut batch).await?;
        for recorded in batch.events() {
            if finder.find(recorded.bytes).is_none() {
                continue;
            }
            if let Ok(Decoded::RulesetActivated(event)) = decode(recorded.bytes)
                // A stream may deliver it again.
                && found.iter().all(|known| known.event.activation != event.activation)
            {
                let position = recorded.position.clone();
                found.push(Activation {
                    position,
                    event: *event,
                });
            }
        }
        match progress {
            Progress::More => {}
            Progress::CaughtUp | Progress::Ended => return Ok(found),
        }
    }
}

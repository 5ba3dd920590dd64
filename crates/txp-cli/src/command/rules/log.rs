//! `txp rules log`: which rules judged, and which were tried beside them, from where on, as the history
//! says.

use super::super::source::{self, Source};
use super::super::{Ending, Globals};
use crate::output;
use memchr::memmem;
use serde::Serialize;
use std::fmt::Write as _;
use txp_domain::event::{Decoded, RulesetActivated, RulesetShadowed, decode};
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

/// A change of what is tried, as the history has it.
#[derive(Clone, Debug)]
pub(super) struct Shadowing {
    pub(super) position: Position,
    pub(super) event: RulesetShadowed,
}

/// Every change of rules in a history, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) activations: Vec<Activation>,
    pub(super) shadows: Vec<Shadowing>,
}

impl Known {
    /// What judges now.
    pub(super) fn active(&self) -> Option<&Activation> {
        self.activations.last()
    }

    /// What is tried now.
    pub(super) fn tried(&self) -> Option<&Shadowing> {
        let last = self.shadows.last();
        last.filter(|shadowing| shadowing.event.rules.is_some())
    }
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

#[derive(Serialize)]
struct ShadowLine<'a> {
    change: u64,
    version: &'a str,
    sha256: &'a str,
    shadowed_by: &'a str,
    shadowed_at: String,
    /// From behind this event on the rules are tried, or are not any more.
    position: PositionDocument,
    /// Whether this ends the trial.
    ended: bool,
    /// Whether they are tried now.
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<&'a serde_json::Value>,
}

/// Shows them, the first one first.
pub(super) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    let source = Source::parse(args.source.as_deref(), &globals.data_dir)?;
    source.check_history()?;
    let known = source::runtime()?.block_on(read(&source))?;
    if globals.json {
        let lines: Vec<_> = activation_lines(&known).collect();
        let shadows: Vec<_> = shadow_lines(&known).collect();
        output::json(&serde_json::json!({ "activations": lines, "shadows": shadows }))?;
        return Ok(Ending::Done);
    }
    output::text(&describe(&known)?)?;
    Ok(Ending::Done)
}

fn activation_lines(known: &Known) -> impl Iterator<Item = Line<'_>> {
    let last = known.active().map(|last| last.event.activation);
    known.activations.iter().map(move |activation| {
        let Activation { position, event } = activation;
        Line {
            activation: event.activation,
            version: &event.version,
            sha256: &event.sha256,
            activated_by: &event.activated_by,
            activated_at: event.activated_at.to_string(),
            position: PositionDocument::from(position),
            active: Some(event.activation) == last,
            rules: &event.rules,
        }
    })
}

fn shadow_lines(known: &Known) -> impl Iterator<Item = ShadowLine<'_>> {
    let tried = known.tried().map(|tried| tried.event.change);
    known.shadows.iter().map(move |shadowing| {
        let Shadowing { position, event } = shadowing;
        ShadowLine {
            change: event.change,
            version: &event.version,
            sha256: &event.sha256,
            shadowed_by: &event.shadowed_by,
            shadowed_at: event.shadowed_at.to_string(),
            position: PositionDocument::from(position),
            ended: event.rules.is_none(),
            active: Some(event.change) == tried,
            rules: event.rules.as_ref(),
        }
    })
}

/// A line of each change, in the order of the history.
fn describe(known: &Known) -> anyhow::Result<String> {
    let mut lines = Vec::new();
    for (line, activation) in activation_lines(known).zip(&known.activations) {
        let mut out = String::new();
        let now = if line.active { ", judges now" } else { "" };
        let short: String = line.sha256.chars().take(12).collect();
        writeln!(
            out,
            "{:>4}  {}  by {} at {}, from event {} on{now}\n      sha256 {short}…",
            line.activation,
            line.version,
            line.activated_by,
            line.activated_at,
            line.position.sequence
        )?;
        lines.push((&activation.position.sequence, out));
    }
    for (line, shadowing) in shadow_lines(known).zip(&known.shadows) {
        let mut out = String::new();
        let what = match (line.ended, line.active) {
            (true, _) => "no longer tried",
            (false, true) => "tried beside, now",
            (false, false) => "tried beside",
        };
        let short: String = line.sha256.chars().take(12).collect();
        writeln!(
            out,
            "      {}  {what}, by {} at {}, from event {} on\n      sha256 {short}…",
            line.version, line.shadowed_by, line.shadowed_at, line.position.sequence
        )?;
        lines.push((&shadowing.position.sequence, out));
    }
    lines.sort_by_key(|(sequence, _)| *sequence);
    if lines.is_empty() {
        return Ok("no rules were activated yet\n".to_owned());
    }
    Ok(lines.into_iter().map(|(_, line)| line).collect())
}

/// Every change of rules of a history, in order. Other events are passed over unread.
pub(super) async fn read(source: &Source) -> anyhow::Result<Known> {
    // Both types' names begin so; an identifier may as well, and is told apart by decoding.
    let finder = memmem::Finder::new(b"\"ruleset.");
    let mut source = source.open(Window::default()).await?;
    let mut batch = SourceBatch::default();
    let mut known = Known::default();
    loop {
        let progress = source.next(&mut batch).await?;
        for recorded in batch.events() {
            if finder.find(recorded.bytes).is_some() {
                known.take(recorded.position.clone(), recorded.bytes);
            }
        }
        match progress {
            Progress::More => {}
            Progress::CaughtUp | Progress::Ended => return Ok(known),
        }
    }
}

impl Known {
    /// Takes an event in if it changes rules. A stream may deliver it again.
    fn take(&mut self, position: Position, bytes: &[u8]) {
        match decode(bytes) {
            Ok(Decoded::RulesetActivated(event)) => {
                let mut known = self.activations.iter();
                if known.all(|known| known.event.activation != event.activation) {
                    let event = *event;
                    self.activations.push(Activation { position, event });
                }
            }
            Ok(Decoded::RulesetShadowed(event)) => {
                let mut known = self.shadows.iter();
                if known.all(|known| known.event.change != event.change) {
                    let event = *event;
                    self.shadows.push(Shadowing { position, event });
                }
            }
            _ => {}
        }
    }
}

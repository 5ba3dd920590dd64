//! `txp rules activate` and `rollback`: other rules judge from here on.
//!
//! Only the directory's one writer appends to its history. Where nobody writes, this command is that
//! writer, for a moment; beside a running one, such as `txp serve`, it asks in a control record and
//! waits until that is done.

use super::super::process::open_host;
use super::super::source::{self, Source};
use super::super::{Ending, Globals, Refusal};
use super::log::{self, Activation};
use super::sound_file;
use crate::output;
use anyhow::Context as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use txp_domain::redact::needs_redaction;
use txp_local::control::rules::{Answer, Asked, RuleRequest};
use txp_local::format::FormatError;
use txp_local::host::{Host, HostError};
use txp_local::lock::LockError;
use txp_pipeline::document::PositionDocument;
use txp_pipeline::rulefile::CheckedRules;

/// How long a running writer may take to take a change up.
const TAKEN_UP_WITHIN: Duration = Duration::from_secs(15);

/// How long to wait before looking again.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The longest name of a person, in characters.
const BY_CHARS_MAX: usize = 64;

/// The activation of the default rules, which a fresh directory begins with.
const FIRST_ACTIVATION: u64 = 1;

/// Arguments of `txp rules activate`.
#[derive(Debug, clap::Args)]
pub(crate) struct ActivateArgs {
    /// The rule file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    who: Who,
}

/// Arguments of `txp rules rollback`.
#[derive(Debug, clap::Args)]
pub(crate) struct RollbackArgs {
    /// Back to the rules of this activation, by its number in `txp rules log`
    #[arg(long, value_name = "ACTIVATION")]
    to: Option<u64>,
    #[command(flatten)]
    who: Who,
}

#[derive(Debug, clap::Args)]
struct Who {
    /// Who wants it, for the history [default: the user of the system]
    #[arg(long, value_name = "NAME", value_parser = name)]
    by: Option<String>,
}

fn name(text: &str) -> Result<String, String> {
    let is_sound = !text.trim().is_empty()
        && text.chars().count() <= BY_CHARS_MAX
        && !text.chars().any(char::is_control)
        && !needs_redaction(text);
    if is_sound {
        return Ok(text.to_owned());
    }
    Err(format!(
        "a name has 1 to {BY_CHARS_MAX} characters and no long number"
    ))
}

impl Who {
    fn name(&self) -> String {
        let of_system = || {
            let variables = ["USER", "LOGNAME"].into_iter();
            let mut names = variables.filter_map(|variable| std::env::var(variable).ok());
            names.find_map(|user| name(&user).ok())
        };
        let of_user = || format!("user {}", rustix::process::getuid().as_raw());
        self.by.clone().or_else(of_system).unwrap_or_else(of_user)
    }
}

/// Activates the rules of a file.
pub(super) fn activate(globals: &Globals, args: &ActivateArgs) -> anyhow::Result<Ending> {
    let rules = sound_file(&args.file)?;
    let known = known(globals)?;
    let sha256 = rules.sha256_hex();
    let version = rules.rules.version();
    let other = known.iter().find(|activation| {
        activation.event.version == version && activation.event.sha256 != sha256
    });
    if let Some(other) = other {
        // Ids of findings are made of the version.
        return Err(Refusal::problem(format!(
            "the version {version} was given to other rules before (activation {}, sha256 {}): \
             findings could not be told apart; give the file a version of its own",
            other.event.activation, other.event.sha256
        )));
    }
    if known.last().is_some_and(|last| last.event.sha256 == sha256) {
        return tell(globals, known.last(), "judges already");
    }
    let wanted = RuleRequest {
        by: args.who.name(),
        after_activation: last_of(&known),
        rules: file_of(&rules)?,
    };
    change(globals, &wanted)
}

/// Activates the rules of before.
pub(super) fn rollback(globals: &Globals, args: &RollbackArgs) -> anyhow::Result<Ending> {
    let known = known(globals)?;
    let last = known.last().map(|last| &last.event.sha256);
    let back_to = match args.to {
        Some(number) => known.iter().find(|known| known.event.activation == number),
        None => known
            .iter()
            .rev()
            .find(|known| Some(&known.event.sha256) != last),
    };
    let Some(back_to) = back_to else {
        return Err(Refusal::problem(match args.to {
            Some(number) => format!("there is no activation {number}: see `txp rules log`"),
            None => "no other rules judged before: there is nothing to go back to".to_owned(),
        }));
    };
    if Some(&back_to.event.sha256) == last {
        return tell(globals, known.last(), "judges already");
    }
    let wanted = RuleRequest {
        by: args.who.name(),
        after_activation: last_of(&known),
        rules: back_to.event.rules.clone(),
    };
    change(globals, &wanted)
}

fn file_of(rules: &CheckedRules) -> anyhow::Result<serde_json::Value> {
    Ok(serde_json::from_str(&rules.file.to_json())?)
}

/// The number of the last activation; a fresh directory begins with one.
fn last_of(known: &[Activation]) -> u64 {
    let last = known.last();
    last.map_or(FIRST_ACTIVATION, |last| last.event.activation)
}

/// What was activated so far; nothing in a directory that is not there yet.
fn known(globals: &Globals) -> anyhow::Result<Vec<Activation>> {
    match txp_local::format::read(&globals.data_dir) {
        Ok(_) => {}
        Err(FormatError::Missing { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    }
    let source = Source::Local(globals.data_dir.clone());
    source::runtime()?.block_on(log::read(&source))
}

fn change(globals: &Globals, wanted: &RuleRequest) -> anyhow::Result<Ending> {
    let mut asked: Option<Asked> = None;
    let since = Instant::now();
    loop {
        match open_host(globals, "rules", None) {
            // A host takes up what waits when it is opened.
            Ok(host) => match &asked {
                Some(asked) => {
                    host.stop()?;
                    if is_done(asked)? {
                        break;
                    }
                }
                None => {
                    change_here(host, wanted)?;
                    break;
                }
            },
            Err(error) if is_held(&error) => match &asked {
                None => asked = Some(wanted.ask(&globals.data_dir)?),
                Some(asked) if is_done(asked)? => break,
                Some(asked) if since.elapsed() > TAKEN_UP_WITHIN => {
                    asked.remove()?;
                    return Err(error.context(
                        "the process that writes to the directory has not taken the rules up; nothing is changed",
                    ));
                }
                Some(_) => wait(),
            },
            Err(error) => return Err(error),
        }
    }
    tell(globals, known(globals)?.last(), "judges from here on")
}

/// Another process answers by a file: there is nothing to wait on but time, and that is limited.
#[expect(clippy::disallowed_methods, reason = "a condition of another process")]
fn wait() {
    std::thread::sleep(LOOK_EVERY);
}

fn change_here(host: Host, wanted: &RuleRequest) -> anyhow::Result<()> {
    let changed = host.change_rules(wanted);
    host.stop()?;
    changed?.map_err(|refused| Refusal::problem(refused.to_string()))
}

fn is_done(asked: &Asked) -> anyhow::Result<bool> {
    match asked.answer()? {
        Answer::Waiting => Ok(false),
        Answer::Done => Ok(true),
        Answer::Refused(why) => Err(Refusal::problem(output::redacted(&why))),
    }
}

fn is_held(error: &anyhow::Error) -> bool {
    let held = error.downcast_ref::<HostError>();
    matches!(held, Some(HostError::Lock(LockError::Held { .. })))
}

fn tell(globals: &Globals, last: Option<&Activation>, what: &str) -> anyhow::Result<Ending> {
    let Activation { position, event } = last.context("the activation is not in the history")?;
    if globals.json {
        output::json(&serde_json::json!({
            "activation": event.activation,
            "version": event.version,
            "sha256": event.sha256,
            "activated_by": event.activated_by,
            "position": PositionDocument::from(position),
        }))?;
    } else {
        output::text(&format!(
            "{} {what}: activation {}, from event {} on, by {}\n",
            event.version, event.activation, position.sequence, event.activated_by
        ))?;
    }
    Ok(Ending::Done)
}

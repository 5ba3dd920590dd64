//! `txp rules activate` and `rollback`: other rules judge from here on. `shadow`: other rules are tried
//! beside them.
//!
//! Only the directory's one writer appends to its history. Where nobody writes, this command is that
//! writer, for a moment; beside a running one, such as `txp serve`, it asks in a control record and
//! waits until that is done.

use super::super::process::open_host;
use super::super::source::{self, Source};
use super::super::{Ending, Globals, Refusal};
use super::log::{self, Activation, Known, Shadowing};
use super::sound_file;
use crate::output;
use anyhow::Context as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use txp_domain::redact::needs_redaction;
use txp_local::control::rules::{Answer, Asked, RuleChange, RuleRequest};
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

/// Arguments of `txp rules shadow`.
#[derive(Debug, clap::Args)]
pub(crate) struct ShadowArgs {
    /// The rule file; without it, say which rules are tried now
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Try no rules from here on
    #[arg(long, conflicts_with = "file")]
    off: bool,
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
    refuse_a_version_of_others(&known, &rules)?;
    let sha256 = rules.sha256_hex();
    if known
        .active()
        .is_some_and(|last| last.event.sha256 == sha256)
    {
        return tell(globals, known.active(), "judges already");
    }
    let wanted = RuleChange::Activate {
        after_activation: last_of(&known),
        rules: file_of(&rules)?,
    };
    activated(globals, args.who.name(), wanted)
}

/// Activates the rules of before.
pub(super) fn rollback(globals: &Globals, args: &RollbackArgs) -> anyhow::Result<Ending> {
    let known = known(globals)?;
    let last = known.active().map(|last| &last.event.sha256);
    let mut activations = known.activations.iter();
    let back_to = match args.to {
        Some(number) => activations.find(|known| known.event.activation == number),
        None => activations
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
        return tell(globals, known.active(), "judges already");
    }
    let wanted = RuleChange::Activate {
        after_activation: last_of(&known),
        rules: back_to.event.rules.clone(),
    };
    activated(globals, args.who.name(), wanted)
}

/// Tries the rules of a file, or ends that, or says what is tried.
pub(super) fn shadow(globals: &Globals, args: &ShadowArgs) -> anyhow::Result<Ending> {
    let known = known(globals)?;
    let rules = args.file.as_deref().map(sound_file).transpose()?;
    let tried = known.tried();
    let Some(rules) = rules else {
        if args.off && tried.is_some() {
            return shadowed(globals, args.who.name(), &known, None);
        }
        return tell_shadow(globals, tried, "is tried");
    };
    refuse_a_version_of_others(&known, &rules)?;
    let sha256 = rules.sha256_hex();
    if known
        .active()
        .is_some_and(|last| last.event.sha256 == sha256)
    {
        return Err(Refusal::problem(
            "these rules judge already: there is nothing to try beside them".to_owned(),
        ));
    }
    if tried.is_some_and(|tried| tried.event.sha256 == sha256) {
        return tell_shadow(globals, tried, "is tried already");
    }
    let file = file_of(&rules)?;
    shadowed(globals, args.who.name(), &known, Some(file))
}

/// Ids of findings are made of the version.
fn refuse_a_version_of_others(known: &Known, rules: &CheckedRules) -> anyhow::Result<()> {
    let sha256 = rules.sha256_hex();
    let version = rules.rules.version();
    let activated = known.activations.iter().map(|activation| {
        let event = &activation.event;
        let name = format!("activation {}", event.activation);
        (&event.version, &event.sha256, name)
    });
    let tried = known.shadows.iter().map(|shadowing| {
        let event = &shadowing.event;
        let name = format!("change {} of what is tried", event.change);
        (&event.version, &event.sha256, name)
    });
    let mut others = activated.chain(tried);
    let other = others.find(|(known, other, _)| *known == version && **other != sha256);
    let Some((_, other, name)) = other else {
        return Ok(());
    };
    Err(Refusal::problem(format!(
        "the version {version} was given to other rules before ({name}, sha256 {other}): \
         findings could not be told apart; give the file a version of its own"
    )))
}

fn file_of(rules: &CheckedRules) -> anyhow::Result<serde_json::Value> {
    Ok(serde_json::from_str(&rules.file.to_json())?)
}

/// The number of the last activation; a fresh directory begins with one.
fn last_of(known: &Known) -> u64 {
    let last = known.active();
    last.map_or(FIRST_ACTIVATION, |last| last.event.activation)
}

/// What was activated and tried so far; nothing in a directory that is not there yet.
fn known(globals: &Globals) -> anyhow::Result<Known> {
    match txp_local::format::read(&globals.data_dir) {
        Ok(_) => {}
        Err(FormatError::Missing { .. }) => return Ok(Known::default()),
        Err(error) => return Err(error.into()),
    }
    let source = Source::Local(globals.data_dir.clone());
    source::runtime()?.block_on(log::read(&source))
}

fn activated(globals: &Globals, by: String, change: RuleChange) -> anyhow::Result<Ending> {
    make(globals, &RuleRequest { by, change })?;
    tell(globals, known(globals)?.active(), "judges from here on")
}

fn shadowed(
    globals: &Globals,
    by: String,
    known_before: &Known,
    shadow: Option<serde_json::Value>,
) -> anyhow::Result<Ending> {
    let is_off = shadow.is_none();
    let last = known_before.shadows.last();
    let change = RuleChange::Shadow {
        after_change: last.map_or(0, |last| last.event.change),
        shadow,
    };
    make(globals, &RuleRequest { by, change })?;
    let known = known(globals)?;
    let what = if is_off { "" } else { "is tried from here on" };
    tell_shadow(globals, known.tried(), what)
}

fn make(globals: &Globals, wanted: &RuleRequest) -> anyhow::Result<()> {
    let mut asked: Option<Asked> = None;
    let since = Instant::now();
    loop {
        match open_host(globals, "rules", None) {
            // A host takes up what waits when it is opened.
            Ok(host) => match &asked {
                Some(asked) => {
                    host.stop()?;
                    if is_done(asked)? {
                        return Ok(());
                    }
                }
                None => return change_here(host, wanted),
            },
            Err(error) if is_held(&error) => match &asked {
                None => asked = Some(wanted.ask(&globals.data_dir)?),
                Some(asked) if is_done(asked)? => return Ok(()),
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

/// Says which rules are tried, if any are.
fn tell_shadow(globals: &Globals, tried: Option<&Shadowing>, what: &str) -> anyhow::Result<Ending> {
    let tried = tried.map(|Shadowing { position, event }| (position, event));
    if globals.json {
        let shadow = tried.map(|(position, event)| {
            serde_json::json!({
                "change": event.change,
                "version": event.version,
                "sha256": event.sha256,
                "shadowed_by": event.shadowed_by,
                "position": PositionDocument::from(position),
            })
        });
        output::json(&serde_json::json!({ "shadow": shadow }))?;
        return Ok(Ending::Done);
    }
    output::text(&match tried {
        None => "no rules are tried\n".to_owned(),
        Some((position, event)) => format!(
            "{} {what}: from event {} on, by {}; what it finds is recorded and alerts no one\n",
            event.version, position.sequence, event.shadowed_by
        ),
    })?;
    Ok(Ending::Done)
}

//! Which rules judge, where several processes judge and none of them is asked to activate any.
//!
//! The rules are a file that an operator changes, or the program's own. Whoever sees first that the
//! file is another one activates it: the registry takes one activation of each number, so all
//! processes announce the same event, and one that was activated and not announced (a crash came in
//! between) is announced by whoever looks next. History knows of rules before they judge.
//!
//! A file that is no sound rule file is refused each time that it is looked at ([`Rulebook::refusal`]
//! is for the log); what was activated last goes on judging. Only where nothing ever was, judging
//! waits.
//!
//! A second file may name rules that are tried beside them, for as long as it is there. Trying rules
//! never keeps those that judge waiting for longer than a retry.

mod shadow;

use crate::batch::EventBatch;
use crate::port::{CONFLICT_ATTEMPTS_MAX, ErrorKind, EventSink, PortError, Written};
use crate::rulefile::{self, CheckedRules};
use crate::stage::detect::Judging;
use crate::stage::ingest::arrival_of;
use txp_domain::event::{Event, RulesetActivated, RulesetShadowed};
use txp_domain::time::Timestamp;

/// How long rules judge before their file is looked at again.
pub const RULES_FRESH_SECONDS: i64 = 60;

/// Who activates the program's own rules.
const DEFAULTS_ACTIVATED_BY: &str = "txp (defaults)";

const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;

/// The rule file of an operator.
pub trait RuleSource {
    /// Where the file is, for people.
    fn name(&self) -> &str;

    /// The file's bytes as they are now; `None` if there is no file.
    fn read(&mut self) -> impl Future<Output = Result<Option<Vec<u8>>, PortError>>;
}

/// An activation, as it is registered.
#[derive(Clone, Debug, PartialEq)]
pub struct Activation {
    /// The event.
    pub event: RulesetActivated,
    /// Whether it is in the history.
    pub is_announced: bool,
}

/// A change of the rules that are tried, as it is registered.
#[derive(Clone, Debug, PartialEq)]
pub struct Shadowing {
    /// The event.
    pub event: RulesetShadowed,
    /// Whether it is in the history.
    pub is_announced: bool,
}

/// Rules that judge, and what is tried beside them.
#[derive(Clone, Debug, PartialEq)]
pub struct InForce {
    /// The rules that judge.
    pub active: CheckedRules,
    /// Rules that are tried.
    pub shadow: Option<CheckedRules>,
}

impl<'r> From<&'r InForce> for Judging<'r> {
    fn from(rules: &'r InForce) -> Self {
        Self {
            active: &rules.active.rules,
            shadow: rules.shadow.as_ref().map(|shadow| &shadow.rules),
        }
    }
}

/// Where processes agree which rules judge, and which are tried.
pub trait RuleRegistry {
    /// The latest activation.
    fn latest(&mut self) -> impl Future<Output = Result<Option<Activation>, PortError>>;

    /// Registers an activation, if the latest is the one before it.
    fn register(
        &mut self,
        event: &RulesetActivated,
    ) -> impl Future<Output = Result<Written, PortError>>;

    /// Notes that an activation is in the history.
    fn announced(&mut self, activation: u64) -> impl Future<Output = Result<(), PortError>>;

    /// The latest change of the rules that are tried.
    fn latest_shadow(&mut self) -> impl Future<Output = Result<Option<Shadowing>, PortError>>;

    /// Registers such a change, if the latest is the one before it.
    fn register_shadow(
        &mut self,
        event: &RulesetShadowed,
    ) -> impl Future<Output = Result<Written, PortError>>;

    /// Notes that such a change is in the history.
    fn shadow_announced(&mut self, change: u64) -> impl Future<Output = Result<(), PortError>>;
}

/// The rules that judge, and where they come from.
#[derive(Debug)]
pub struct Rulebook<R, S> {
    registry: R,
    source: Option<S>,
    shadow_source: Option<S>,
    current: Option<InForce>,
    looked_at: Option<Timestamp>,
    refusals: Vec<String>,
}

impl<R: RuleRegistry, S: RuleSource> Rulebook<R, S> {
    /// Not looked at yet; without a source, the rules activated last, or else the program's own.
    pub fn new(registry: R, source: Option<S>) -> Self {
        Self {
            registry,
            source,
            shadow_source: None,
            current: None,
            looked_at: None,
            refusals: Vec::new(),
        }
    }

    /// With rules that are tried while this file is there; without one, none are.
    #[must_use]
    pub fn trying(self, shadow_source: Option<S>) -> Self {
        Self {
            shadow_source,
            ..self
        }
    }

    /// Why files were refused when they were looked at, once after each time.
    pub fn refusals(&mut self) -> Vec<String> {
        std::mem::take(&mut self.refusals)
    }

    /// The rules to judge by now, and those to try. Looks at the files if that was not done lately,
    /// and announces rules that are new.
    ///
    /// # Errors
    /// A port failed, or there are no sound rules at all.
    pub async fn rules<E: EventSink>(
        &mut self,
        events: &mut E,
        now: Timestamp,
    ) -> Result<&InForce, PortError> {
        let is_fresh = self.looked_at.is_some_and(|at| {
            now.0.saturating_sub(at.0) < RULES_FRESH_SECONDS * NANOSECONDS_PER_SECOND
        });
        if !is_fresh || self.current.is_none() {
            let active = self.look(events, now).await?;
            let shadow = self.look_at_shadow(events, &active, now).await?;
            self.current = Some(InForce { active, shadow });
            self.looked_at = Some(now);
        }
        self.current.as_ref().ok_or_else(no_rules)
    }

    async fn look<E: EventSink>(
        &mut self,
        events: &mut E,
        now: Timestamp,
    ) -> Result<CheckedRules, PortError> {
        for _ in 0..CONFLICT_ATTEMPTS_MAX {
            // Before the file is read: a file read after is not older than what is registered.
            let latest = self.registry.latest().await?;
            let wanted = match &mut self.source {
                Some(source) => match read(source).await {
                    Ok(rules) => Some((rules, source.name())),
                    Err(refusal) => {
                        self.refusals.push(refusal);
                        None
                    }
                },
                None if latest.is_some() => None,
                None => Some((defaults()?, DEFAULTS_ACTIVATED_BY)),
            };
            let latest_sha256 = latest.as_ref().map(|latest| &latest.event.sha256);
            let Some((rules, by)) =
                wanted.filter(|(rules, _)| latest_sha256 != Some(&rules.sha256_hex()))
            else {
                let latest = latest.ok_or_else(no_rules)?;
                if !latest.is_announced {
                    self.announce(events, &latest.event).await?;
                }
                return activated_rules(&latest.event);
            };
            let activation = latest.map_or(0, |latest| latest.event.activation) + 1;
            let event = activated(&rules, activation, by, now)?;
            if self.registry.register(&event).await? == Written::Stored {
                self.announce(events, &event).await?;
                return Ok(rules);
            }
        }
        let context = "the active rules were changed by others each time that they were to be";
        Err(PortError::new(ErrorKind::Transient, context))
    }

    async fn announce<E: EventSink>(
        &mut self,
        events: &mut E,
        event: &RulesetActivated,
    ) -> Result<(), PortError> {
        append(events, Event::RulesetActivated(Box::new(event.clone()))).await?;
        self.registry.announced(event.activation).await
    }
}

async fn append<E: EventSink>(events: &mut E, event: Event<'static>) -> Result<(), PortError> {
    let mut batch = EventBatch::default();
    batch.push_event(event).map_err(unwritable)?;
    events.append(&mut batch).await?;
    events.flush().await
}

/// The file's rules, if it has sound ones; else what is wrong.
async fn read<S: RuleSource>(source: &mut S) -> Result<CheckedRules, String> {
    let refused = match source.read().await {
        Ok(Some(bytes)) => match rulefile::parse(&bytes) {
            Ok(rules) => return Ok(rules),
            Err(error) => error.to_string(),
        },
        Ok(None) => "there is no such file".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(format!(
        "{} is refused, the rules activated last go on judging; put a sound file there, `txp rules check` tells: {refused}",
        source.name()
    ))
}

fn defaults() -> Result<CheckedRules, PortError> {
    rulefile::default_rules()
        .map_err(|error| PortError::caused(ErrorKind::Permanent, "the program's own rules", error))
}

/// The rules of an activation.
pub(crate) fn activated_rules(event: &RulesetActivated) -> Result<CheckedRules, PortError> {
    recorded_rules(&event.rules)
}

/// The rules that are tried from this change on.
pub(crate) fn shadowed_rules(event: &RulesetShadowed) -> Result<Option<CheckedRules>, PortError> {
    event.rules.as_ref().map(recorded_rules).transpose()
}

fn recorded_rules(rules: &serde_json::Value) -> Result<CheckedRules, PortError> {
    CheckedRules::recorded(rules).map_err(|error| {
        let context = "activated rules cannot be read; activate others";
        PortError::caused(ErrorKind::Corrupt, context, error)
    })
}

fn activated(
    rules: &CheckedRules,
    activation: u64,
    by: &str,
    now: Timestamp,
) -> Result<RulesetActivated, PortError> {
    Ok(RulesetActivated {
        activation,
        version: rules.rules.version().to_owned(),
        sha256: rules.sha256_hex(),
        activated_by: by.to_owned(),
        activated_at: arrival_of(now),
        rules: serde_json::from_str(&rules.file.to_json()).map_err(unwritable)?,
    })
}

fn no_rules() -> PortError {
    let context = "there are no rules to judge by: the rule file is refused or missing and none was active before; put a sound one there";
    PortError::new(ErrorKind::Permanent, context)
}

fn unwritable(error: serde_json::Error) -> PortError {
    PortError::caused(
        ErrorKind::Permanent,
        "an activation cannot be written as JSON",
        error,
    )
}

#[cfg(test)]
mod tests;

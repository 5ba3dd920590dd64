//! Rules that are tried: a file of their own says which, and no file that none are.

use super::{
    InForce, RuleRegistry, RuleSource, Rulebook, RulesetShadowed, Shadowing, append, arrival_of,
    shadowed_rules, unwritable,
};
use crate::port::{CONFLICT_ATTEMPTS_MAX, ErrorKind, EventSink, PortError, Written};
use crate::rulefile::{self, CheckedRules};
use txp_domain::event::Event;
use txp_domain::time::Timestamp;

/// Who ends the trial of rules that no file names any more.
const ENDED_BY: &str = "txp (no rules to try)";

impl<R: RuleRegistry, S: RuleSource> Rulebook<R, S> {
    /// The rules to try beside `active`. What goes wrong with them for good is a refusal, and those
    /// tried last go on being tried.
    pub(super) async fn look_at_shadow<E: EventSink>(
        &mut self,
        events: &mut E,
        active: &CheckedRules,
        now: Timestamp,
    ) -> Result<Option<CheckedRules>, PortError> {
        match self.shadow_now(events, active, now).await {
            Err(error) if !error.is_retryable() => {
                let refusal = format!("no other rules can be tried now: {error}");
                self.refusals.push(refusal);
                let current = self.current.as_ref();
                Ok(current.and_then(|InForce { shadow, .. }| shadow.clone()))
            }
            looked => looked,
        }
    }

    async fn shadow_now<E: EventSink>(
        &mut self,
        events: &mut E,
        active: &CheckedRules,
        now: Timestamp,
    ) -> Result<Option<CheckedRules>, PortError> {
        for _ in 0..CONFLICT_ATTEMPTS_MAX {
            // Before the file is read, as for the rules that judge.
            let latest = self.registry.latest_shadow().await?;
            let tried = match &latest {
                Some(latest) => shadowed_rules(&latest.event)?,
                None => None,
            };
            let (wanted, by) = match &mut self.shadow_source {
                None => (None, ENDED_BY),
                Some(source) => match wanted(source, active).await {
                    Ok(wanted) => (wanted, source.name()),
                    Err(refusal) => {
                        self.refusals.push(refusal);
                        (tried.clone(), ENDED_BY)
                    }
                },
            };
            let sha256_of = |rules: &Option<CheckedRules>| rules.as_ref().map(|r| r.sha256_hex());
            if sha256_of(&wanted) == sha256_of(&tried) {
                if let Some(latest) = latest.filter(|latest| !latest.is_announced) {
                    self.announce_shadow(events, &latest.event).await?;
                }
                return Ok(tried);
            }
            let Some(event) = change(latest.as_ref(), wanted.as_ref(), by, now)? else {
                return Ok(None);
            };
            if self.registry.register_shadow(&event).await? == Written::Stored {
                self.announce_shadow(events, &event).await?;
                return Ok(wanted);
            }
        }
        let context = "the rules that are tried were changed by others each time";
        Err(PortError::new(ErrorKind::Transient, context))
    }

    async fn announce_shadow<E: EventSink>(
        &mut self,
        events: &mut E,
        event: &RulesetShadowed,
    ) -> Result<(), PortError> {
        append(events, Event::RulesetShadowed(Box::new(event.clone()))).await?;
        self.registry.shadow_announced(event.change).await
    }
}

/// What the file wants to be tried: nothing if it is not there, is empty, or has the rules that judge.
async fn wanted<S: RuleSource>(
    source: &mut S,
    active: &CheckedRules,
) -> Result<Option<CheckedRules>, String> {
    let refused = match source.read().await {
        Ok(None) => return Ok(None),
        Ok(Some(bytes)) if bytes.trim_ascii().is_empty() => return Ok(None),
        Ok(Some(bytes)) => match rulefile::parse(&bytes) {
            Ok(rules) if rules.sha256_hex() == active.sha256_hex() => return Ok(None),
            // Ids of findings are made of the version.
            Ok(rules) if rules.rules.version() == active.rules.version() => {
                "its version is that of the rules that judge, which are others; give it one of its own"
                    .to_owned()
            }
            Ok(rules) => return Ok(Some(rules)),
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    };
    Err(format!(
        "{} is refused, what was tried last goes on being tried; put a sound file there or take it away, `txp rules check` tells: {refused}",
        source.name()
    ))
}

/// The change from what was tried last to what is wanted; none where nothing was ever tried.
fn change(
    latest: Option<&Shadowing>,
    wanted: Option<&CheckedRules>,
    by: &str,
    now: Timestamp,
) -> Result<Option<RulesetShadowed>, PortError> {
    let at = arrival_of(now);
    let Some(rules) = wanted else {
        return Ok(latest.map(|latest| latest.event.ended(by, at)));
    };
    Ok(Some(RulesetShadowed {
        change: latest.map_or(0, |latest| latest.event.change) + 1,
        version: rules.rules.version().to_owned(),
        sha256: rules.sha256_hex(),
        shadowed_by: by.to_owned(),
        shadowed_at: at,
        rules: Some(serde_json::from_str(&rules.file.to_json()).map_err(unwritable)?),
    }))
}

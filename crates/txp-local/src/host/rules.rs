//! Which rules judge, and which are tried beside them: changed by an event of the history, which only
//! the writer appends.
//!
//! Whoever else wants a change asks for it in a control record ([`crate::control::rules`]); the host
//! takes such up when it is opened and now and then after, on a thread of its own.

use super::{Host, HostError, now};
use crate::control::rules::{RuleChange, RuleRequest, waiting};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use txp_domain::event::{Event, RulesetActivated, RulesetShadowed};
use txp_domain::time::Timestamp;
use txp_pipeline::rulefile::CheckedRules;
use txp_pipeline::stage::ingest::arrival_of;

/// How long a wanted change of rules waits at most before it is taken up.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Why rules are not activated, though they could be recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesRefused {
    /// Others were activated since it was decided on.
    #[error("other rules were activated meanwhile: see `txp rules log`, then try again")]
    Overtaken,
    /// They judge, so there is nothing to try.
    #[error("these rules judge already: there is nothing to try beside them")]
    JudgesAlready,
    /// They are not sound.
    #[error("the rules are not sound: {0}")]
    Unsound(String),
}

/// Takes up wanted changes until the host is stopped.
pub(super) fn run(host: &Host, stopped: &Receiver<()>) {
    while stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        if host.has_failed() {
            return;
        }
        // What cannot be read now is looked at again; who waits for it is told by the time it takes.
        host.take_rule_requests().ok();
    }
}

impl Host {
    /// Lets other rules judge from here on. If they were tried until now, that has an end.
    ///
    /// # Errors
    /// They cannot be recorded.
    pub fn activate_rules(
        &self,
        rules: &CheckedRules,
        activated_by: &str,
    ) -> Result<(), HostError> {
        let mut events = vec![self.activation(rules, activated_by, now())?];
        let is_tried = self.lock_fold().tried().is_some_and(|tried| tried == rules);
        if is_tried {
            events.extend(self.trial(None, activated_by, now())?);
        }
        self.append_events(events)?;
        self.settle()
    }

    /// Does what is asked for, unless that is done already or others were quicker.
    ///
    /// # Errors
    /// It cannot be recorded.
    pub fn change_rules(
        &self,
        wanted: &RuleRequest,
    ) -> Result<Result<(), RulesRefused>, HostError> {
        match &wanted.change {
            RuleChange::Activate {
                after_activation,
                rules,
            } => self.change_active(&wanted.by, *after_activation, rules),
            RuleChange::Shadow {
                after_change,
                shadow,
            } => self.change_shadow(&wanted.by, *after_change, shadow.as_ref()),
        }
    }

    fn change_active(
        &self,
        by: &str,
        after_activation: u64,
        rules: &serde_json::Value,
    ) -> Result<Result<(), RulesRefused>, HostError> {
        let rules = match CheckedRules::recorded(rules) {
            Ok(rules) => rules,
            Err(fault) => return Ok(Err(RulesRefused::Unsound(fault.to_string()))),
        };
        let (activation, active) = {
            let fold = self.lock_fold();
            let active = fold.rules().map(|active| *active.rules.sha256());
            (fold.activation(), active)
        };
        // The crash that came before the request was taken away.
        let is_done =
            activation == after_activation + 1 && active.as_ref() == Some(rules.rules.sha256());
        if is_done {
            return Ok(Ok(()));
        }
        if activation != after_activation {
            return Ok(Err(RulesRefused::Overtaken));
        }
        self.activate_rules(&rules, by)?;
        Ok(Ok(()))
    }

    /// Lets other rules be tried beside those that judge from here on, or none.
    fn change_shadow(
        &self,
        by: &str,
        after_change: u64,
        rules: Option<&serde_json::Value>,
    ) -> Result<Result<(), RulesRefused>, HostError> {
        let rules = match rules.map(CheckedRules::recorded).transpose() {
            Ok(rules) => rules,
            Err(fault) => return Ok(Err(RulesRefused::Unsound(fault.to_string()))),
        };
        let (change, tried, active) = {
            let fold = self.lock_fold();
            let change = fold.shadow_rules().map_or(0, |latest| latest.change);
            (change, fold.tried().cloned(), fold.rules().cloned())
        };
        // The crash that came before the request was taken away.
        if change == after_change + 1 && tried == rules {
            return Ok(Ok(()));
        }
        if change != after_change {
            return Ok(Err(RulesRefused::Overtaken));
        }
        if rules.is_some() && rules == active {
            return Ok(Err(RulesRefused::JudgesAlready));
        }
        if let Some(event) = self.trial(rules.as_ref(), by, now())? {
            self.append_events(vec![event])?;
            self.settle()?;
        }
        Ok(Ok(()))
    }

    /// Takes up all that is asked for in control records.
    pub(super) fn take_rule_requests(&self) -> Result<(), HostError> {
        for asked in waiting(self.dir())? {
            match asked.request()? {
                None => asked.refuse("the request makes no sense")?,
                Some(wanted) => match self.change_rules(&wanted)? {
                    Ok(()) => asked.remove()?,
                    Err(refused) => asked.refuse(&refused.to_string())?,
                },
            }
        }
        Ok(())
    }

    pub(super) fn activation(
        &self,
        rules: &CheckedRules,
        activated_by: &str,
        now: Timestamp,
    ) -> Result<Event<'static>, HostError> {
        let file = serde_json::from_str(&rules.file.to_json()).map_err(HostError::Encode)?;
        let activated = RulesetActivated {
            activation: self.lock_fold().activation() + 1,
            version: rules.rules.version().to_owned(),
            sha256: rules.sha256_hex(),
            activated_by: activated_by.to_owned(),
            activated_at: arrival_of(now),
            rules: file,
        };
        Ok(Event::RulesetActivated(Box::new(activated)))
    }

    /// The event by which rules are tried from here on, or none are; nothing where none were.
    pub(super) fn trial(
        &self,
        rules: Option<&CheckedRules>,
        by: &str,
        now: Timestamp,
    ) -> Result<Option<Event<'static>>, HostError> {
        let latest = self.lock_fold().shadow_rules().cloned();
        let change = latest.as_ref().map_or(0, |latest| latest.change) + 1;
        let (version, sha256, file) = match (rules, latest) {
            (Some(rules), _) => {
                let file = serde_json::from_str(&rules.file.to_json());
                let file = file.map_err(HostError::Encode)?;
                (
                    rules.rules.version().to_owned(),
                    rules.sha256_hex(),
                    Some(file),
                )
            }
            (None, Some(latest)) if latest.file.is_some() => (latest.version, latest.sha256, None),
            (None, _) => return Ok(None),
        };
        Ok(Some(Event::RulesetShadowed(Box::new(RulesetShadowed {
            change,
            version,
            sha256,
            shadowed_by: by.to_owned(),
            shadowed_at: arrival_of(now),
            rules: file,
        }))))
    }
}

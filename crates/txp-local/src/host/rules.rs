//! Which rules judge: changed by an event of the history, which only the writer appends.
//!
//! Whoever else wants a change asks for it in a control record ([`crate::control::rules`]); the host
//! takes such up when it is opened and now and then after, on a thread of its own.

use super::{Host, HostError, now};
use crate::control::rules::{RuleRequest, waiting};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use txp_domain::event::{Event, RulesetActivated};
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
    /// Lets other rules judge from here on.
    ///
    /// # Errors
    /// They cannot be recorded.
    pub fn activate_rules(
        &self,
        rules: &CheckedRules,
        activated_by: &str,
    ) -> Result<(), HostError> {
        let activated = self.activation(rules, activated_by, now())?;
        self.append_event(activated)?;
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
        let rules = match CheckedRules::recorded(&wanted.rules) {
            Ok(rules) => rules,
            Err(fault) => return Ok(Err(RulesRefused::Unsound(fault.to_string()))),
        };
        let (activation, active) = {
            let fold = self.lock_fold();
            let active = fold.rules().map(|active| *active.rules.sha256());
            (fold.activation(), active)
        };
        // The crash that came before the request was taken away.
        let is_done = activation == wanted.after_activation + 1
            && active.as_ref() == Some(rules.rules.sha256());
        if is_done {
            return Ok(Ok(()));
        }
        if activation != wanted.after_activation {
            return Ok(Err(RulesRefused::Overtaken));
        }
        self.activate_rules(&rules, &wanted.by)?;
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
}

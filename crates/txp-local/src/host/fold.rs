//! The fold of the log: one code for the running host and for recovery.
//!
//! Aggregate, then detect, in the order of the log. What detection finds is appended to the log by
//! the caller; until it is folded itself it is kept as outstanding, in the checkpoint too, so that
//! a crash in between neither loses a finding nor appends it twice.

use super::HostError;
use crate::runs::BegunCheckpoint;
use crate::state::State;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use txp_domain::event::{
    AnomalyFlagged, AnomalyShadowed, Event, RulesetActivated, RulesetShadowed, Verdict,
};
use txp_domain::finding::Finding;
use txp_domain::position::Position;
use txp_domain::time::Timestamp;
use txp_pipeline::batch::Delivery;
use txp_pipeline::port::PortError;
use txp_pipeline::rulefile::CheckedRules;
use txp_pipeline::stage::aggregate::{Aggregator, Outcome};
use txp_pipeline::stage::detect::{Detector, Judging};
use txp_pipeline::telemetry::{rows_folded, shadow_found};

/// How far the log is folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsOf {
    /// The last event folded; 0 for none.
    pub sequence: u64,
    /// When it was appended, Unix milliseconds.
    pub arrival_millis: i64,
}

/// What a checkpoint says beside the state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Meta {
    pub(crate) as_of: AsOf,
    /// Findings up to here are recorded as alerts.
    pub(crate) alerted_through: u64,
    /// Findings made by folded events and not yet folded themselves.
    outstanding: Vec<Outstanding>,
    /// The same of rules that are only tried. Apart, so that a reader that knows of no such rules
    /// does not take them for findings of those that judge.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    outstanding_shadowed: Vec<Outstanding>,
    /// How far a replay has read its source, as the source names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replayed_through: Option<String>,
    /// The rules that judge.
    pub(crate) rules: Option<ActiveRules>,
    /// The last change of the rules that are tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shadow: Option<ShadowRules>,
    /// Events folded so far that were findings.
    pub(crate) findings: u64,
}

impl Meta {
    /// The ids of findings that are on their way into the log.
    pub(crate) fn outstanding_ids(&self) -> impl Iterator<Item = String> {
        let id = |waiting: &Outstanding| waiting.finding.id.clone();
        let shadowed = self.outstanding_shadowed.iter().map(id);
        let shadowed = shadowed.map(|id| id + AnomalyShadowed::ID_SUFFIX);
        self.outstanding.iter().map(id).chain(shadowed)
    }
}

/// Reads what a checkpoint says; before the first one, nothing is folded.
pub(crate) fn meta_of(bytes: Option<&[u8]>) -> Result<Meta, HostError> {
    match bytes {
        None => Ok(Meta::default()),
        Some(bytes) => serde_json::from_slice(bytes).map_err(HostError::Meta),
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Outstanding {
    time: Timestamp,
    /// As the rules made it.
    finding: Finding,
}

impl Outstanding {
    fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Flagged(flagged) => Self {
                time: flagged.time,
                finding: flagged.finding.clone(),
            },
            Verdict::Shadowed(shadowed) => Self {
                time: shadowed.time,
                finding: shadowed.as_judged(),
            },
        }
    }
}

/// The rules that judge, as their activation says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ActiveRules {
    pub(crate) activation: u64,
    pub(crate) file: serde_json::Value,
}

/// The last change of the rules that are tried, as its event says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ShadowRules {
    pub(crate) change: u64,
    pub(crate) version: String,
    pub(crate) sha256: String,
    /// The rule file; none where none is tried any more.
    pub(crate) file: Option<serde_json::Value>,
}

impl ShadowRules {
    pub(crate) fn of(event: &RulesetShadowed) -> Self {
        Self {
            change: event.change,
            version: event.version.clone(),
            sha256: event.sha256.clone(),
            file: event.rules.clone(),
        }
    }
}

/// What folding a batch hands on.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    /// To be appended to the log.
    pub(crate) found: Vec<Verdict>,
    /// To be alerted.
    pub(crate) flagged: Vec<(Position, AnomalyFlagged)>,
}

/// The fold, with its state.
pub(crate) struct Fold {
    pub(crate) state: State,
    aggregator: Aggregator,
    detector: Detector,
    rules: Option<CheckedRules>,
    active: Option<ActiveRules>,
    tried: Option<CheckedRules>,
    shadow: Option<ShadowRules>,
    outstanding: BTreeMap<String, Verdict>,
    as_of: AsOf,
    findings: u64,
}

impl Fold {
    /// Takes up the state where its checkpoint left it.
    pub(crate) fn resume(state: State) -> Result<(Self, u64), HostError> {
        let meta = meta_of(state.meta())?;
        let mut fold = Self {
            state,
            aggregator: Aggregator::default(),
            detector: Detector::default(),
            rules: None,
            active: None,
            tried: None,
            shadow: None,
            outstanding: BTreeMap::new(),
            as_of: meta.as_of,
            findings: meta.findings,
        };
        let flagged = meta.outstanding.into_iter().map(|waiting| {
            Verdict::Flagged(AnomalyFlagged {
                finding: waiting.finding,
                time: waiting.time,
            })
        });
        let shadowed = meta.outstanding_shadowed.into_iter();
        let shadowed = shadowed
            .map(|waiting| Verdict::Shadowed(AnomalyShadowed::new(waiting.finding, waiting.time)));
        fold.await_all(flagged.chain(shadowed));
        if let Some(active) = meta.rules {
            fold.activate(active.activation, &active.file)?;
        }
        if let Some(shadow) = meta.shadow {
            fold.shadow(shadow)?;
        }
        Ok((fold, meta.alerted_through))
    }

    /// How far the log is folded.
    pub(crate) fn as_of(&self) -> AsOf {
        self.as_of
    }

    /// How many findings the history holds, as far as it is folded.
    pub(crate) fn findings(&self) -> u64 {
        self.findings
    }

    /// The rules that judge; `None` before the first activation is folded.
    pub(crate) fn rules(&self) -> Option<&CheckedRules> {
        self.rules.as_ref()
    }

    /// How many activations the history has had.
    pub(crate) fn activation(&self) -> u64 {
        self.active.as_ref().map_or(0, |active| active.activation)
    }

    /// Rules that are tried.
    pub(crate) fn tried(&self) -> Option<&CheckedRules> {
        self.tried.as_ref()
    }

    /// The last change of the rules that are tried.
    pub(crate) fn shadow_rules(&self) -> Option<&ShadowRules> {
        self.shadow.as_ref()
    }

    /// Findings made and not yet folded themselves.
    pub(crate) fn outstanding(&self) -> impl Iterator<Item = &Verdict> {
        self.outstanding.values()
    }

    /// Publishes the state.
    pub(crate) fn checkpoint(&mut self, alerted_through: u64) -> Result<(), HostError> {
        let meta = self.meta(alerted_through)?;
        Ok(self.state.checkpoint(&meta)?)
    }

    /// Begins to publish the state.
    pub(crate) fn begin_checkpoint(
        &mut self,
        alerted_through: u64,
    ) -> Result<BegunCheckpoint, HostError> {
        let meta = self.meta(alerted_through)?;
        Ok(self.state.begin_checkpoint(&meta)?)
    }

    fn meta(&self, alerted_through: u64) -> Result<Vec<u8>, HostError> {
        let (flagged, shadowed): (Vec<_>, Vec<_>) = self
            .outstanding
            .values()
            .partition(|verdict| verdict.flagged().is_some());
        let meta = Meta {
            as_of: self.as_of,
            alerted_through,
            outstanding: flagged.into_iter().map(Outstanding::of).collect(),
            outstanding_shadowed: shadowed.into_iter().map(Outstanding::of).collect(),
            replayed_through: None,
            rules: self.active.clone(),
            shadow: self.shadow.clone(),
            findings: self.findings,
        };
        serde_json::to_vec(&meta).map_err(HostError::Meta)
    }

    /// Folds a batch, in order. A change of rules holds from its own position on.
    pub(crate) async fn fold(&mut self, deliveries: &[Delivery<'_>]) -> Result<Folded, HostError> {
        let mut folded = Folded::default();
        let changes_rules = |delivery: &Delivery<'_>| delivery.event.changes_rules();
        for part in deliveries.split_inclusive(changes_rules) {
            self.fold_part(part, &mut folded).await?;
            match part.last().map(|last| &last.event) {
                Some(Event::RulesetActivated(activated)) => {
                    let RulesetActivated {
                        activation, rules, ..
                    } = &**activated;
                    self.activate(*activation, rules)?;
                }
                Some(Event::RulesetShadowed(shadowed)) => {
                    self.shadow(ShadowRules::of(shadowed))?;
                }
                _ => {}
            }
        }
        if let Some(last) = deliveries.last() {
            let sequence = last
                .position
                .sequence
                .as_u64()
                .unwrap_or(self.as_of.sequence);
            self.as_of = AsOf {
                sequence,
                arrival_millis: last.arrival_millis,
            };
        }
        Ok(folded)
    }

    async fn fold_part(
        &mut self,
        deliveries: &[Delivery<'_>],
        folded: &mut Folded,
    ) -> Result<(), HostError> {
        let Outcome {
            changes,
            flagged,
            failed,
            counted,
            ..
        } = self.aggregator.fold(&mut self.state, deliveries).await;
        if let Some((_, error)) = failed {
            return Err(error.into());
        }
        rows_folded(&counted);
        for delivery in flagged
            .into_iter()
            .filter_map(|index| deliveries.get(index))
        {
            if let Event::AnomalyFlagged(event) = &delivery.event {
                self.outstanding.remove(event.id());
                self.findings += 1;
                folded
                    .flagged
                    .push((delivery.position.clone(), AnomalyFlagged::clone(event)));
            }
        }
        for delivery in deliveries {
            if let Event::AnomalyShadowed(event) = &delivery.event
                && self.outstanding.remove(event.id()).is_some()
            {
                shadow_found(event.finding());
            }
        }
        if let Some(active) = &self.rules {
            let judging = Judging {
                active: &active.rules,
                shadow: self.tried.as_ref().map(|tried| &tried.rules),
            };
            let found = self
                .detector
                .judge(&mut self.state, judging, deliveries, &changes)
                .await?;
            let found: Vec<_> = found.into_iter().map(|found| found.verdict).collect();
            self.await_all(found.iter().cloned());
            folded.found.extend(found);
        }
        Ok(())
    }

    /// Takes findings down as made and not yet in the log.
    fn await_all(&mut self, verdicts: impl Iterator<Item = Verdict>) {
        let by_id = verdicts.map(|verdict| (verdict.id().to_owned(), verdict));
        self.outstanding.extend(by_id);
    }

    fn shadow(&mut self, shadow: ShadowRules) -> Result<(), HostError> {
        let tried = shadow.file.as_ref().map(CheckedRules::recorded);
        self.tried = tried.transpose().map_err(HostError::Rules)?;
        self.shadow = Some(shadow);
        Ok(())
    }

    fn activate(&mut self, activation: u64, file: &serde_json::Value) -> Result<(), HostError> {
        let checked = CheckedRules::recorded(file).map_err(HostError::Rules)?;
        self.rules = Some(checked);
        self.active = Some(ActiveRules {
            activation,
            file: file.clone(),
        });
        Ok(())
    }
}

impl From<PortError> for HostError {
    fn from(error: PortError) -> Self {
        Self::Port(error)
    }
}

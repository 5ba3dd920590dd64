//! Telling people: each finding is recorded, handed to the sink, and marked, in this order.
//!
//! A crash in between means that a message may come twice, never that it is lost. In a storm the
//! first finding of a merchant and rule is sent by itself and the rest as a digest.

use crate::port::{AlertLedger, AlertRecord, AlertSink, Handed, PortError, Recorded};
use txp_domain::alert::{Cooldowns, Decision, Digest, Message, Notice};
use txp_domain::event::AnomalyFlagged;
use txp_domain::position::Position;
use txp_domain::rule::AlertPolicy;
use txp_domain::time::Timestamp;

/// How many findings were handed to the sink, by themselves or in a digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandedOn {
    /// Findings.
    pub findings: u64,
    /// Messages.
    pub messages: u64,
}

/// The stage: the cooldowns, and what is to be handed on.
#[derive(Debug, Default)]
pub struct Alerting {
    cooldowns: Cooldowns,
    handed: HandedOn,
}

impl Alerting {
    /// What was handed on so far.
    #[must_use]
    pub fn handed(&self) -> HandedOn {
        self.handed
    }

    /// When [`Self::tick`] is to be called next.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.cooldowns.next_due()
    }

    /// Takes up an alert that was recorded before a restart. A single alert that was not marked is
    /// handed on again.
    ///
    /// # Errors
    /// The sink or the ledger failed.
    pub async fn resume<L: AlertLedger, S: AlertSink>(
        &mut self,
        ledger: &mut L,
        sink: &mut S,
        policy: &AlertPolicy,
        recorded: &AlertRecord,
        is_handed: bool,
    ) -> Result<(), PortError> {
        if is_handed && recorded.decision == Decision::Digest {
            return Ok(());
        }
        let notice = Notice::of(&recorded.flagged.finding);
        let (decision, at) = (recorded.decision, recorded.decided_at);
        let early = self.cooldowns.record(policy, &notice, decision, at);
        if let Some(digest) = early {
            self.hand_digest(ledger, sink, &digest, at).await?;
        }
        if decision == Decision::Send && !is_handed {
            self.hand_alert(ledger, sink, recorded).await?;
        }
        Ok(())
    }

    /// Records findings and hands on what is to be sent now. Findings that are recorded already are
    /// passed over, but for those that were to be sent and that nobody has handed on since: a crash
    /// came in between.
    ///
    /// # Errors
    /// The sink or the ledger failed; the same findings may be given again.
    pub async fn handle<L: AlertLedger, S: AlertSink>(
        &mut self,
        ledger: &mut L,
        sink: &mut S,
        policy: &AlertPolicy,
        findings: Vec<(Position, AnomalyFlagged)>,
        now: Timestamp,
    ) -> Result<(), PortError> {
        self.tick(ledger, sink, policy, now).await?;
        let mut records = Vec::with_capacity(findings.len());
        let (mut waiting, mut early) = (Vec::new(), Vec::new());
        for (position, flagged) in findings {
            match ledger.look_up(flagged.id(), &position).await? {
                Recorded::No => {}
                Recorded::Yes => continue,
                Recorded::Waiting(record) => {
                    waiting.push(*record);
                    continue;
                }
            }
            let notice = Notice::of(&flagged.finding);
            let decision = self.cooldowns.decide(policy, &notice, now);
            early.extend(self.cooldowns.record(policy, &notice, decision, now));
            records.push(AlertRecord {
                flagged,
                decision,
                decided_at: now,
                position,
            });
        }
        ledger.record(&records).await?;
        for digest in &early {
            self.hand_digest(ledger, sink, digest, now).await?;
        }
        for record in waiting
            .iter()
            .chain(&records)
            .filter(|record| record.decision == Decision::Send)
        {
            self.hand_alert(ledger, sink, record).await?;
        }
        Ok(())
    }

    /// Hands on the digests that are due.
    ///
    /// # Errors
    /// The sink or the ledger failed.
    pub async fn tick<L: AlertLedger, S: AlertSink>(
        &mut self,
        ledger: &mut L,
        sink: &mut S,
        policy: &AlertPolicy,
        now: Timestamp,
    ) -> Result<(), PortError> {
        for digest in self.cooldowns.due(policy, now) {
            self.hand_digest(ledger, sink, &digest, now).await?;
        }
        Ok(())
    }

    /// Hands on every digest before its time: the program ends.
    ///
    /// # Errors
    /// The sink or the ledger failed.
    pub async fn drain<L: AlertLedger, S: AlertSink>(
        &mut self,
        ledger: &mut L,
        sink: &mut S,
        now: Timestamp,
    ) -> Result<(), PortError> {
        for digest in self.cooldowns.drain() {
            self.hand_digest(ledger, sink, &digest, now).await?;
        }
        Ok(())
    }

    async fn hand_alert<L: AlertLedger, S: AlertSink>(
        &mut self,
        ledger: &mut L,
        sink: &mut S,
        record: &AlertRecord,
    ) -> Result<(), PortError> {
        sink.send(&Message::of(&record.flagged.finding)).await?;
        let id = record.flagged.id().to_owned();
        ledger
            .mark(&[Handed::Alert { id }], record.decided_at)
            .await?;
        self.handed.findings += 1;
        self.handed.messages += 1;
        Ok(())
    }

    async fn hand_digest<L: AlertLedger, S: AlertSink>(
        &mut self,
        ledger: &mut L,
        sink: &mut S,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<(), PortError> {
        sink.send(&Message::of_digest(digest)).await?;
        let handed = Handed::Digest {
            id: digest.id.clone(),
            merchant_id: digest.merchant_id.clone(),
            rule: digest.rule.clone(),
            count: digest.count,
        };
        ledger.mark(&[handed], now).await?;
        self.handed.findings += digest.count;
        self.handed.messages += 1;
        Ok(())
    }
}

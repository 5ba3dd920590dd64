//! Telling people: each finding is recorded, handed to the sink, and marked, in this order.
//!
//! A crash in between means that a message may come twice, never that it is lost. In a storm the
//! first finding of a merchant and rule is sent by itself and the rest as a digest. Where the
//! windows of a storm are kept is a port's ([`CooldownStore`]): one process keeps them in memory,
//! several keep them where all of them look.

mod cooldown;

pub use cooldown::{CooldownStore, DueDigest};

use crate::port::{AlertLedger, AlertRecord, AlertSink, Handed, PortError, Recorded};
use crate::telemetry::{Metric, count, count_of};
use txp_domain::alert::{Cooldowns, Decision, Message, Notice, Suppression};
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

/// The stage: the cooldowns, and what was handed on.
#[derive(Debug, Default)]
pub struct Alerting<C = Cooldowns> {
    cooldowns: C,
    suppressions: Vec<Suppression>,
    handed: HandedOn,
}

impl Alerting<Cooldowns> {
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
            self.hand_digest(ledger, sink, policy, digest.into(), at)
                .await?;
        }
        if decision == Decision::Send && !is_handed {
            self.hand_on(ledger, sink, std::slice::from_ref(recorded))
                .await?;
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
        let policy = AlertPolicy::default();
        for digest in self.cooldowns.drain() {
            self.hand_digest(ledger, sink, &policy, digest.into(), now)
                .await?;
        }
        Ok(())
    }
}

impl<C: CooldownStore> Alerting<C> {
    /// With cooldowns kept there.
    pub fn new(cooldowns: C) -> Self {
        Self {
            cooldowns,
            suppressions: Vec::new(),
            handed: HandedOn::default(),
        }
    }

    /// Of what nobody is to be told, from now on.
    pub fn suppress(&mut self, suppressions: Vec<Suppression>) {
        self.suppressions = suppressions;
    }

    /// What was handed on so far.
    #[must_use]
    pub fn handed(&self) -> HandedOn {
        self.handed
    }

    /// Records findings and hands on what is to be sent now. Findings that are recorded already are
    /// passed over, but for those that nobody has taken care of since: a crash came in between.
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
            let is_suppressed = self.suppressions.iter().any(|s| s.covers(&notice, now));
            let (decision, digest) = match is_suppressed {
                // It opens no window: the first one after it is sent by itself.
                true => (Decision::Suppressed, None),
                false => self.cooldowns.decide(policy, &notice, now).await?,
            };
            early.extend(digest);
            records.push(AlertRecord {
                flagged,
                decision,
                decided_at: now,
                position,
            });
        }
        ledger.record(&records).await?;
        measure(&records);
        self.cooldowns.hold(policy, &waiting, now).await?;
        self.cooldowns.hold(policy, &records, now).await?;
        for digest in early {
            self.hand_digest(ledger, sink, policy, digest, now).await?;
        }
        self.hand_on(ledger, sink, &waiting).await?;
        self.hand_on(ledger, sink, &records).await
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
        for digest in self.cooldowns.due(policy, now).await? {
            self.hand_digest(ledger, sink, policy, digest, now).await?;
        }
        Ok(())
    }

    /// Hands on those of these alerts that are to be sent by themselves: they are recorded, and
    /// nobody has marked them.
    ///
    /// # Errors
    /// The sink or the ledger failed; the same alerts may be given again.
    pub async fn hand_on<L: AlertLedger, S: AlertSink>(
        &mut self,
        ledger: &mut L,
        sink: &mut S,
        records: &[AlertRecord],
    ) -> Result<(), PortError> {
        let to_send = records
            .iter()
            .filter(|record| record.decision == Decision::Send);
        let to_send: Vec<_> = to_send.collect();
        for together in to_send.chunks(S::AT_ONCE.max(1)) {
            let messages: Vec<_> = together
                .iter()
                .map(|record| Message::of(&record.flagged.finding))
                .collect();
            told(sink.send_all(&messages).await)?;
            for record in together {
                let id = record.flagged.id().to_owned();
                ledger
                    .mark(&[Handed::Alert { id }], record.decided_at)
                    .await?;
            }
            self.count(messages.len() as u64, messages.len() as u64);
        }
        Ok(())
    }

    async fn hand_digest<L: AlertLedger, S: AlertSink>(
        &mut self,
        ledger: &mut L,
        sink: &mut S,
        policy: &AlertPolicy,
        due: DueDigest,
        now: Timestamp,
    ) -> Result<(), PortError> {
        let DueDigest { digest, alerts } = due;
        told(sink.send(&Message::of_digest(&digest)).await)?;
        let handed = Handed::Digest {
            id: digest.id.clone(),
            merchant_id: digest.merchant_id.clone(),
            rule: digest.rule.clone(),
            count: digest.count,
            alerts,
        };
        ledger.mark(&[handed], now).await?;
        self.count(digest.count, 1);
        self.cooldowns.handed_on(policy, &digest, now).await
    }

    fn count(&mut self, findings: u64, messages: u64) {
        self.handed.findings += findings;
        self.handed.messages += messages;
        count(Metric::AlertsSent, messages);
    }
}

/// Counts a try that failed.
fn told(sent: Result<(), PortError>) -> Result<(), PortError> {
    if sent.is_err() {
        count(Metric::AlertFailures, 1);
    }
    sent
}

fn measure(records: &[AlertRecord]) {
    for record in records {
        let Notice {
            rule, merchant_id, ..
        } = Notice::of(&record.flagged.finding);
        count_of(Metric::Findings, "rule", rule, 1);
        count_of(Metric::MerchantFindings, "merchant", merchant_id, 1);
    }
    let sent = records
        .iter()
        .filter(|record| record.decision == Decision::Send);
    let held_back = records.len() - sent.count();
    count(Metric::AlertsHeldBack, held_back as u64);
}

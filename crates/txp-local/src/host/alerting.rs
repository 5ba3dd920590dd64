//! The alerts' thread: records findings, hands them on, sends digests when they are due.

use super::{Host, HostError};
use crate::alerts::{AlertEntry, Delivery, Ledger, Waiting};
use crate::block_on::block_on;
use crate::clock;
use crate::control::Suppressions;
use crate::webhooks::Putter;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, SystemTime};
use txp_domain::event::AnomalyFlagged;
use txp_domain::position::Position;
use txp_domain::rule::AlertPolicy;
use txp_domain::time::Timestamp;
use txp_domain::upload::Upload;
use txp_pipeline::port::AlertSink;
use txp_pipeline::stage::alert::Alerting;
use txp_pipeline::webhook::{NEWS_SECONDS, Outgoing};

/// A finding and where its event stands.
pub(super) type Flagged = (Position, AnomalyFlagged);

/// The longest cooldown that is remembered over a restart, in seconds.
const COOLDOWN_REMEMBERED_SECONDS: i64 = 3600;

/// How long to wait for findings before looking whether a digest is due.
const TICK: Duration = Duration::from_secs(1);

/// How many findings that wait are recorded together.
const FINDINGS_AT_ONCE: usize = 1024;

/// What is asked of the alerts' thread.
pub(crate) enum ToAlerts {
    /// Record these and hand them on.
    Findings(Vec<Flagged>),
    /// Hand on every digest now, and say when it is done.
    Drain(Sender<()>),
    /// These uploads are at their end: whoever wants to know is to be told.
    Ended(Vec<Upload>),
}

/// What was alerted.
#[derive(Debug)]
pub struct AlertCounts {
    through: AtomicU64,
    expected: AtomicU64,
    findings: AtomicU64,
    messages: AtomicU64,
}

impl AlertCounts {
    pub(super) fn starting_at(through: u64) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            through: AtomicU64::new(through),
            expected: zero(),
            findings: zero(),
            messages: zero(),
        }
    }

    /// Findings that were handed to the sinks, by themselves or in a digest.
    #[must_use]
    pub fn findings(&self) -> u64 {
        self.findings.load(Ordering::Relaxed)
    }

    /// Messages that were handed to the sinks.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Up to where findings are recorded as alerts, `folded` being how far the log is folded.
    pub(super) fn through(&self, folded: u64) -> u64 {
        let recorded = self.through.load(Ordering::Acquire);
        if recorded >= self.expected.load(Ordering::Acquire) {
            folded
        } else {
            recorded
        }
    }

    pub(super) fn expect(&self, findings: &[Flagged]) {
        self.expected.fetch_max(last_of(findings), Ordering::AcqRel);
    }

    fn update(&self, alerting: &Alerting, through: u64) {
        self.findings
            .store(alerting.handed().findings, Ordering::Relaxed);
        self.messages
            .store(alerting.handed().messages, Ordering::Relaxed);
        self.through.fetch_max(through, Ordering::AcqRel);
    }
}

fn last_of(findings: &[Flagged]) -> u64 {
    findings
        .iter()
        .filter_map(|(position, _)| position.sequence.as_u64())
        .max()
        .unwrap_or(0)
}

/// From when on alerts matter to cooldowns that may still be open.
pub(super) fn cooldown_start(now: Timestamp) -> Timestamp {
    Timestamp(
        now.0
            .saturating_sub(COOLDOWN_REMEMBERED_SECONDS * 1_000_000_000),
    )
}

/// Runs until the host lets go of its sender.
pub(super) fn run<S: AlertSink>(
    host: &Host,
    mut alerter: Alerter<S>,
    waiting: Waiting,
    from: &Receiver<ToAlerts>,
) -> Result<(), HostError> {
    alerter.resume(host, waiting)?;
    loop {
        let next = alerter.take_next();
        match next.map_or_else(|| from.recv_timeout(TICK), Ok) {
            Ok(message) => alerter.take(host, message, from, clock::now())?,
            Err(RecvTimeoutError::Timeout) => alerter.tick(host, clock::now())?,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// The alert table, who is told, and what is cooling down.
pub(super) struct Alerter<S> {
    ledger: Ledger,
    sink: S,
    alerting: Alerting,
    suppressions: Suppressions,
    suppressed: Option<(SystemTime, u64)>,
    /// Where what is to be told of uploads goes; nowhere in a host that is driven by steps.
    told: Option<Putter>,
    /// What came behind findings that were recorded together, and is done next.
    next: Option<ToAlerts>,
}

impl<S: AlertSink> Alerter<S> {
    pub(super) fn new(dir: &Path, ledger: Ledger, sink: S) -> Self {
        Self {
            ledger,
            sink,
            alerting: Alerting::default(),
            suppressions: Suppressions::to_read(dir),
            suppressed: None,
            told: None,
            next: None,
        }
    }

    /// Tells of uploads as well.
    pub(super) fn telling(self, told: Putter) -> Self {
        Self {
            told: Some(told),
            ..self
        }
    }

    /// Takes up what an operator changed. A list that cannot be read suppresses nothing: better one
    /// message too many.
    fn look_at_suppressions(&mut self) {
        let stamp = self.suppressions.stamp();
        if stamp != self.suppressed {
            self.alerting
                .suppress(self.suppressions.list().unwrap_or_default());
            self.suppressed = stamp;
        }
    }

    /// Takes up what an earlier run recorded.
    pub(super) fn resume(&mut self, host: &Host, mut waiting: Waiting) -> Result<(), HostError> {
        let policy = policy(host);
        let reading = |source| HostError::Io {
            what: "reading the alert table in",
            path: host.dir().join(super::ALERTS_DIR),
            source,
        };
        while let Some(AlertEntry { record, delivery }) = waiting.next_entry().map_err(reading)? {
            let is_handed = delivery != Delivery::Pending;
            let (ledger, sink) = (&mut self.ledger, &mut self.sink);
            block_on(
                self.alerting
                    .resume(ledger, sink, &policy, &record, is_handed),
            )?;
        }
        Ok(())
    }

    /// Does what is asked; findings together with those that wait behind them.
    pub(super) fn take(
        &mut self,
        host: &Host,
        message: ToAlerts,
        from: &Receiver<ToAlerts>,
        now: Timestamp,
    ) -> Result<(), HostError> {
        match message {
            ToAlerts::Findings(mut findings) => {
                // What waits is recorded with one sync.
                while self.next.is_none() && findings.len() < FINDINGS_AT_ONCE {
                    match from.try_recv() {
                        Ok(ToAlerts::Findings(more)) => findings.extend(more),
                        Ok(other) => self.next = Some(other),
                        Err(_) => break,
                    }
                }
                let through = last_of(&findings);
                self.look_at_suppressions();
                let policy = policy(host);
                let (ledger, sink) = (&mut self.ledger, &mut self.sink);
                block_on(self.alerting.handle(ledger, sink, &policy, findings, now))?;
                host.shared.alerts.update(&self.alerting, through);
            }
            ToAlerts::Ended(uploads) => self.tell(host, &uploads, now)?,
            ToAlerts::Drain(reply) => {
                let (ledger, sink) = (&mut self.ledger, &mut self.sink);
                block_on(self.alerting.drain(ledger, sink, now))?;
                host.shared.alerts.update(&self.alerting, 0);
                // Whoever asked may be gone.
                reply.send(()).ok();
            }
        }
        Ok(())
    }

    /// Puts down what is to be told of uploads. What ended long ago, and is folded again, is old news.
    fn tell(&mut self, host: &Host, uploads: &[Upload], now: Timestamp) -> Result<(), HostError> {
        let Some(putter) = &mut self.told else {
            return Ok(());
        };
        let oldest = now.unix_millis().saturating_sub(NEWS_SECONDS * 1000);
        let news = uploads
            .iter()
            .filter(|upload| upload.changed_at_millis >= oldest)
            .filter_map(|upload| Outgoing::of_upload(upload, now));
        let news: Vec<_> = news.collect();
        putter.put(&news).map_err(HostError::io(
            "putting down what webhooks tell in",
            host.dir(),
        ))
    }

    /// What was left over when findings were recorded together.
    pub(super) fn take_next(&mut self) -> Option<ToAlerts> {
        self.next.take()
    }

    /// Hands on the digests that are due.
    pub(super) fn tick(&mut self, host: &Host, now: Timestamp) -> Result<(), HostError> {
        let (ledger, sink) = (&mut self.ledger, &mut self.sink);
        block_on(self.alerting.tick(ledger, sink, &policy(host), now))?;
        host.shared.alerts.update(&self.alerting, 0);
        Ok(())
    }
}

fn policy(host: &Host) -> AlertPolicy {
    let fold = host.lock_fold();
    fold.rules()
        .map_or_else(AlertPolicy::default, |checked| *checked.rules.alerts())
}

//! The alerts' thread: records findings, hands them on, sends digests when they are due.

use super::{Host, HostError};
use crate::alerts::{AlertEntry, Delivery, Ledger, Sinks, Waiting};
use crate::block_on::block_on;
use crate::clock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;
use txp_domain::event::AnomalyFlagged;
use txp_domain::position::Position;
use txp_domain::rule::AlertPolicy;
use txp_domain::time::Timestamp;
use txp_pipeline::stage::alert::Alerting;

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
pub(super) fn run(
    host: &Host,
    mut ledger: Ledger,
    mut sinks: Sinks,
    mut waiting: Waiting,
    from: &Receiver<ToAlerts>,
) -> Result<(), HostError> {
    let mut alerting = Alerting::default();
    let counts = &host.shared.alerts;
    let reading = |source| HostError::Io {
        what: "reading the alert table in",
        path: host.dir().join(super::ALERTS_DIR),
        source,
    };
    while let Some(AlertEntry { record, delivery }) = waiting.next_entry().map_err(reading)? {
        let is_handed = delivery != Delivery::Pending;
        block_on(alerting.resume(&mut ledger, &mut sinks, &policy(host), &record, is_handed))?;
    }
    let mut next = None;
    loop {
        let message = next.take().map_or_else(|| from.recv_timeout(TICK), Ok);
        let (policy, now) = (policy(host), clock::now());
        match message {
            Ok(ToAlerts::Findings(mut findings)) => {
                // What waits is recorded with one sync.
                while next.is_none() && findings.len() < FINDINGS_AT_ONCE {
                    match from.try_recv() {
                        Ok(ToAlerts::Findings(more)) => findings.extend(more),
                        Ok(other) => next = Some(other),
                        Err(_) => break,
                    }
                }
                let through = last_of(&findings);
                block_on(alerting.handle(&mut ledger, &mut sinks, &policy, findings, now))?;
                counts.update(&alerting, through);
            }
            Ok(ToAlerts::Drain(reply)) => {
                block_on(alerting.drain(&mut ledger, &mut sinks, now))?;
                counts.update(&alerting, 0);
                // Whoever asked may be gone.
                reply.send(()).ok();
            }
            Err(RecvTimeoutError::Timeout) => {
                block_on(alerting.tick(&mut ledger, &mut sinks, &policy, now))?;
                counts.update(&alerting, 0);
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

fn policy(host: &Host) -> AlertPolicy {
    let fold = host.lock_fold();
    fold.rules()
        .map_or_else(AlertPolicy::default, |checked| *checked.rules.alerts())
}

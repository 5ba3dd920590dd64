//! The host without threads: each of the three does its next piece of work when the caller says so,
//! on the caller's thread and by the caller's clock. The code that works is the same.
//!
//! For whoever must decide what happens between any two steps, as a simulation does. Dropping it is
//! what a crash is: whatever waits between the steps is gone.

use super::alerting::{Alerter, ToAlerts};
use super::append::{ToFold, ToLog, Writer};
use super::prepare::{Prepared, prepare};
use super::{DEFAULTS_ACTIVATED_BY, Host, HostError, folding};
use crate::alerts::Waiting;
use crate::log::OpenOptions;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use txp_domain::card::Fingerprinter;
use txp_domain::event::Event;
use txp_domain::time::Timestamp;
use txp_pipeline::batch::EventBatch;
use txp_pipeline::port::AlertSink;
use txp_pipeline::rulefile::{CheckedRules, default_rules};

/// Durable batches that may wait for the fold: nobody works beside the caller, so all must fit.
const WAITING_BATCHES_MAX: usize = 4096;

/// How to open a stepped host.
#[derive(Clone)]
pub struct SteppedOptions {
    /// The fingerprint key.
    pub fingerprinter: Fingerprinter,
    /// Bytes of a log segment after which the next one starts.
    pub segment_bytes: u64,
}

/// The embedded host, driven a step at a time.
pub struct Stepped<S> {
    host: Host,
    writer: Writer,
    from_readers: Receiver<ToLog>,
    to_fold: SyncSender<ToFold>,
    from_log: Receiver<ToFold>,
    alerter: Alerter<S>,
    from_fold: Receiver<ToAlerts>,
    waiting: Option<Waiting>,
}

impl<S: AlertSink> Stepped<S> {
    /// Opens a data directory as [`Host::open`] does; what that hands to its threads waits for
    /// steps. `sink` is given to be told of alerts once the alert table is open.
    ///
    /// # Errors
    /// The directory is not usable, is held by another process, or is damaged.
    pub fn open(
        dir: &Path,
        options: SteppedOptions,
        now: Timestamp,
        sink: impl FnOnce() -> std::io::Result<S>,
    ) -> Result<Self, HostError> {
        let log_options = OpenOptions {
            segment_bytes: options.segment_bytes,
            ..OpenOptions::default()
        };
        let Prepared {
            host,
            log,
            from_readers,
            ledger,
            from_fold,
            flagged,
        } = prepare(
            dir,
            "stepped host",
            options.fingerprinter,
            true,
            log_options,
            now,
        )?;
        // Alerts were asked for.
        let (ledger, waiting) = ledger.ok_or(HostError::Stopping)?;
        let sink = sink().map_err(HostError::io("opening the alert sink of", dir))?;
        let (to_fold, from_log) = mpsc::sync_channel(WAITING_BATCHES_MAX);
        host.hand_to_alerts(flagged);
        host.append_outstanding()?;
        if host.lock_fold().rules().is_none() {
            let rules = default_rules().map_err(HostError::Rules)?;
            let mut batch = EventBatch::default();
            let activation = host.activation(&rules, DEFAULTS_ACTIVATED_BY, now)?;
            batch.push_event(activation).map_err(HostError::Encode)?;
            host.send(ToLog::Append {
                batch,
                recycle: None,
            })?;
        }
        let backlog = Arc::clone(&host.shared.backlog);
        Ok(Self {
            host,
            writer: Writer::new(log, true, backlog),
            from_readers,
            to_fold,
            from_log,
            alerter: Alerter::new(dir, ledger, sink),
            from_fold,
            waiting: Some(waiting),
        })
    }

    /// The host, to be asked. What waits for a thread waits for ever.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Hands a batch to the log's side.
    ///
    /// # Errors
    /// The host is being stopped.
    pub fn append(&self, batch: EventBatch) -> Result<(), HostError> {
        self.host.send(ToLog::Append {
            batch,
            recycle: None,
        })
    }

    /// Hands over one event that is not a row.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn append_event(&self, event: Event<'static>) -> Result<(), HostError> {
        let mut batch = EventBatch::default();
        batch.push_event(event).map_err(HostError::Encode)?;
        self.append(batch)
    }

    /// Lets rules be tried beside those that judge from here on, or none.
    ///
    /// # Errors
    /// As for [`Self::append_event`].
    pub fn try_rules(
        &self,
        rules: Option<&CheckedRules>,
        by: &str,
        now: Timestamp,
    ) -> Result<(), HostError> {
        match self.host.trial(rules, by, now)? {
            Some(event) => self.append_event(event),
            None => Ok(()),
        }
    }

    /// Asks to be told when all that was handed over so far is durable.
    ///
    /// # Errors
    /// The host is being stopped.
    pub fn flush(&self) -> Result<Receiver<()>, HostError> {
        let (reply, answer) = mpsc::channel();
        self.host.send(ToLog::Flush(reply))?;
        Ok(answer)
    }

    /// The log's side: writes what waits as one frame, synced. Says whether anything waited.
    ///
    /// # Errors
    /// The log cannot be written; the host is to be opened anew.
    pub fn step_log(&mut self, now: Timestamp) -> Result<bool, HostError> {
        let Ok(message) = self.from_readers.try_recv() else {
            return Ok(false);
        };
        self.writer
            .take(message, &self.from_readers, &self.to_fold, &|| now)?;
        Ok(true)
    }

    /// The fold's side: folds the next durable batch. Says whether there was one.
    ///
    /// # Errors
    /// The state cannot be read or written; the host is to be opened anew.
    pub fn step_fold(&mut self) -> Result<bool, HostError> {
        let Ok(message) = self.from_log.try_recv() else {
            return Ok(false);
        };
        folding::take(&self.host, message)?;
        Ok(true)
    }

    /// The alerts' side: takes up what an earlier run recorded; later records findings that wait
    /// and hands them on, or what digests are due. Says whether anything waited.
    ///
    /// # Errors
    /// The alert table or the sink failed; the host is to be opened anew.
    pub fn step_alerts(&mut self, now: Timestamp) -> Result<bool, HostError> {
        if let Some(waiting) = self.waiting.take() {
            self.alerter.resume(&self.host, waiting)?;
            return Ok(true);
        }
        let next = self.alerter.take_next();
        if let Some(message) = next.or_else(|| self.from_fold.try_recv().ok()) {
            self.alerter
                .take(&self.host, message, &self.from_fold, now)?;
            return Ok(true);
        }
        self.alerter.tick(&self.host, now)?;
        Ok(false)
    }

    /// Publishes the state as it is now.
    ///
    /// # Errors
    /// It cannot be written; it may be tried again.
    pub fn checkpoint(&mut self) -> Result<(), HostError> {
        self.host.publish()
    }

    /// Takes every step that there is, until nothing waits.
    ///
    /// # Errors
    /// Any step's.
    pub fn settle(&mut self, now: Timestamp) -> Result<(), HostError> {
        while self.step_log(now)? || self.step_fold()? || self.step_alerts(now)? {}
        Ok(())
    }

    /// Ends as [`Host::stop`] does: everything settled, every digest handed on, the state
    /// published, the directory free.
    ///
    /// # Errors
    /// Any step's.
    pub fn stop(mut self, now: Timestamp) -> Result<(), HostError> {
        self.settle(now)?;
        let (reply, _answer) = mpsc::channel();
        self.alerter
            .take(&self.host, ToAlerts::Drain(reply), &self.from_fold, now)?;
        self.checkpoint()
    }
}

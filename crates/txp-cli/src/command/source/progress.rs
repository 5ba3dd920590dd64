//! How a reading goes on, on a terminal: events, their rate, and the time to go where it is known.

use crate::output;
use txp_pipeline::port::{EventSource, HowFar};

/// A reading that is shown.
pub(in crate::command) struct Reading {
    bar: output::Counter,
    events: u64,
}

impl Reading {
    /// Shows nothing unless standard error is a terminal.
    pub(in crate::command) fn new(what: &str, quiet: bool) -> Self {
        Self {
            bar: output::counter(what, quiet),
            events: 0,
        }
    }

    /// So many more events were read.
    pub(in crate::command) fn goes_on(&mut self, source: &impl EventSource, events: usize) {
        self.events = self.events.saturating_add(events as u64);
        let parts = source.how_far().map(|HowFar { done, total }| (done, total));
        self.bar.show(self.events, parts);
    }
}

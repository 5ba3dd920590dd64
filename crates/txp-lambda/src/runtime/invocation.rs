//! What is known of an invocation beside its event.

use lambda_runtime::Context;
use std::time::{SystemTime, UNIX_EPOCH};

/// One invocation.
#[derive(Clone, Debug, Default)]
pub struct Invocation {
    /// Lambda's name for it; the same when an asynchronous event is tried again.
    pub request_id: String,
    /// When Lambda ends it, Unix milliseconds.
    pub deadline_millis: u64,
    /// The trace that it belongs to, as X-Ray writes it.
    pub trace_id: Option<String>,
    /// The function, by its whole name.
    pub function_arn: String,
}

impl Invocation {
    pub(super) fn of(context: &Context) -> Self {
        Self {
            request_id: context.request_id.clone(),
            deadline_millis: context.deadline,
            trace_id: context.xray_trace_id.clone(),
            function_arn: context.invoked_function_arn.clone(),
        }
    }

    /// How long there is left.
    #[must_use]
    pub fn remaining_millis(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        self.deadline_millis.saturating_sub(now)
    }
}

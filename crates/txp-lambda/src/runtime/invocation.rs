//! What is known of an invocation beside its event.

use lambda_runtime::Context;
use std::time::{SystemTime, UNIX_EPOCH};
use txp_domain::trace::TraceParent;

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

    /// The trace in the form of W3C Trace Context, which X-Ray's parts make up: `Root` without its
    /// dashes and version, `Parent`, `Sampled`. `None` where one of the first two is missing, or the
    /// whole may not be kept.
    #[must_use]
    pub fn trace_parent(&self) -> Option<TraceParent> {
        let parts = || self.trace_id.as_deref().unwrap_or_default().split(';');
        let part =
            |name: &str| parts().find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        let (time, number) = part("Root")?.strip_prefix("1-")?.split_once('-')?;
        let parent = part("Parent")?;
        let is_sampled = part("Sampled") == Some("1");
        let flags = u8::from(is_sampled);
        TraceParent::parse(&format!("00-{time}{number}-{parent}-{flags:02x}"))
    }

    /// How long there is left.
    #[must_use]
    pub fn remaining_millis(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        self.deadline_millis.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_of_x_ray_is_one_of_w3c() {
        for (trace_id, expected) in [
            (
                "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
                Some("00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"),
            ),
            (
                "Lineage=1:a:0;Sampled=0;Parent=53995c3f42cd8ad8;Root=1-5759e988-bd862e3fe1be46a994272793",
                Some("00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-00"),
            ),
            ("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1", None),
            ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=1", None),
            // A client may send a header of its own.
            (
                "Root=1-42424242-42424242a1be46a994272793;Parent=53995c3f42cd8ad8",
                None,
            ),
            (
                "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=4242424242424242",
                None,
            ),
            ("Self=x", None),
            ("", None),
        ] {
            let invocation = Invocation {
                trace_id: Some(trace_id.to_owned()),
                ..Invocation::default()
            };
            let trace = invocation.trace_parent();
            assert_eq!(
                trace.as_ref().map(TraceParent::as_str),
                expected,
                "{trace_id}"
            );
        }
        assert_eq!(Invocation::default().trace_parent(), None);
    }
}

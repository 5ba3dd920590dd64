//! Bugs of the embedded adapters that the simulation must find. They are planted in the directory
//! between two runs of the host, as what an adapter with that bug would leave there.

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LocalBug {
    /// A frame is acknowledged before it is synced, and lost in a crash.
    LogBeforeSync,
    /// A torn tail is not cut off: the next frames are written behind it.
    TornTailStays,
    /// A checkpoint says that one frame more is folded than is.
    PositionTooFar,
    /// A run of transactions is dropped at a restart.
    RunDropped,
    /// A run of profiles is dropped at a restart.
    ProfilesDropped,
    /// Findings that wait for the log are not in the checkpoint.
    OutstandingForgotten,
    /// A checkpoint says that findings are recorded as alerts that are not.
    AlertedTooFar,
    /// Alerts are recorded before they are durable, and lost in a crash.
    AlertsBeforeSync,
    /// What was handed over is not marked.
    MarksForgotten,
    /// Nothing is put into quarantine.
    QuarantineIgnored,
    /// The active rules are not in the checkpoint.
    RulesForgotten,
    /// The rules that are tried are not in the checkpoint.
    TrialForgotten,
    /// What they found and waits for the log is not in the checkpoint.
    ShadowedForgotten,
}

impl LocalBug {
    /// Every bug.
    pub const ALL: [Self; 13] = [
        Self::LogBeforeSync,
        Self::TornTailStays,
        Self::PositionTooFar,
        Self::RunDropped,
        Self::ProfilesDropped,
        Self::OutstandingForgotten,
        Self::AlertedTooFar,
        Self::AlertsBeforeSync,
        Self::MarksForgotten,
        Self::QuarantineIgnored,
        Self::RulesForgotten,
        Self::TrialForgotten,
        Self::ShadowedForgotten,
    ];
}

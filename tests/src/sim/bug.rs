//! Bugs that the simulation must find, planted in its ports and in its host, never in the product.

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlantedBug {
    /// Appended events are acknowledged before they are durable.
    AcknowledgeBeforeSync,
    /// A conditional write of an item stores, whatever is there.
    LostCondition,
    /// A conditional write of a profile stores, whatever is there.
    LostProfileCondition,
    /// The first sight of an item overwrites what is there.
    InsertOverwrites,
    /// A watermark's advance is acknowledged and not stored.
    SkippedAdvance,
    /// A watermark reads as 0.
    WatermarkReadsZero,
    /// A watermark reads one too low, and its condition is not held.
    RepeatsCounted,
    /// Rows are counted twice.
    DoubleCount,
    /// The link of a dispute is acknowledged and dropped.
    DroppedDisputeLink,
    /// The link of a dispute is written after the watermark has moved: a crash between loses it.
    LinkAfterWatermark,
    /// The checkpoint's place is published before its state: a crash between leaves them apart.
    CheckpointBeforeState,
    /// A change of facts is not handed on.
    LostChange,
    /// A finding is appended a second time under another id.
    FindingTwice,
    /// After a torn append, one row too many is taken for durable.
    ReappendSkips,
    /// Quarantine takes the event behind the poison, too.
    QuarantineDropsGood,
    /// A row is classed by the last row with its id instead of the first.
    ClassFromLast,
    /// The host goes on behind a row that was not folded.
    FailureIgnored,
    /// An alert is marked as handed over before it is.
    MarkedBeforeHanded,
    /// A profile is acknowledged and not stored.
    ProfileForgotten,
    /// A rejected row's event carries a card number.
    CardNumberLeaks,
    /// One part of the state is not rolled back with the rest.
    PartialRollback,
}

impl PlantedBug {
    /// Every bug.
    pub const ALL: [Self; 21] = [
        Self::AcknowledgeBeforeSync,
        Self::LostCondition,
        Self::LostProfileCondition,
        Self::InsertOverwrites,
        Self::SkippedAdvance,
        Self::WatermarkReadsZero,
        Self::RepeatsCounted,
        Self::DoubleCount,
        Self::DroppedDisputeLink,
        Self::LinkAfterWatermark,
        Self::CheckpointBeforeState,
        Self::LostChange,
        Self::FindingTwice,
        Self::ReappendSkips,
        Self::QuarantineDropsGood,
        Self::ClassFromLast,
        Self::FailureIgnored,
        Self::MarkedBeforeHanded,
        Self::ProfileForgotten,
        Self::CardNumberLeaks,
        Self::PartialRollback,
    ];
}

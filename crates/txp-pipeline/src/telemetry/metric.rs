//! The list of metrics. A line here is all that a metric needs: the schema, the table in the
//! documents, `/metrics` and what panels and alarms may name follow from it.

use metrics::Unit;

/// How values of a metric go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A sum that only grows.
    Counter,
    /// The value that stands.
    Gauge,
    /// Many values, of which averages and percentiles are of interest.
    Histogram,
}

impl Kind {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A function on AWS that tells of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Reads files.
    Validation,
    /// Folds the history.
    Aggregator,
    /// Judges and alerts.
    Anomaly,
    /// Answers requests.
    Api,
    /// Copies the history.
    Archiver,
}

impl Function {
    /// Every function.
    pub const ALL: &'static [Self] = &[
        Self::Validation,
        Self::Aggregator,
        Self::Anomaly,
        Self::Api,
        Self::Archiver,
    ];

    /// Its name; with `-lambda-{environment}` behind it, the dimension `function`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Validation => "validation",
            Self::Aggregator => "aggregator",
            Self::Anomaly => "anomaly",
            Self::Api => "api",
            Self::Archiver => "archiver",
        }
    }
}

/// Whether the embedded host tells of it.
const EMBEDDED: bool = true;
/// Whether only the functions do.
const AWS_ONLY: bool = false;

const VALIDATION: &[Function] = &[Function::Validation];
const AGGREGATOR: &[Function] = &[Function::Aggregator];
const ANOMALY: &[Function] = &[Function::Anomaly];
const ARCHIVER: &[Function] = &[Function::Archiver];
const API: &[Function] = &[Function::Api];
const PRODUCERS: &[Function] = &[Function::Validation, Function::Anomaly];
const WRITERS: &[Function] = &[Function::Aggregator, Function::Anomaly];
const READERS: &[Function] = &[Function::Aggregator, Function::Anomaly, Function::Archiver];
const TABLE_USERS: &[Function] = &[
    Function::Validation,
    Function::Aggregator,
    Function::Anomaly,
    Function::Api,
];
const EVERY: &[Function] = Function::ALL;
const NONE: &[Function] = &[];

macro_rules! metrics {
    ($($variant:ident = $name:literal, $kind:ident, $unit:ident, [$($dimension:literal),*],
        $functions:expr, $embedded:expr, $meaning:literal;)*) => {
        /// Something that is measured.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Metric {
            $(#[doc = concat!($meaning, ".")] $variant,)*
        }

        impl Metric {
            /// Every metric.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name, the unit last where it is not a number of things.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How its values go together.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)* }
            }

            /// What it is counted in.
            #[must_use]
            pub const fn unit(self) -> Unit {
                match self { $(Self::$variant => Unit::$unit,)* }
            }

            /// Under which dimensions it is counted, beside the function on AWS.
            #[must_use]
            pub const fn dimensions(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($dimension),*],)* }
            }

            /// The functions on AWS that tell of it.
            #[must_use]
            pub const fn functions(self) -> &'static [Function] {
                match self { $(Self::$variant => $functions,)* }
            }

            /// Whether the embedded host tells of it.
            #[must_use]
            pub const fn is_embedded(self) -> bool {
                match self { $(Self::$variant => $embedded,)* }
            }

            /// What it tells whoever looks at a dashboard.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

metrics! {
    UploadsReceived = "uploads_received", Counter, Count, [], VALIDATION, EMBEDDED,
        "Files that arrived and were announced in the history";
    UploadsEnded = "uploads_ended", Counter, Count, ["state"], VALIDATION, EMBEDDED,
        "Files read to their end, by how that was: parsed or failed";
    UploadsGivenUp = "uploads_given_up", Counter, Count, [], VALIDATION, AWS_ONLY,
        "Files given up after reading them failed, or ended its reader, as often as is tried";
    UploadBytes = "upload_bytes", Counter, Bytes, [], VALIDATION, EMBEDDED,
        "Bytes of the files that were read";
    UploadsUnfinished = "uploads_unfinished", Gauge, Count, [], VALIDATION, EMBEDDED,
        "Files that arrived and are not completed; on AWS at most 200 are counted";
    OldestUnprocessedSeconds = "oldest_unprocessed_seconds", Gauge, Seconds, [], VALIDATION, EMBEDDED,
        "How long ago the oldest file arrived that is not completed; 0 when there is none";
    UploadToCompletedSeconds = "upload_to_completed_seconds", Histogram, Seconds, [], AGGREGATOR, EMBEDDED,
        "From a file's arrival to its last row folded, one value per file";
    CompletedInTimePercent = "completed_in_time_percent", Histogram, Percent, [], AGGREGATOR, EMBEDDED,
        "100 for a file completed within 300 s, else 0: the average is the share";
    Sweeps = "sweeps", Counter, Count, [], VALIDATION, AWS_ONLY,
        "Rounds of the sweeper, which takes up what was left lying: one a minute";
    RowsRead = "rows_read", Counter, Count, [], VALIDATION, EMBEDDED,
        "Records read from files";
    RowsValid = "rows_valid", Counter, Count, [], VALIDATION, EMBEDDED,
        "Records that are valid";
    RowsRejected = "rows_rejected", Counter, Count, ["code"], VALIDATION, EMBEDDED,
        "Records that are not valid, by violation: one with two counts twice";
    ClientRows = "client_rows", Counter, Count, ["client"], VALIDATION, EMBEDDED,
        "Records read, by the client that sent them";
    ClientRowsRejected = "client_rows_rejected", Counter, Count, ["client"], VALIDATION, EMBEDDED,
        "Records that are not valid, by the client that sent them";
    AmountMinorUnits = "amount_minor_units", Counter, Count, ["currency"], VALIDATION, EMBEDDED,
        "The sum of valid sales in the minor units of the currency, for the 20 that the default rules know";
    RowsFolded = "rows_folded", Counter, Count, ["class"], AGGREGATOR, EMBEDDED,
        "Rows folded, by class: accepted, rejected, duplicate or conflict";
    EventsEmitted = "events_emitted", Counter, Count, [], PRODUCERS, EMBEDDED,
        "Events appended to the history";
    EmitRetries = "emit_retries", Counter, Count, [], PRODUCERS, AWS_ONLY,
        "Records that the stream did not take at first, for whatever reason, and that were sent again";
    EmitThrottles = "emit_throttles", Counter, Count, [], PRODUCERS, AWS_ONLY,
        "Records that the stream refused for want of room";
    FoldLagMilliseconds = "fold_lag_milliseconds", Histogram, Milliseconds, [], AGGREGATOR, EMBEDDED,
        "From the append of an event to its fold, of the oldest in a batch";
    LagSeconds = "lag_seconds", Gauge, Seconds, [], NONE, EMBEDDED,
        "How old the oldest event is that is appended and not folded; 0 when there is none. On AWS that is Lambda's IteratorAge";
    WriteConflicts = "write_conflicts", Counter, Count, [], WRITERS, AWS_ONLY,
        "Conditional writes that met another's and were done again";
    Quarantined = "quarantined", Counter, Count, ["stage"], READERS, EMBEDDED,
        "Events that cannot be processed and were put aside, by the stage that could not";
    DamagedItems = "damaged_items", Counter, Count, [], TABLE_USERS, AWS_ONLY,
        "Stored items that cannot be read and were passed over";
    QuarantineSize = "quarantine_size", Gauge, Count, [], VALIDATION, EMBEDDED,
        "Events that lie in quarantine; on AWS at most 1000 are counted";
    Findings = "findings", Counter, Count, ["rule"], ANOMALY, EMBEDDED,
        "Findings, by their leading rule";
    ShadowFindings = "shadow_findings", Counter, Count, ["rule"], ANOMALY, EMBEDDED,
        "What rules found that are only tried, by the leading one; nobody is told. What is delivered again once it was done counts again";
    MerchantFindings = "merchant_findings", Counter, Count, ["merchant"], ANOMALY, EMBEDDED,
        "Findings, by merchant";
    AlertsSent = "alerts_sent", Counter, Count, [], ANOMALY, EMBEDDED,
        "Messages handed to people, digests among them";
    AlertsHeldBack = "alerts_held_back", Counter, Count, [], ANOMALY, EMBEDDED,
        "Findings without a message of their own: in a digest, suppressed, or on events long past";
    AlertFailures = "alert_failures", Counter, Count, [], ANOMALY, EMBEDDED,
        "Tries to hand on an alert that failed; it is tried again";
    WebhooksSent = "webhooks_sent", Counter, Count, [], ANOMALY, EMBEDDED,
        "Messages that endpoints of webhooks took";
    WebhookFailures = "webhook_failures", Counter, Count, [], ANOMALY, EMBEDDED,
        "Tries to tell an endpoint of webhooks that failed";
    WebhooksGivenUp = "webhooks_given_up", Counter, Count, [], ANOMALY, EMBEDDED,
        "Messages that an endpoint of webhooks is not told, after its last try";
    OldestWebhookSeconds = "oldest_webhook_seconds", Gauge, Seconds, [], ANOMALY, EMBEDDED,
        "How old the oldest message is that an endpoint of webhooks waits for; 0 when there is none";
    EventsArchived = "events_archived", Counter, Count, [], ARCHIVER, AWS_ONLY,
        "Events copied into the archive";
    Requests = "requests", Counter, Count, ["route", "status"], API, EMBEDDED,
        "Requests answered, by route and status";
    RequestMilliseconds = "request_milliseconds", Histogram, Milliseconds, [], API, EMBEDDED,
        "How long a request took to answer";
    ColdStarts = "cold_starts", Counter, Count, [], EVERY, AWS_ONLY,
        "Invocations that began in a new process";
    CostNanoDollars = "cost_nano_dollars", Counter, Count, ["service"], EVERY, AWS_ONLY,
        "Estimated cost in billionths of a US dollar, by the service that asks for it";
    Recording = "recording", Gauge, Count, [], NONE, EMBEDDED,
        "1 while the host records what comes, 0 after a failure stopped it";
}

//! The variables that name what the functions work on. The deployment sets them; the tables' stand
//! with the tables (`txp_aws::dynamodb::tables`).

/// The bucket that files are sent to.
pub const UPLOADS_BUCKET: &str = "UPLOADS_BUCKET";
/// The bucket of what is masked: reports of rejected rows, quarantine.
pub const REPORTS_BUCKET: &str = "REPORTS_BUCKET";
/// The bucket of the history's archive.
pub const ARCHIVE_BUCKET: &str = "ARCHIVE_BUCKET";
/// The stream of events.
pub const EVENTS_STREAM: &str = "EVENTS_STREAM";
/// The topic of alerts, by its ARN.
pub const ALERTS_TOPIC: &str = "ALERTS_TOPIC";

//! Moments in UTC. The domain has no clock: a moment comes from a file or from the caller.

/// Nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted (years 1970 to 2262).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

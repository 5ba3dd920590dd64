//! The headers of every answer, and of those that a browser asks for before it sends a request from
//! another page: keys travel in a header and never by themselves, so any page may ask.

/// What every answer has.
pub const EVERY_ANSWER: [(&str, &str); 4] = [
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", "x-request-id, retry-after"),
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
];

/// What the answer to OPTIONS has beside the methods.
pub const PREFLIGHT: [(&str, &str); 2] = [
    (
        "access-control-allow-headers",
        "x-api-key, content-type, idempotency-key, if-none-match",
    ),
    ("access-control-max-age", "600"),
];

/// When to come back after 429 and 503.
pub const RETRY_AFTER_SECONDS: u32 = 1;

//! The trace that an upload belongs to, in the form of W3C Trace Context's `traceparent`.
//!
//! It is an identifier that comes from outside and goes into the history, so it is held to what every
//! identifier is held to: one in which a card number stands is none. Of traces made at random that is
//! one in some hundreds; whoever looks for such an upload goes by its id.
//!
//! Deliberately absent: making traces, and `tracestate`.

use crate::redact::holds_card_number;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// The one version of the form.
const VERSION: &str = "00";
/// Hexadecimal digits of a trace's id.
const TRACE_ID_DIGITS: usize = 32;
/// Hexadecimal digits of the id of the span that something was done in.
const SPAN_ID_DIGITS: usize = 16;
/// Hexadecimal digits of the flags.
const FLAGS_DIGITS: usize = 2;

/// `00-{trace id}-{span id}-{flags}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct TraceParent(String);

impl TraceParent {
    /// What the form is, as a regular expression.
    pub const PATTERN: &'static str = "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$";

    /// Reads the form; `None` if it is none, or a card number stands in it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
        let is_form = version == VERSION
            && is_id(trace, TRACE_ID_DIGITS)
            && is_id(span, SPAN_ID_DIGITS)
            && is_hexadecimal(parts.next()?, FLAGS_DIGITS)
            && parts.next().is_none();
        (is_form && !holds_card_number(text.as_bytes())).then(|| Self(text.to_owned()))
    }

    /// The form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TraceParent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("expected a traceparent"))
    }
}

fn is_hexadecimal(text: &str, digits: usize) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == digits && text.bytes().all(is_digit)
}

/// All zeros are no id.
fn is_id(text: &str, digits: usize) -> bool {
    is_hexadecimal(text, digits) && text.bytes().any(|byte| byte != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_form_is_read_and_no_card_number() {
        let good = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01";
        assert_eq!(TraceParent::parse(good).unwrap().as_str(), good);
        for bad in [
            "",
            "01-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01",
            "00-5759E988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01",
            "00-5759e988bd862e3fe1be46a99427279-53995c3f42cd8ad8-01",
            "00-00000000000000000000000000000000-53995c3f42cd8ad8-01",
            "00-5759e988bd862e3fe1be46a994272793-0000000000000000-01",
            "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01-00",
            "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8",
            "00-5759e988bd862e3fe1be46a994272793-4242424242424242-01",
            "00-4242424242424242a1be46a994272793-53995c3f42cd8ad8-01",
            "00-5759e988bd862e3fe1be46aa42424242-42424242fcd8ad80-01",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
    }
}

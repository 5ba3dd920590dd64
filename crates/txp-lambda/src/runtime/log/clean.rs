//! What may be written of a value: no stretch of digits as long as a card number, however the
//! value was spelled when it was logged.
//!
//! Blunter than what merchants are shown: a message may hold a list of bytes, or a string with its
//! blanks escaped, and whoever logs it does not think of that.

use std::borrow::Cow;
use txp_domain::redact::{REDACTED_DIGITS_MIN, holds_card_number, needs_redaction, redact};

/// The text, with no long stretch of digits even if everything but letters and digits is passed
/// over.
pub(in crate::runtime) fn clean(text: &str) -> Cow<'_, str> {
    let redacted = redact(text);
    let numeric = redacted.chars().filter(|c| c.is_numeric()).count();
    if numeric < REDACTED_DIGITS_MIN {
        return redacted;
    }
    let bare = bare(&redacted);
    if needs_redaction(&bare) {
        return Cow::Owned(redact(&bare).into_owned());
    }
    redacted
}

/// The letters that, behind a backslash, stand for a blank or for the byte that follows in digits.
const ESCAPES: [char; 4] = ['n', 'r', 't', 'x'];
/// The most that stands between the braces of an escaped character.
const ESCAPE_BYTES_MAX: usize = 6;

/// The text, blanks in the place of punctuation and of what `Debug` writes for line ends, tabs and
/// foreign blanks.
fn bare(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        if c.is_alphanumeric() {
            out.push(c);
            continue;
        }
        out.push(' ');
        if c != '\\' {
            continue;
        }
        if let Some(after) = rest.strip_prefix("u{") {
            // `\u{a0}`: its own digits say nothing.
            rest = match after.split_once('}') {
                Some((code, after)) if code.len() <= ESCAPE_BYTES_MAX => after,
                _ => after,
            };
        } else {
            rest = rest.strip_prefix(ESCAPES).unwrap_or(rest);
        }
    }
    out
}

/// An identifier that Lambda gave: as it is, since a request's often has 12 digits in a row, unless
/// it is more than an identifier.
pub(super) fn identifier(text: &str) -> Cow<'_, str> {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_=;:.".contains(&byte));
    if is_plain && !holds_card_number(text.as_bytes()) {
        Cow::Borrowed(text)
    } else {
        clean(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_found_however_they_are_spelled() {
        let bytes = format!("{:?}", b"4242424242424242");
        let list = format!("{:?}", ["4242", "4242", "4242", "4242"]);
        let lines = format!("{:?}", "4242\n4242\t4242\u{a0}4242");
        for (text, expected) in [
            ("4242 4242 4242 4242", "[redacted 16 digits]"),
            ("row 7 of 12345678 in 3.5 s", "row 7 of 12345678 in 3.5 s"),
            (bytes.as_str(), " [redacted 32 digits] "),
            (list.as_str(), "  [redacted 16 digits]  "),
            (lines.as_str(), " [redacted 16 digits] "),
            ("4242,4242;4242|4242", "[redacted 16 digits]"),
            (
                r#"{"a":1234567,"b":7654321}"#,
                r#"{"a":1234567,"b":7654321}"#,
            ),
            (r"C:\\uploads\7", r"C:\\uploads\7"),
            (r"\x34\x32\x34\x32\x34\x32\x34\x32", " [redacted 16 digits]"),
            (r"\u4242,4242,4242,4242", r" u[redacted 16 digits]"),
            (r"\u{4242,4242,4242,4242", r" [redacted 16 digits]"),
            ("\\", "\\"),
        ] {
            assert_eq!(clean(text), expected, "{text}");
        }
    }

    #[test]
    fn identifiers_stay_and_nothing_else_does() {
        for (text, expected) in [
            (
                "12345678-1234-1234-9234-2dfe598c3fcd",
                "12345678-1234-1234-9234-2dfe598c3fcd",
            ),
            (
                "Root=1-57599988-123456783fe1be46a994272793;Sampled=1",
                "Root=1-57599988-123456783fe1be46a994272793;Sampled=1",
            ),
            ("Root=1-4242424242424242", "Root=[redacted 17 digits]"),
            ("a 123456789012", "a [redacted 12 digits]"),
        ] {
            assert_eq!(identifier(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_long_stretch_is_left(text in "[0-9a ,.'\"\\\\nu{}\\[\\]\n]{0,60}") {
            let cleaned = clean(&text).into_owned();
            prop_assert!(!needs_redaction(&bare(&cleaned)), "{cleaned:?}");
        }

        #[test]
        fn any_text_is_cleaned_without_panic(text: String) {
            let debug = format!("{text:?}");
            prop_assert!(!needs_redaction(&clean(&text)) && !needs_redaction(&clean(&debug)));
        }
    }
}

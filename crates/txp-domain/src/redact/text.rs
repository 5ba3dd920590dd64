//! Redaction of free text: blunt on purpose.

use std::borrow::Cow;
use std::fmt::Write;

/// This many digits in one stretch are redacted: the shortest card number (design, the file).
pub const REDACTED_DIGITS_MIN: usize = 12;

/// A digit of any script: whatever Unicode calls numeric is counted, which is more than decimal
/// digits and errs on the safe side.
fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || (!c.is_ascii() && c.is_numeric())
}

/// What may stand between the digits of one stretch: blanks and line ends of every kind, the marks
/// `- _ . : /`, and the dashes and invisible characters that word processors put in their place.
fn is_ignored(c: char) -> bool {
    matches!(c, '-' | '_' | '.' | ':' | '/')
        || c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2010}'..='\u{2015}' | '\u{2060}' | '\u{2212}' | '\u{feff}')
}

/// A stretch of digits and what is ignored between them: byte range and number of digits.
struct Stretch {
    start: usize,
    end: usize,
    digits: usize,
}

/// The stretches of at least [`REDACTED_DIGITS_MIN`] digits, from left to right.
fn long_stretches(text: &str) -> impl Iterator<Item = Stretch> {
    let mut characters = text.char_indices();
    std::iter::from_fn(move || {
        let mut stretch: Option<Stretch> = None;
        loop {
            let next = characters.next();
            match (next, &mut stretch) {
                (Some((at, c)), Some(open)) if is_digit(c) => {
                    open.end = at + c.len_utf8();
                    open.digits += 1;
                }
                (Some((at, c)), None) if is_digit(c) => {
                    stretch = Some(Stretch {
                        start: at,
                        end: at + c.len_utf8(),
                        digits: 1,
                    });
                }
                (Some((_, c)), _) if is_ignored(c) => {}
                _ => {
                    let done = stretch.take();
                    if done
                        .as_ref()
                        .is_some_and(|done| done.digits >= REDACTED_DIGITS_MIN)
                    {
                        return done;
                    }
                    next?;
                }
            }
        }
    })
}

/// Whether [`redact`] would change the text.
#[must_use]
pub fn needs_redaction(text: &str) -> bool {
    let candidates = text
        .bytes()
        .filter(|byte| byte.is_ascii_digit() || !byte.is_ascii());
    candidates.count() >= REDACTED_DIGITS_MIN && long_stretches(text).next().is_some()
}

/// The text, each stretch of 12 or more digits written as `[redacted n digits]`.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    if !needs_redaction(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    redact_into(text, &mut out);
    Cow::Owned(out)
}

/// Writes the text, each stretch of 12 or more digits as `[redacted n digits]`.
///
/// A stretch is seen only within one call: give the whole of what stands together.
pub fn redact_into(text: &str, out: &mut String) {
    let mut written = 0;
    for stretch in long_stretches(text) {
        out.push_str(text.get(written..stretch.start).unwrap_or_default());
        // Writing to a String cannot fail.
        let _infallible = write!(out, "[redacted {} digits]", stretch.digits);
        written = stretch.end;
    }
    out.push_str(text.get(written..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stretches_of_twelve_digits_are_redacted() {
        for (text, expected) in [
            ("", ""),
            ("12345678901", "12345678901"),
            ("123456789012", "[redacted 12 digits]"),
            (
                "card 4242 4242 4242 4242 declined",
                "card [redacted 16 digits] declined",
            ),
            ("4242-4242_4242.4242", "[redacted 16 digits]"),
            ("42:42/42 42\u{a0}42\n42\r\n42", "[redacted 14 digits]"),
            ("424242 - 424242", "[redacted 12 digits]"),
            ("x4242424242424242x", "x[redacted 16 digits]x"),
            (" 424242424242. ", " [redacted 12 digits]. "),
            ("424242a424242", "424242a424242"),
            ("424242,424242", "424242,424242"),
            ("４２４２４２４２４２４２４２４２", "[redacted 16 digits]"),
            ("٤٢٤٢٤٢٤٢٤٢٤٢", "[redacted 12 digits]"),
            ("۴۲۴۲۴۲۴۲۴۲۴۲", "[redacted 12 digits]"),
            ("४२४२४२४२४२४२", "[redacted 12 digits]"),
            ("4242４２٤٢۴۲४२42", "[redacted 14 digits]"),
            ("𝟒𝟐𝟒𝟐𝟒𝟐𝟒𝟐𝟒𝟐𝟒𝟐", "[redacted 12 digits]"),
            ("4242\u{2011}4242\u{202f}4242", "[redacted 12 digits]"),
            (
                "a 123456789012 b 1234567890123 c",
                "a [redacted 12 digits] b [redacted 13 digits] c",
            ),
            ("2026-11-22T19:59:03Z", "2026-11-22T19:59:03Z"),
            ("2026-11-22 19:59:03Z", "[redacted 14 digits]Z"),
        ] {
            assert_eq!(redact(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_left_to_redact(text in "[0-9０-９٠-٩a ./:_\\-\u{a0}\n]{0,60}") {
            let redacted = redact(&text).into_owned();
            prop_assert!(!needs_redaction(&redacted), "{:?}", redacted);
            prop_assert_eq!(redact(&redacted), redacted.as_str());
            prop_assert_eq!(needs_redaction(&text), redacted != text);
        }

        #[test]
        fn any_text_is_redacted_without_panic(text: String) {
            prop_assert!(!needs_redaction(&redact(&text)));
        }
    }
}

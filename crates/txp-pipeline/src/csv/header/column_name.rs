//! What a merchant's own column name may be, wherever it comes from: one table for the check and
//! for its description.
//!
//! A name is kept as it is, so it must not be able to hold a card number in any spelling: letters
//! and marks of the scripts that headers are written in, and few digits. Nothing in the table but
//! the ten digits is numeric.

use std::fmt::Write;

/// The longest name.
pub(crate) const CHARS_MAX: usize = 64;
/// The most digits: one more could be a card number.
const DIGITS_MAX: usize = 11;

/// Letters and marks: Latin, Greek, Cyrillic, Hebrew, Arabic, Devanagari, Thai, Japanese, Chinese,
/// Korean.
const ALLOWED: [(char, char); 17] = [
    ('!', '/'),
    (':', '~'),
    ('\u{a1}', '\u{b1}'),
    ('\u{b4}', '\u{b8}'),
    ('\u{ba}', '\u{bb}'),
    ('\u{bf}', '\u{24f}'),
    ('\u{370}', '\u{52f}'),
    ('\u{5d0}', '\u{5ea}'),
    ('\u{620}', '\u{64a}'),
    ('\u{900}', '\u{965}'),
    ('\u{e01}', '\u{e3a}'),
    ('\u{e40}', '\u{e4e}'),
    ('\u{3041}', '\u{3096}'),
    ('\u{30a1}', '\u{30ff}'),
    ('\u{4e00}', '\u{9fff}'),
    ('\u{ac00}', '\u{d7a3}'),
    ('\u{2010}', '\u{2014}'),
];

/// Whether a name can be kept.
pub(super) fn is_column_name(name: &str) -> bool {
    let is_mark = |c: char| ALLOWED.iter().any(|(from, to)| (*from..=*to).contains(&c));
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    !name.is_empty()
        && !name.starts_with(' ')
        && name.chars().count() <= CHARS_MAX
        && digits <= DIGITS_MAX
        && name
            .chars()
            .all(|c| c == ' ' || c.is_ascii_digit() || is_mark(c))
}

/// The same as a pattern.
pub(crate) fn pattern() -> String {
    let mut marks = String::new();
    for (from, to) in ALLOWED {
        // Writing to a String cannot fail.
        let _infallible = write!(marks, "\\u{:04x}-\\u{:04x}", u32::from(from), u32::from(to));
    }
    let rest = format!("[ {marks}]*");
    let fewer = DIGITS_MAX - 1;
    format!(
        "^([{marks}]{rest}([0-9]{rest}){{0,{DIGITS_MAX}}}|[0-9]{rest}([0-9]{rest}){{0,{fewer}}})$"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use txp_domain::redact::needs_redaction;

    #[test]
    fn nothing_allowed_but_digits_is_numeric_or_blank() {
        for (from, to) in ALLOWED {
            assert!(
                (from..=to).all(|c| !c.is_numeric() && !c.is_whitespace()),
                "{from}-{to}"
            );
        }
    }

    #[test]
    fn names_by_the_rule() {
        for (name, is_good) in [
            ("Betrag (EUR)", true),
            ("3DS", true),
            ("金額", true),
            ("a1 2 3 4 5 6 7 8 9 0 1", true),
            ("12345678901", true),
            ("123456789012", false),
            ("1-2-3-4-5-6-7-8-9-0-1-2", false),
            ("a²", false),
            ("１", false),
            ("", false),
            (" a", false),
            ("a\tb", false),
            ("a\u{200b}", false),
        ] {
            assert_eq!(is_column_name(name), is_good, "{name}");
            assert!(!is_good || !needs_redaction(name));
        }
        assert!(is_column_name(&"x".repeat(64)) && !is_column_name(&"x".repeat(65)));
    }
}

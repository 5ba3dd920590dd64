//! Text that passed no check, made fit to be shown: no long number, no control character, no
//! formula.

use std::fmt::Write;
use txp_domain::redact::{REDACTED_DIGITS_MIN, needs_redaction, redact};
use txp_domain::row::starts_formula;

/// Stands for a character that would steer the display.
const UNSHOWN: char = char::REPLACEMENT_CHARACTER;

/// The text redacted, its control characters visible, at most `chars_max` characters and an
/// ellipsis.
#[must_use]
pub fn show(text: &str, chars_max: usize) -> String {
    let mut shown = String::new();
    show_into(text, chars_max, &mut shown);
    shown
}

/// [`show`], added to a string.
pub(super) fn show_into(text: &str, chars_max: usize, to: &mut String) {
    let text = redact(text);
    let digits = most_digits(&text);
    if digits >= REDACTED_DIGITS_MIN {
        // Writing to a String cannot fail.
        let _infallible = write!(to, "[redacted {digits} digits]");
        return;
    }
    let mut characters = text.chars();
    to.extend(characters.by_ref().take(chars_max).map(visible));
    if characters.next().is_some() {
        to.push('…');
    }
}

/// The text with its control characters visible, long numbers and all.
#[must_use]
pub fn show_controls(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// Whether text that is to be kept as it is holds what [`show`] would not show of it.
#[must_use]
pub fn holds_long_number(text: &str) -> bool {
    needs_redaction(text) || most_digits(text) >= REDACTED_DIGITS_MIN
}

/// The most digits that follow each other with no letter between them.
///
/// Redaction knows the marks that people write in numbers; a rejected cell may have any: bytes that
/// are not UTF-8, commas of a shifted row.
fn most_digits(text: &str) -> usize {
    let (mut most, mut digits) = (0, 0);
    for character in text.chars() {
        if character.is_numeric() {
            digits += 1;
            most = most.max(digits);
        } else if character.is_alphabetic() {
            digits = 0;
        }
    }
    most
}

/// Controls as the pictures that Unicode has for them; what turns the direction of text or ends a
/// line outside ASCII as a replacement character.
fn visible(character: char) -> char {
    match character {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(character)).unwrap_or(UNSHOWN),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => UNSHOWN,
        _ => character,
    }
}

/// Whether a spreadsheet might run the cell: it starts, after blanks, as a formula does, also in the
/// wide, small and mathematical forms of the signs.
pub(super) fn is_formula(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(starts_formula);
    let is_blank = |c: char| c.is_whitespace() || c.is_control() || is_invisible(c);
    let sign = text.trim_start_matches(is_blank).chars().next();
    first
        || sign.is_some_and(|sign| {
            u8::try_from(sign).is_ok_and(starts_formula)
                || matches!(
                    sign,
                    '＝' | '＋' | '－' | '＠' | '﹦' | '﹢' | '﹣' | '﹫' | '−'
                )
        })
}

fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}'
    )
}

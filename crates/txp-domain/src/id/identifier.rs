//! What a merchant may call a transaction, a merchant or a terminal.

/// The most bytes of an identifier (design, the file).
pub const IDENTIFIER_BYTES_MAX: usize = 64;

/// Why a text is not an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierFault {
    /// Longer than [`IDENTIFIER_BYTES_MAX`].
    #[error("{found} bytes; an identifier has at most 64")]
    TooLong {
        /// How long it is.
        found: u32,
    },
    /// A character other than `A-Z a-z 0-9 _ - . :`.
    #[error("an identifier has letters A-Z a-z, digits, and _ - . : only")]
    Character,
    /// Not a letter or digit at its start.
    #[error("an identifier starts with a letter or digit")]
    Start,
    /// Nothing.
    #[error("an identifier has at least one character")]
    Empty,
}

/// In a byte's class: it may stand in an identifier. Classes are summed up over a text, so the
/// counts of at most 64 bytes lie side by side.
const ALLOWED: u16 = 1;
/// In a byte's class: it is a digit.
const DIGIT: u16 = 1 << 8;

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated while compiling: a wrong index does not build"
)]
static CLASSES: [u16; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    loop {
        classes[byte as usize] = match byte {
            b'0'..=b'9' => ALLOWED | DIGIT,
            b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'-' | b'.' | b':' => ALLOWED,
            _ => 0,
        };
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    classes
};

/// Reads an identifier: how many digits it holds, or why it is none.
#[inline]
pub(crate) fn read_identifier(text: &[u8]) -> Result<u32, IdentifierFault> {
    let [first, ..] = text else {
        return Err(IdentifierFault::Empty);
    };
    if text.len() > IDENTIFIER_BYTES_MAX {
        let found = u32::try_from(text.len()).unwrap_or(u32::MAX);
        return Err(IdentifierFault::TooLong { found });
    }
    let counts = text.iter().fold(0_u16, |counts, byte| {
        counts + CLASSES.get(usize::from(*byte)).copied().unwrap_or(0)
    });
    let [allowed, digits] = counts.to_le_bytes();
    if usize::from(allowed) != text.len() {
        return Err(IdentifierFault::Character);
    }
    if !first.is_ascii_alphanumeric() {
        return Err(IdentifierFault::Start);
    }
    Ok(u32::from(digits))
}

/// Whether a text is an identifier: 1 to 64 of `A-Z a-z 0-9 _ - . :`, a letter or digit first.
#[must_use]
pub fn is_identifier(text: &[u8]) -> bool {
    read_identifier(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn identifiers_by_the_rule() {
        let longest = "a".repeat(64);
        let too_long = "a".repeat(65);
        for (text, fault) in [
            ("a", None),
            ("7", None),
            ("TX-2026.11:22_a", None),
            (&longest, None),
            (&too_long, Some(IdentifierFault::TooLong { found: 65 })),
            ("", Some(IdentifierFault::Empty)),
            ("-a", Some(IdentifierFault::Start)),
            (".a", Some(IdentifierFault::Start)),
            ("_a", Some(IdentifierFault::Start)),
            (":a", Some(IdentifierFault::Start)),
            (" a", Some(IdentifierFault::Character)),
            ("a ", Some(IdentifierFault::Character)),
            ("a/b", Some(IdentifierFault::Character)),
            ("=cmd()", Some(IdentifierFault::Character)),
            ("a\0b", Some(IdentifierFault::Character)),
            ("a\nb", Some(IdentifierFault::Character)),
            ("é", Some(IdentifierFault::Character)),
            ("１", Some(IdentifierFault::Character)),
        ] {
            assert_eq!(read_identifier(text.as_bytes()).err(), fault, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_table_is_the_rule(text in prop::collection::vec(any::<u8>(), 0..70)) {
            let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(byte);
            let expected = !text.is_empty()
                && text.len() <= 64
                && text.iter().all(is_allowed)
                && text[0].is_ascii_alphanumeric();
            prop_assert_eq!(is_identifier(&text), expected);
        }

        #[test]
        fn digits_are_counted(text in "[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}") {
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            let read = read_identifier(text.as_bytes()).unwrap();
            prop_assert_eq!(read as usize, digits);
        }
    }
}

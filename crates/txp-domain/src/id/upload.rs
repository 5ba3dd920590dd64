//! What we call an upload, and the row events of its records.
//!
//! Both are made of letters as far as they can be: an upload's id holds no digit at all, so that no
//! scan for card numbers ever stops at one.

use crate::text::{byte_letters, letters_byte};
use std::fmt;

/// The letters of an upload's id.
pub const UPLOAD_ID_LETTERS: usize = 24;

/// The name of one upload: 48 bits of time and 48 of randomness, in letters. Texts are in the order
/// of time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId([u8; UPLOAD_ID_LETTERS]);

impl UploadId {
    /// The id of an upload begun at this Unix time (its low 48 bits: until the year 10889), with
    /// randomness from the caller.
    #[must_use]
    pub fn new(unix_millis: u64, random: [u8; 6]) -> Self {
        let [_, _, time @ ..] = unix_millis.to_be_bytes();
        let mut letters = [0; UPLOAD_ID_LETTERS];
        let (pairs, _) = letters.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(time.into_iter().chain(random)) {
            *pair = byte_letters(byte);
        }
        Self(letters)
    }

    /// Reads the 24 letters.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let letters: [u8; UPLOAD_ID_LETTERS] = text.try_into().ok()?;
        let (pairs, _) = letters.as_chunks::<2>();
        pairs
            .iter()
            .all(|[high, low]| letters_byte(*high, *low).is_some())
            .then_some(Self(letters))
    }

    /// The 24 letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The 24 letters.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; UPLOAD_ID_LETTERS] {
        &self.0
    }

    /// When the upload was begun.
    #[must_use]
    pub fn unix_millis(&self) -> u64 {
        let (pairs, _) = self.0.as_chunks::<2>();
        pairs.iter().take(6).fold(0, |millis, [high, low]| {
            millis << 8 | u64::from(letters_byte(*high, *low).unwrap_or(0))
        })
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

crate::text::text_form!(
    UploadId,
    "^[bcdfghjklmnpqrst]{24}$",
    "an upload id of 24 letters"
);

/// The id of a row's event: `{upload_id}:{record}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The upload.
    pub upload_id: UploadId,
    /// The record, counted from 1.
    pub record: u64,
}

/// The most digits of a 64-bit number.
const RECORD_DIGITS_MAX: usize = 20;

impl EventId {
    /// Reads `{upload_id}:{record}`, without leading zeros.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (upload_id, rest) = text.split_at_checked(UPLOAD_ID_LETTERS)?;
        let digits = rest.strip_prefix(b":")?;
        if digits.is_empty() || digits.len() > RECORD_DIGITS_MAX || digits.starts_with(b"0") {
            return None;
        }
        let record = digits.iter().try_fold(0_u64, |record, byte| {
            let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
            record.checked_mul(10)?.checked_add(digit)
        })?;
        Some(Self {
            upload_id: UploadId::parse(upload_id)?,
            record,
        })
    }

    /// Writes `{upload_id}:{record}`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.upload_id.0);
        out.push(b':');
        let mut buffer = [b'0'; RECORD_DIGITS_MAX];
        let mut rest = self.record;
        let mut length = 0;
        for place in buffer.iter_mut().rev() {
            // The remainder of ten fits a byte.
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
            length += 1;
            if rest == 0 {
                break;
            }
        }
        out.extend_from_slice(buffer.split_at(RECORD_DIGITS_MAX - length).1);
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.upload_id, self.record)
    }
}

crate::text::text_form!(
    EventId,
    "^[bcdfghjklmnpqrst]{24}:[1-9][0-9]*$",
    "a row event's id: an upload id, a colon, a record number"
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn upload_ids_are_read_back_and_in_the_order_of_time(
            a in 0_u64..1 << 48, b in 0_u64..1 << 48, random: [u8; 6]
        ) {
            let (first, second) = (UploadId::new(a, random), UploadId::new(b, random));
            prop_assert_eq!(first.to_string().parse(), Ok(first));
            prop_assert_eq!(first.unix_millis(), a);
            prop_assert_eq!(first.as_str().cmp(second.as_str()), a.cmp(&b));
            prop_assert_eq!(first.cmp(&second), a.cmp(&b));
            prop_assert!(first.as_str().bytes().all(|byte| byte.is_ascii_lowercase()));
        }

        #[test]
        fn event_ids_are_read_back(millis: u64, random: [u8; 6], record in 1..=u64::MAX) {
            let id = EventId { upload_id: UploadId::new(millis, random), record };
            let mut written = Vec::new();
            id.write(&mut written);
            prop_assert_eq!(EventId::parse(&written), Some(id));
            prop_assert_eq!(written, id.to_string().into_bytes());
        }
    }

    #[test]
    fn other_texts_are_no_ids() {
        let id = UploadId::new(1_795_478_343_021, [1, 2, 3, 4, 5, 6]);
        for text in [
            "",
            &id.as_str()[1..],
            &format!("{id}b"),
            &id.as_str().to_uppercase(),
        ] {
            assert_eq!(UploadId::parse(text.as_bytes()), None, "{text}");
        }
        for end in [
            "",
            ":",
            ":0",
            ":01",
            ":-1",
            ":1x",
            "/1",
            ":18446744073709551616",
            ":parsed",
        ] {
            assert_eq!(
                EventId::parse(format!("{id}{end}").as_bytes()),
                None,
                "{end}"
            );
        }
    }
}

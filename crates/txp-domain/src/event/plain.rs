//! Valid rows read by hand: exactly the bytes that [`super::RowEncoder`] writes, and nothing else.
//!
//! Folding a long history is reading JSON before anything else, and serde takes two passes over an
//! event (the envelope, then the data) and several allocations. Nearly all events are valid rows with
//! their fields in one order and no escapes: those are read here in one pass that allocates nothing.
//! Whatever looks otherwise is `None`, and the caller reads it with [`super::decode()`], which says
//! what is wrong or reads it all the same. A differential test holds what is read here to serde.

use super::{RowEvent, RowOutcome};
use crate::card::{Brand, Fingerprint, Last4};
use crate::id::{UPLOAD_ID_LETTERS, UploadId, is_identifier};
use crate::money::{Amount, Currency};
use crate::row::{CardFacts, Country, Facts, Mcc, TimeSource, TransactionType};
use crate::time::Timestamp;

/// The letters of a fingerprint.
const FINGERPRINT_LETTERS: usize = 32;

/// The event of a valid row, if its bytes are as they are written today; `None` says nothing about an
/// event but that it is to be read by [`super::decode()`].
#[must_use]
pub fn read_plain_row(json: &[u8]) -> Option<RowEvent<'_>> {
    let mut r = Reader(json);
    r.skip(br#"{"specversion":"1.0","id":""#)?;
    let upload = r.take(UPLOAD_ID_LETTERS)?;
    r.skip(b":")?;
    let id_record = r.digits()?;
    r.skip(br#"","source":"/uploads/"#)?;
    r.skip(upload)?;
    r.skip(br#"","type":""#)?;
    let event_type = r.text()?;
    r.skip(br#","subject":""#)?;
    let subject = r.text()?;
    r.skip(br#","time":""#)?;
    let uploaded_at = Timestamp::parse(r.text()?)?;
    let is_disputed = match event_type {
        b"transaction.accepted" => {
            r.skip(br#","dataschema":"schemas/transaction.accepted/1.json""#)?;
            false
        }
        b"transaction.disputed" => {
            r.skip(br#","dataschema":"schemas/transaction.disputed/1.json""#)?;
            true
        }
        _ => return None,
    };
    let (record, line, facts, key_id) = data(&mut r)?;
    let is_chargeback = facts.kind == TransactionType::Chargeback;
    let is_sound = is_disputed == is_chargeback
        && (!is_chargeback || facts.original_transaction_id.is_some())
        && id_record == record
        && record > 0
        && r.0.is_empty()
        && names(subject, &facts);
    if !is_sound {
        return None;
    }
    Some(RowEvent {
        upload_id: UploadId::parse(upload)?,
        uploaded_at,
        record,
        line,
        outcome: RowOutcome::Valid { facts, key_id },
    })
}

/// From the data's opening brace to the event's end.
fn data<'a>(r: &mut Reader<'a>) -> Option<(u64, u64, Facts<'a>, &'a str)> {
    r.skip(br#","data":{"transaction_id":""#)?;
    let transaction_id = r.identifier()?;
    r.skip(br#","merchant_id":""#)?;
    let merchant_id = r.identifier()?;
    r.skip(br#","amount":""#)?;
    let amount = r.text()?;
    r.skip(br#","currency":""#)?;
    let currency = Currency::from_code(r.text()?)?;
    r.skip(br#","type":""#)?;
    let kind = match r.text()? {
        b"sale" => TransactionType::Sale,
        b"refund" => TransactionType::Refund,
        b"chargeback" => TransactionType::Chargeback,
        _ => return None,
    };
    r.skip(br#","timestamp":""#)?;
    let timestamp = Timestamp::parse(r.text()?)?;
    r.skip(br#","time_source":""#)?;
    let time_source = match r.text()? {
        b"file" => TimeSource::File,
        b"upload" => TimeSource::Upload,
        _ => return None,
    };
    let (card, key_id) = card(r)?;
    let facts = Facts {
        transaction_id,
        merchant_id,
        amount: Amount::parse_decimal(amount, currency)?,
        currency,
        kind,
        original_transaction_id: match r.comes(br#","original_transaction_id":""#) {
            true => Some(r.identifier()?),
            false => None,
        },
        terminal_id: match r.comes(br#","terminal_id":""#) {
            true => Some(r.identifier()?),
            false => None,
        },
        country: match r.comes(br#","country":""#) {
            true => Some(Country::parse(r.text()?)?),
            false => None,
        },
        mcc: match r.comes(br#","mcc":""#) {
            true => Some(Mcc::parse(r.text()?)?),
            false => None,
        },
        timestamp,
        time_source,
        card,
    };
    r.skip(br#","record":"#)?;
    let record = r.digits()?;
    r.skip(br#","line":"#)?;
    let line = r.digits()?;
    r.skip(b"}}")?;
    Some((record, line, facts, key_id))
}

fn card<'a>(r: &mut Reader<'a>) -> Option<(CardFacts, &'a str)> {
    r.skip(br#","card":{"last4":""#)?;
    let last4 = Last4::parse(r.text()?)?;
    r.skip(br#","brand":""#)?;
    let brand = Brand::from_name(std::str::from_utf8(r.text()?).ok()?)?;
    r.skip(br#","fingerprint":""#)?;
    let fingerprint = Fingerprint::parse(r.take(FINGERPRINT_LETTERS)?)?;
    r.skip(br#"","key_id":""#)?;
    let key_id = std::str::from_utf8(r.text()?).ok()?;
    r.skip(b"}")?;
    let card = CardFacts {
        last4,
        brand,
        fingerprint,
    };
    Some((card, key_id))
}

/// Whether a subject is `{merchant_id}/{transaction_id}`.
fn names(subject: &[u8], facts: &Facts<'_>) -> bool {
    let rest = subject.strip_prefix(facts.merchant_id.as_bytes());
    rest.and_then(|rest| rest.strip_prefix(b"/")) == Some(facts.transaction_id.as_bytes())
}

/// How many bytes come before the first that does not stand for itself in a JSON string, or ends it.
/// Eight at a time: texts here are short, so a plain loop beats the start of a vectorised search, and
/// this beats a plain loop.
#[inline]
fn plain_length(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut length = 0;
    for word in words {
        let others = not_plain(u64::from_le_bytes(*word));
        if others != 0 {
            return length + (others.trailing_zeros() / 8) as usize;
        }
        length += 8;
    }
    // Filled up with what ends every text.
    let mut last = [b'"'; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let others = not_plain(u64::from_le_bytes(last));
    length + rest.len().min((others.trailing_zeros() / 8) as usize)
}

/// The top bit of the first byte that is a quote, a backslash, a control character or not ASCII. Bits
/// above it say nothing: what is borrowed in a subtraction goes upwards.
#[inline]
fn not_plain(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 0xff;
    const TOPS: u64 = ONES << 7;
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (word | below(word, 0x20) | is(b'"') | is(b'\\')) & TOPS
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    #[inline]
    fn skip(&mut self, expected: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    #[inline]
    fn comes(&mut self, expected: &[u8]) -> bool {
        self.skip(expected).is_some()
    }

    #[inline]
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// The text up to the next quote, which is taken too. One with an escape or a control character is
    /// not ours.
    #[inline]
    fn text(&mut self) -> Option<&'a [u8]> {
        let text = self.take(plain_length(self.0))?;
        self.skip(b"\"")?;
        Some(text)
    }

    #[inline]
    fn identifier(&mut self) -> Option<&'a str> {
        let text = self.text()?;
        if !is_identifier(text) {
            return None;
        }
        std::str::from_utf8(text).ok()
    }

    /// A number without leading zeros, as JSON has it.
    #[inline]
    fn digits(&mut self) -> Option<u64> {
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit());
        let digits = self.take(length.count())?;
        if digits.is_empty() || (digits.len() > 1 && digits.starts_with(b"0")) {
            return None;
        }
        digits.iter().try_fold(0_u64, |number, byte| {
            number.checked_mul(10)?.checked_add(u64::from(byte - b'0'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_plain_part_of_a_text_is_as_long_as_byte_by_byte(
            bytes in prop::collection::vec(prop_oneof![8 => 0x20..0x80_u8, 1 => any::<u8>()], 0..40)
        ) {
            let is_plain = |byte: &&u8| (0x20..0x80).contains(*byte) && !br#""\"#.contains(*byte);
            let expected = bytes.iter().take_while(is_plain).count();
            prop_assert_eq!(plain_length(&bytes), expected);
        }
    }

    #[test]
    fn every_byte_in_every_place_is_plain_or_not() {
        for byte in 0..=u8::MAX {
            let is_plain = (0x20..0x80).contains(&byte) && byte != b'"' && byte != b'\\';
            for at in 0..20 {
                let mut text = [b'a'; 20];
                text[at] = byte;
                let expected = if is_plain { text.len() } else { at };
                assert_eq!(plain_length(&text), expected, "{byte} at {at}");
            }
        }
    }
}

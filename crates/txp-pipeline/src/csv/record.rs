//! One record: ranges into the window, or into the scratch space where a quote had to be undone.

use super::scan::Place;

/// Where a field's bytes are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Field {
    pub(super) start: u32,
    pub(super) end: u32,
    /// The range is one of the scratch space; before that is filled, of the raw field, quotes
    /// included.
    pub(super) is_escaped: bool,
}

impl Field {
    /// A field that is as it stands in the file. Offsets count from the start of the record; those
    /// of a record that is too long may wrap and are never used.
    #[inline(always)]
    pub(super) fn plain(start: u64, end: u64) -> Self {
        Self {
            start: start as u32,
            end: end as u32,
            is_escaped: false,
        }
    }
}

/// One record of a file, borrowed from the window and the scanner.
#[derive(Clone, Copy, Debug)]
pub struct Record<'w> {
    /// Where it stands in the file.
    pub place: Place,
    /// Whether all its bytes are known to be ASCII; `false` does not say that they are not.
    pub is_ascii: bool,
    pub(super) bytes: &'w [u8],
    pub(super) fields: &'w [Field],
    pub(super) field_count: usize,
    pub(super) unescaped: &'w [u8],
}

impl<'w> Record<'w> {
    /// How many fields it has, those beyond [`super::COLUMNS_MAX`] included.
    #[must_use]
    pub fn field_count(&self) -> usize {
        self.field_count
    }

    /// The record as it stands in the file, without its line end.
    #[must_use]
    pub fn bytes(&self) -> &'w [u8] {
        self.bytes
    }

    /// One field, quotes taken off; `None` beyond the last or beyond [`super::COLUMNS_MAX`].
    #[inline]
    #[must_use]
    pub fn get(&self, column: usize) -> Option<&'w [u8]> {
        let field = self.fields.get(column)?;
        let source = if field.is_escaped {
            self.unescaped
        } else {
            self.bytes
        };
        source.get(field.start as usize..field.end as usize)
    }

    /// The fields in order, at most [`super::COLUMNS_MAX`].
    pub fn fields(&self) -> impl Iterator<Item = &'w [u8]> + use<'w> {
        let record = *self;
        (0..self.fields.len()).filter_map(move |column| record.get(column))
    }
}

/// Takes the quotes off a raw field that begins with one, appending to `to`: doubled quotes become
/// one, and what follows the closing quote is kept as it is.
pub(super) fn unescape(raw: &[u8], to: &mut Vec<u8>) {
    let mut rest = raw.strip_prefix(b"\"").unwrap_or(raw);
    while let Some(quote) = memchr::memchr(b'"', rest) {
        let (inside, behind) = rest.split_at(quote);
        to.extend_from_slice(inside);
        let behind = behind.strip_prefix(b"\"").unwrap_or(behind);
        let Some(doubled) = behind.strip_prefix(b"\"") else {
            to.extend_from_slice(behind);
            return;
        };
        to.push(b'"');
        rest = doubled;
    }
    to.extend_from_slice(rest);
}

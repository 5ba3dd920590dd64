//! Protobuf's wire format, as far as reading needs it: fields one after the other, borrowed.

/// It is no message, or ends in the middle of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// An integer.
    Varint(u64),
    /// Bytes, a text or a message.
    Bytes(&'a [u8]),
    /// A number of fixed width: none of the format's fields is one.
    Fixed,
}

/// The fields of a message that are not read yet.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    /// The next field's number and value; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 || tag > u64::from(u32::MAX) {
            return Err(Malformed);
        }
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.fixed(8)?,
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(usize::try_from(length).map_err(|_| Malformed)?)?)
            }
            5 => self.fixed(4)?,
            _ => return Err(Malformed),
        };
        Ok(Some((number, value)))
    }

    fn fixed(&mut self, bytes: usize) -> Result<Value<'a>, Malformed> {
        self.take(bytes).map(|_| Value::Fixed)
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    /// At most ten bytes; bits beyond 64 are dropped, as protobuf does.
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(Malformed)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_what_is_cut_is_refused() {
        let message = [
            0x08, 0x96, 0x01, // 1: 150
            0x12, 0x02, b'h', b'i', // 2: "hi"
            0x1D, 1, 2, 3, 4, // 3: fixed 32
            0x21, 1, 2, 3, 4, 5, 6, 7, 8, // 4: fixed 64
        ];
        let mut fields = Fields::of(&message);
        assert_eq!(fields.next(), Ok(Some((1, Value::Varint(150)))));
        assert_eq!(fields.next(), Ok(Some((2, Value::Bytes(b"hi")))));
        assert_eq!(fields.next(), Ok(Some((3, Value::Fixed))));
        assert_eq!(fields.next(), Ok(Some((4, Value::Fixed))));
        assert_eq!(fields.next(), Ok(None));
    }

    #[test]
    fn malformed_fields_are_refused() {
        for bytes in [
            &[0x08][..],                                                  // no value
            &[0x08, 0x80],                         // a varint without its end
            &[0x12, 0x05, b'x'],                   // shorter than its length
            &[0x1D, 1, 2],                         // fixed, cut
            &[0x00, 0x00],                         // field number 0
            &[0x0B, 0x0C],                         // a group
            &[0x0E, 0x00],                         // a wire type that is none
            &[0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0x00], // a tag beyond 32 bits
            &[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], // eleven bytes
            &[0x12, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], // 2^64 - 1 bytes
        ] {
            assert_eq!(Fields::of(bytes).next(), Err(Malformed), "{bytes:02x?}");
        }
    }
}

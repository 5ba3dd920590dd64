//! Writing many short pieces into room that was made once.
//!
//! A row's event is some thirty pieces, most of them shorter than 32 bytes. Added to a `Vec` one by
//! one, each asks whether there is room and calls the system's copy; here the room is made for the
//! whole event and short pieces are copied in place. What does not fit is not written, and
//! [`Pen::written`] tells.

/// Writes forwards.
pub(super) struct Pen<'b> {
    room: &'b mut [u8],
    at: usize,
}

impl<'b> Pen<'b> {
    pub(super) fn new(room: &'b mut [u8]) -> Self {
        Self { room, at: 0 }
    }

    /// How many bytes were written; `None` if something did not fit.
    pub(super) fn written(&self) -> Option<usize> {
        (self.at <= self.room.len()).then_some(self.at)
    }

    /// Where the next piece goes.
    #[inline(always)]
    pub(super) fn place(&self) -> u32 {
        // Rooms are far smaller than 4 GiB.
        self.at as u32
    }

    /// Writes a piece whose length the compiler knows.
    #[inline(always)]
    pub(super) fn put<const N: usize>(&mut self, piece: &[u8; N]) {
        let rest = self.room.get_mut(self.at..).unwrap_or_default();
        if let Some(to) = rest.first_chunk_mut() {
            *to = *piece;
        }
        self.at += N;
    }

    /// Writes a piece: a short one as two that may overlap.
    #[inline(always)]
    pub(super) fn text(&mut self, piece: &[u8]) {
        let end = self.at + piece.len();
        if let Some(to) = self.room.get_mut(self.at..end) {
            match piece.len() {
                0 => {}
                1..4 => to.iter_mut().zip(piece).for_each(|(to, from)| *to = *from),
                4..8 => ends::<4>(piece, to),
                8..16 => ends::<8>(piece, to),
                16..=32 => ends::<16>(piece, to),
                _ => to.copy_from_slice(piece),
            }
        }
        self.at = end;
    }

    /// Writes a number in decimal.
    #[inline]
    pub(super) fn number(&mut self, n: u64) {
        let (digits, start) = crate::text::decimal(n);
        self.text(digits.get(start..).unwrap_or_default());
    }
}

/// Copies a piece of `N` to `2 * N` bytes to room of the same length.
#[inline(always)]
fn ends<const N: usize>(from: &[u8], to: &mut [u8]) {
    if let (Some(from), Some(to)) = (from.first_chunk::<N>(), to.first_chunk_mut::<N>()) {
        *to = *from;
    }
    if let (Some(from), Some(to)) = (from.last_chunk::<N>(), to.last_chunk_mut::<N>()) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn writes_what_a_vec_takes(
            pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), any::<u64>()), 0..9),
            room in 0_usize..400,
        ) {
            let mut plain = Vec::new();
            let mut room = vec![0; room];
            let mut pen = Pen::new(&mut room);
            for (piece, number) in &pieces {
                pen.text(piece);
                pen.put(b"-piece-");
                pen.number(*number);
                plain.extend_from_slice(piece);
                plain.extend_from_slice(b"-piece-");
                plain.extend_from_slice(number.to_string().as_bytes());
            }
            prop_assert_eq!(pen.place() as usize, plain.len());
            match pen.written() {
                Some(length) => prop_assert_eq!(&room[..length], &plain[..]),
                None => prop_assert!(plain.len() > room.len()),
            }
        }
    }
}

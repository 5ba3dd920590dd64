//! Fields of fixed-size headers, little-endian, one after another, without indexing.

/// Writes fields into a header; what does not fit is dropped (sizes are constants, tested).
pub(super) struct FieldWriter<'a>(pub(super) &'a mut [u8]);

impl FieldWriter<'_> {
    pub(super) fn put<const N: usize>(&mut self, field: [u8; N]) {
        if let Some((head, tail)) = std::mem::take(&mut self.0).split_first_chunk_mut::<N>() {
            *head = field;
            self.0 = tail;
        }
    }
}

/// Reads fields from a header; `None` past its end.
#[derive(Clone, Copy)]
pub(super) struct FieldReader<'a>(pub(super) &'a [u8]);

impl FieldReader<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

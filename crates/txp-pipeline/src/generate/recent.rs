//! The last accepted sales: what a repeat, a refund or a dispute may name.

use super::random::Random;

/// How many sales are remembered.
pub const RECENT_COUNT: usize = 4096;

/// An accepted sale, so far as writing it again needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sale {
    pub(super) number: u64,
    pub(super) card_index: u64,
    pub(super) amount_minor: u64,
    pub(super) seconds: i64,
    pub(super) merchant: u64,
    pub(super) disputed: bool,
}

/// A ring of sales.
#[derive(Debug)]
pub(super) struct Recent {
    sales: Vec<Sale>,
    next: usize,
}

impl Recent {
    pub(super) fn new() -> Self {
        Self {
            sales: Vec::with_capacity(RECENT_COUNT),
            next: 0,
        }
    }

    pub(super) fn add(&mut self, sale: Sale) {
        match self.sales.get_mut(self.next) {
            Some(slot) => *slot = sale,
            None => self.sales.push(sale),
        }
        self.next = (self.next + 1) % RECENT_COUNT;
    }

    /// One of them, `None` while there is none.
    pub(super) fn pick(&mut self, random: &mut Random) -> Option<&mut Sale> {
        let index = usize::try_from(random.below(self.sales.len() as u64)).ok()?;
        self.sales.get_mut(index)
    }
}

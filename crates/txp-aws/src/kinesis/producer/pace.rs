//! How much may be on its way at once: half of what was after a throttle, more again after each call
//! that went well (additive increase, multiplicative decrease, as TCP), and longer waits while
//! nothing at all is stored.
//!
//! Calls that were on their way together are throttled together; that is one sign, not several. So
//! a throttle counts only for a call that was started after the last one that counted.

/// What a call that went well adds, at most.
const STEP_BYTES: usize = 512 << 10;

#[derive(Debug)]
pub(super) struct Pace {
    window_bytes: usize,
    window_bytes_max: usize,
    epoch: u64,
    setbacks: u32,
}

impl Pace {
    /// As fast as allowed, until told otherwise.
    pub(super) fn new(window_bytes_max: usize) -> Self {
        Self {
            window_bytes: window_bytes_max,
            window_bytes_max,
            epoch: 0,
            setbacks: 0,
        }
    }

    /// To be kept with a call, for [`Self::throttled`].
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What may be sent beside what is on its way. May be nothing; a single record alone always may.
    pub(super) fn room(&self, in_flight_bytes: usize) -> usize {
        self.window_bytes.saturating_sub(in_flight_bytes)
    }

    /// Throttled calls since something was stored: the next calls wait by this.
    pub(super) fn setbacks(&self) -> u32 {
        self.setbacks
    }

    /// A call was throttled, in part if it `stored` something; `in_flight_bytes` were on their way
    /// with it.
    pub(super) fn throttled(&mut self, epoch: u64, stored: bool, in_flight_bytes: usize) {
        if stored {
            self.setbacks = 1;
        }
        if epoch < self.epoch {
            return;
        }
        self.epoch += 1;
        self.window_bytes = self.window_bytes.min(in_flight_bytes) / 2;
        if !stored {
            self.setbacks += 1;
        }
    }

    /// A call of this size was not throttled.
    pub(super) fn went_well(&mut self, bytes: usize) {
        self.setbacks = 0;
        let wider = self.window_bytes + bytes.min(STEP_BYTES);
        self.window_bytes = wider.min(self.window_bytes_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttles_narrow_and_success_widens() {
        let mut pace = Pace::new(8 << 20);
        let together = pace.epoch();
        for _ in 0..3 {
            pace.throttled(together, false, 10 << 20);
        }
        assert_eq!((pace.room(0), pace.setbacks()), (4 << 20, 1));
        pace.throttled(pace.epoch(), false, 4 << 20);
        assert_eq!((pace.room(0), pace.setbacks()), (2 << 20, 2));
        pace.throttled(pace.epoch(), true, 2 << 20);
        assert_eq!((pace.room(0), pace.setbacks()), (1 << 20, 1));
        pace.went_well(1 << 20);
        assert_eq!((pace.room(0), pace.setbacks()), (3 << 19, 0));
        for _ in 0..100 {
            pace.went_well(5 << 20);
        }
        assert_eq!(pace.room(1 << 20), 7 << 20);
    }
}

//! How long requests hold their locks: the basis of `Retry-After`.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// The longest of the recent holds. Each further hold takes an eighth off the old maximum.
#[derive(Debug, Default)]
pub(crate) struct HoldTimes {
    /// In microseconds. Zero before the first hold.
    longest: AtomicU64,
}

impl HoldTimes {
    pub(crate) fn record(&self, hold: Duration) {
        let hold = u64::try_from(hold.as_micros()).unwrap_or(u64::MAX).max(1);
        let before = self.longest.load(Relaxed);
        // Two concurrent records may overwrite each other. That is fine for an estimate.
        self.longest.store(hold.max(before - before / 8), Relaxed);
    }

    /// `None` before the first hold has ended.
    pub(crate) fn longest(&self) -> Option<Duration> {
        match self.longest.load(Relaxed) {
            0 => None,
            longest => Some(Duration::from_micros(longest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_hold_counts_at_once_and_fades_with_shorter_ones() {
        let times = HoldTimes::default();
        assert_eq!(times.longest(), None);
        times.record(Duration::from_secs(8));
        times.record(Duration::from_millis(10));
        assert_eq!(times.longest(), Some(Duration::from_secs(7)));
        for _ in 0..100 {
            times.record(Duration::from_millis(10));
        }
        assert_eq!(times.longest(), Some(Duration::from_millis(10)));
        times.record(Duration::from_secs(9));
        assert_eq!(times.longest(), Some(Duration::from_secs(9)));
    }
}

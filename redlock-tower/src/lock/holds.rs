//! How long requests hold their locks: what a refused client is advised to wait.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// The longest of the recent holds. An old one weighs an eighth less with each further hold.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    /// In microseconds. Zero before the first.
    longest: AtomicU64,
}

impl Holds {
    pub(crate) fn record(&self, hold: Duration) {
        let hold = u64::try_from(hold.as_micros()).unwrap_or(u64::MAX).max(1);
        let before = self.longest.load(Relaxed);
        // Two at once may overwrite each other: an estimate can bear that.
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
    fn a_long_hold_is_forgotten_in_time_and_a_longer_one_counts_at_once() {
        let holds = Holds::default();
        assert_eq!(holds.longest(), None);
        holds.record(Duration::from_secs(8));
        holds.record(Duration::from_millis(10));
        assert_eq!(holds.longest(), Some(Duration::from_secs(7)));
        for _ in 0..100 {
            holds.record(Duration::from_millis(10));
        }
        assert_eq!(holds.longest(), Some(Duration::from_millis(10)));
        holds.record(Duration::from_secs(9));
        assert_eq!(holds.longest(), Some(Duration::from_secs(9)));
    }
}

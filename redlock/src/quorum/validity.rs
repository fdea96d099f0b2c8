//! How long a grant may be relied on.

use std::time::Duration;

use crate::mutant::{self, Mutant};

/// The share of the ttl that two clocks may drift apart, as one part in this many.
const DRIFT_PART: u32 = 100;
/// Redis expires keys by the millisecond, and needs one more to look: what is never relied on.
const DRIFT_FLOOR: Duration = Duration::from_millis(2);

/// The shortest ttl that leaves room for a round trip after the drift is taken off.
pub(crate) const MIN_TTL: Duration = Duration::from_millis(10);

/// What is taken off a ttl because clocks run at different speeds: `ttl / 100 + 2 ms`.
pub(crate) fn drift(ttl: Duration) -> Duration {
    if mutant::on(Mutant::NoDrift) {
        return Duration::ZERO;
    }
    ttl / DRIFT_PART + DRIFT_FLOOR
}

/// How long from the start of the winning round a grant may be relied on: `ttl - drift`.
pub(crate) fn usable(ttl: Duration) -> Duration {
    ttl.saturating_sub(drift(ttl))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift_is_a_hundredth_and_two_milliseconds() {
        assert_eq!(drift(Duration::from_secs(10)), Duration::from_millis(102));
        assert_eq!(
            usable(Duration::from_secs(10)),
            Duration::from_millis(9_898)
        );
    }

    #[test]
    fn nothing_is_left_of_a_ttl_below_the_drift() {
        assert_eq!(usable(Duration::from_millis(2)), Duration::ZERO);
        assert!(usable(MIN_TTL) > Duration::ZERO);
    }
}

//! For how long a grant is valid.

use std::time::Duration;

/// Two clocks may drift apart by the ttl divided by this.
const DRIFT_PART: u32 = 100;
/// Redis expires keys with a resolution of 1 ms, and a key may live for 1 ms more.
const DRIFT_FLOOR: Duration = Duration::from_millis(2);

/// The shortest ttl that leaves time for a round trip after the drift is subtracted.
pub(crate) const MIN_TTL: Duration = Duration::from_millis(10);

/// The part of a ttl that is not counted as validity, since clocks run at different rates: `ttl /
/// 100 + 2 ms`.
pub(crate) fn drift(ttl: Duration) -> Duration {
    ttl / DRIFT_PART + DRIFT_FLOOR
}

/// The validity of a grant, from the start of the winning round: `ttl - drift`.
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
    fn a_ttl_below_the_drift_has_no_validity() {
        assert_eq!(usable(Duration::from_millis(2)), Duration::ZERO);
        assert!(usable(MIN_TTL) > Duration::ZERO);
    }
}

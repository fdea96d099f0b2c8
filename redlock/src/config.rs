//! Bounds of durations.

use std::time::Duration;

use crate::{
    error::{Error, Result},
    quorum::validity,
};

/// The longest duration of a setting: far beyond any use, far below an overflow.
pub(crate) const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 3600);

/// The shortest time for which a key can be kept busy: Redis counts milliseconds.
pub(crate) const MIN_DURATION: Duration = Duration::from_millis(1);

/// Checks a duration that is sent to the nodes or used by a timer. `remedy` says what to do about
/// one that is too long.
pub(crate) fn check(name: &str, value: Duration, least: Duration, remedy: &str) -> Result<()> {
    check_up_to(name, value, least, MAX_DURATION, remedy)
}

/// The same with a longest duration of its own.
pub(crate) fn check_up_to(
    name: &str,
    value: Duration,
    least: Duration,
    most: Duration,
    remedy: &str,
) -> Result<()> {
    let days = most.as_secs() / 86_400;
    if value < least {
        return Err(Error::invalid_ttl(format!(
            "{name} of {value:?} is too short: use {least:?} or more"
        )));
    }
    if value > most {
        return Err(Error::invalid_ttl(format!(
            "{name} of {value:?} is too long, the most is {days} days: {remedy}"
        )));
    }
    Ok(())
}

/// Checks the window of a cool-down.
pub(crate) fn check_window(window: Duration) -> Result<()> {
    check(
        "a cool-down",
        window,
        MIN_DURATION,
        "remember for longer in a database what was done",
    )
}

/// Checks the ttl of a request.
pub(crate) fn check_ttl(ttl: Duration, max_ttl: Duration) -> Result<()> {
    let least = validity::MIN_TTL;
    if ttl < least {
        return Err(Error::invalid_ttl(format!(
            "a ttl of {ttl:?} is too short: nothing would be left of it after a round trip, use {least:?} or more"
        )));
    }
    if ttl > max_ttl {
        return Err(Error::invalid_ttl(format!(
            "a ttl of {ttl:?} is longer than max_ttl, {max_ttl:?}: kept alive, a lock is held for as long as it takes \
             on a short ttl; otherwise raise max_ttl for all clients of the nodes"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NANOSECOND: Duration = Duration::from_nanos(1);

    #[test]
    fn durations_have_bounds() {
        let of = |value| check("a wait", value, MIN_DURATION, "ask again");
        assert!(of(MIN_DURATION).is_ok() && of(MIN_DURATION - NANOSECOND).is_err());
        assert!(of(MAX_DURATION).is_ok() && of(Duration::MAX).is_err());
        let error = of(Duration::MAX).expect_err("too long").to_string();
        assert!(error.contains("the most is 365 days: ask again"), "{error}");
        assert!(check_window(MIN_DURATION).is_ok() && check_window(Duration::ZERO).is_err());
    }

    #[test]
    fn a_ttl_lies_between_the_shortest_and_the_longest() {
        let max_ttl = Duration::from_secs(1);
        let of = |ttl| check_ttl(ttl, max_ttl);
        assert!(of(validity::MIN_TTL).is_ok() && of(validity::MIN_TTL - NANOSECOND).is_err());
        assert!(of(max_ttl).is_ok() && of(max_ttl + NANOSECOND).is_err());
    }
}

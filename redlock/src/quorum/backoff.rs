//! How long a refused waiter sleeps before the next attempt.

use std::time::Duration;

/// A key lives through the last millisecond of its ttl, so an attempt after exactly its PTTL is too
/// early.
const LAST_MILLISECOND: Duration = Duration::from_millis(1);
/// The first delay after a split vote. It doubles with each further split vote. The first delay of
/// an outage is ten times as long.
const FIRST: Duration = Duration::from_millis(2);
/// The longest delay without notifications: how late a waiter notices a release.
const POLL: Duration = Duration::from_millis(40);
/// The longest delay with notifications, if the holder may be a client that sends none.
const LISTEN: Duration = Duration::from_secs(1);
/// The longest delay if the holder sends a notification: how late a waiter notices a lost
/// notification. A lost connection wakes the waiters at once.
const NOTIFIED: Duration = Duration::from_secs(30);
/// The longest delay while no quorum answers.
const OUTAGE: Duration = Duration::from_millis(500);

/// Why a waiter was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A quorum can be free after this time, by the leases seen.
    FreeIn(Duration),
    /// The votes were split between clients that all rolled back.
    Split,
    /// Too few nodes answered.
    Outage,
}

/// Whether a notification may end a sleep early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WakeUp {
    /// The waiter receives no notifications.
    Never,
    /// The waiter receives them, if the holder sends one.
    Possible,
    /// The holder sends one, and a majority of the nodes has this waiter on its waitlist.
    Promised,
}

/// The sleep after the `attempt`-th refusal in a row (from 0). `jitter` is uniform in `0.0..1.0`.
pub(crate) fn delay(refusal: Refusal, attempt: u32, jitter: f64, wake_up: WakeUp) -> Duration {
    let longest = match wake_up {
        WakeUp::Never => POLL,
        WakeUp::Possible => LISTEN,
        WakeUp::Promised => NOTIFIED,
    };
    match refusal {
        Refusal::FreeIn(free) => {
            let spread = FIRST.mul_f64(jitter);
            (free.saturating_add(LAST_MILLISECOND).saturating_add(spread))
                .min(longest.mul_f64(0.75 + jitter / 2.0))
        }
        Refusal::Split => doubled(FIRST, attempt, POLL).mul_f64(0.1 + jitter),
        Refusal::Outage => doubled(FIRST * 10, attempt, OUTAGE).mul_f64(0.5 + jitter / 2.0),
    }
}

/// Lengthens the sleep of a waiter that has been promised a notification, by at most 1/256, so that it ends on a tick which
/// other waiters of this process share: their commands then share script calls.
///
/// The ticks are powers of two, so those of longer sleeps are among those of shorter ones. `now`: since the client was built.
pub(crate) fn on_shared_tick(time: Duration, now: Duration) -> Duration {
    let micros = |time: Duration| u64::try_from(time.as_micros());
    let (Ok(micros), Ok(now)) = (micros(time), micros(now)) else {
        return time;
    };
    let Some(power) = (micros / 256).checked_ilog2() else {
        return time;
    };
    let tick = 1 << power;
    let end = now.saturating_add(micros);
    let late = end
        .checked_next_multiple_of(tick)
        .map_or(0, |next| next - end);
    time.saturating_add(Duration::from_micros(late))
}

fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    first
        .saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX))
        .min(most)
}

/// When a quorum can be free: the `quorum`-th smallest of the remaining times in `left`. A free
/// node counts as zero; a node that did not answer is not in `left`.
pub(crate) fn quorum_free_in(left: &mut [Duration], quorum: usize) -> Option<Duration> {
    left.sort_unstable();
    left.get(quorum.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn long_sleeps_end_on_shared_ticks() {
        let second = Duration::from_secs(1);
        let end = |time: Duration, now: u64| {
            let longer = on_shared_tick(time, Duration::from_micros(now));
            assert!(time <= longer && longer <= time + time / 256, "{longer:?}");
            now + u64::try_from(longer.as_micros()).expect("short")
        };
        let mut ends: Vec<u64> = (0..1_000)
            .map(|n| end(10 * second, 1_000_000 + n * 100))
            .collect();
        ends.dedup();
        assert!(ends.len() <= 5, "{ends:?}");
        assert_eq!(end(30 * second, 7) % 65_536, 0);
        assert_eq!(on_shared_tick(Duration::ZERO, MS), Duration::ZERO);
        assert_eq!(on_shared_tick(Duration::MAX, MS), Duration::MAX);
    }

    #[test]
    fn a_sleep_is_longer_than_the_remaining_lease() {
        assert!(delay(Refusal::FreeIn(5 * MS), 0, 0.0, WakeUp::Never) > 5 * MS);
    }

    #[test]
    fn without_notifications_a_long_lease_is_polled() {
        assert!(delay(Refusal::FreeIn(10_000 * MS), 0, 0.9, WakeUp::Never) <= 50 * MS);
    }

    #[test]
    fn waiters_that_will_be_notified_rarely_poll() {
        let sleep = |wake_up| delay(Refusal::FreeIn(100_000 * MS), 0, 0.0, wake_up);
        assert!(sleep(WakeUp::Promised) > 20_000 * MS);
        assert!(sleep(WakeUp::Possible) > 500 * MS && sleep(WakeUp::Possible) < 2_000 * MS);
    }

    #[test]
    fn the_nth_smallest_lease_decides_when_a_quorum_is_free() {
        let mut left = [9 * MS, MS, 5 * MS];
        assert_eq!(quorum_free_in(&mut left, 2), Some(5 * MS));
        assert_eq!(quorum_free_in(&mut [MS], 2), None);
    }

    #[test]
    fn delays_during_an_outage_grow_up_to_a_bound() {
        assert!(
            delay(Refusal::Outage, 0, 1.0, WakeUp::Never)
                < delay(Refusal::Outage, 3, 1.0, WakeUp::Never)
        );
        assert!(delay(Refusal::Outage, 200, 1.0, WakeUp::Never) <= OUTAGE);
    }
}

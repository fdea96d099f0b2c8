//! Schedules: when a job fires. A firing is an absolute instant, the same on all replicas.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[cfg(feature = "cron")]
use chrono::Timelike as _;

use crate::error::{Error, Result};

/// The longest change of the clocks that is searched to its end, in minutes.
#[cfg(feature = "cron")]
const MAX_GAP: i64 = 48 * 60;

/// When a job fires.
///
/// All replicas compute the same instants from the same schedule, independently of their clocks: a
/// schedule only returns the firing that follows an instant. Implemented by
///
/// - [`Duration`]: fires at its multiples since 1970, so an hour means each full hour in UTC;
/// - closures `Fn(SystemTime) -> Option<SystemTime>`;
/// - with the feature `cron`, `croner::Cron` for times in UTC, and `(croner::Cron, Tz)` with a time
///   zone of chrono. A time of day that is skipped by a clock change fires once, right after the
///   change. One that occurs twice fires once, the first time. Patterns with a wildcard hour fire
///   in each hour that exists.
///
/// # Examples
/// ```
/// use std::time::{Duration, SystemTime};
/// use redlock::job::Schedule;
///
/// let hourly = Duration::from_secs(3600);
/// let at = move |hours| SystemTime::UNIX_EPOCH + hours * hourly;
/// assert_eq!(hourly.next(at(7)), Some(at(8)));
/// // Once, at eight o'clock.
/// let once = move |after| Some(at(8)).filter(|at| *at > after);
/// assert_eq!((once.next(at(7)), once.next(at(8))), (Some(at(8)), None));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a schedule",
    label = "not a schedule",
    note = "a schedule is a `Duration`, a closure `Fn(SystemTime) -> Option<SystemTime>`, or a type of yours that implements `Schedule`",
    note = "with the feature `cron` of `redlock`: also `croner::Cron`, and `(croner::Cron, Tz)` with a time zone of chrono"
)]
pub trait Schedule: Send + Sync + 'static {
    /// The first instant after `after`, or `None` if there is none.
    fn next(&self, after: SystemTime) -> Option<SystemTime>;
}

impl Schedule for Duration {
    fn next(&self, after: SystemTime) -> Option<SystemTime> {
        let period = self.as_nanos();
        let after = after.duration_since(UNIX_EPOCH).unwrap_or_default();
        let next = (after.as_nanos().checked_div(period)? + 1).checked_mul(period)?;
        let (seconds, nanos) = (next / 1_000_000_000, next % 1_000_000_000);
        let since = Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?);
        UNIX_EPOCH.checked_add(since)
    }
}

#[diagnostic::do_not_recommend]
impl<F> Schedule for F
where
    F: Fn(SystemTime) -> Option<SystemTime> + Send + Sync + 'static,
{
    fn next(&self, after: SystemTime) -> Option<SystemTime> {
        self(after)
    }
}

#[cfg(feature = "cron")]
impl Schedule for croner::Cron {
    fn next(&self, after: SystemTime) -> Option<SystemTime> {
        next_of(self, &chrono::Utc, after)
    }
}

#[cfg(feature = "cron")]
impl<Tz> Schedule for (croner::Cron, Tz)
where
    Tz: chrono::TimeZone + Send + Sync + 'static,
{
    fn next(&self, after: SystemTime) -> Option<SystemTime> {
        next_of(&self.0, &self.1, after)
    }
}

#[cfg(feature = "cron")]
fn next_of<Tz: chrono::TimeZone>(
    cron: &croner::Cron,
    zone: &Tz,
    after: SystemTime,
) -> Option<SystemTime> {
    // `None` beyond the calendar of chrono, which panics there in a conversion.
    let since = i64::try_from(
        after
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_micros(),
    )
    .ok()?;
    let after = chrono::DateTime::from_timestamp_micros(since)?.with_timezone(zone);
    let next = match cron.find_next_occurrence(&after, false) {
        Ok(next) => next,
        // The pattern matches no existing time, or one in a gap of the clocks that croner does not search to its end.
        Err(_) => after_long_gap(cron, zone, &after)?,
    };
    Some(next.with_timezone(&chrono::Utc).into())
}

/// The first firing after `after` if the next time of the pattern is skipped by a change of the clocks of more than two hours:
/// Samoa skipped the 30th of December 2011. As after a shorter one, it fires right after the change if the pattern matches
/// that day, or otherwise at the next time that exists.
#[cfg(feature = "cron")]
fn after_long_gap<Tz: chrono::TimeZone>(
    cron: &croner::Cron,
    zone: &Tz,
    after: &chrono::DateTime<Tz>,
) -> Option<chrono::DateTime<Tz>> {
    // On a clock that never changes.
    let local = after.naive_local().and_utc();
    let skipped = cron.find_next_occurrence(&local, false).ok()?.naive_utc();
    let minute = skipped.with_second(0)?;
    let exists = |minutes: i64| {
        let at = minute.checked_add_signed(chrono::TimeDelta::minutes(minutes))?;
        zone.from_local_datetime(&at).earliest()
    };
    if exists(0).is_some() {
        return None;
    }
    // Clocks change at whole minutes.
    let change = (1..=MAX_GAP).find_map(exists)?;
    let day = change.naive_local().date().and_time(chrono::NaiveTime::MIN);
    let fires_on = cron.find_next_occurrence(&day.and_utc(), true).ok()?;
    if fires_on.date_naive() == change.naive_local().date() {
        return Some(change);
    }
    cron.find_next_occurrence(&change, true).ok()
}

/// Microseconds since 1970, rounded up, so that the firing after an instant is always later.
pub(super) fn micros(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX)
}

pub(super) fn instant(micros: u64) -> SystemTime {
    UNIX_EPOCH
        .checked_add(Duration::from_micros(micros))
        .unwrap_or(UNIX_EPOCH)
}

/// The first firing after `after`.
pub(super) fn following(schedule: &dyn Schedule, after: u64) -> Result<Option<u64>> {
    let Some(next) = schedule.next(instant(after)).map(micros) else {
        return Ok(None);
    };
    if next > after {
        return Ok(Some(next));
    }
    Err(Error::invalid_config(
        "the schedule of the job named an instant that is not after the one that it was asked about, so it would never end: \
         return a later one, or None",
    ))
}

/// The latest firing up to `now`. `first` is a firing, and the result is at least `first`.
pub(super) fn latest(schedule: &dyn Schedule, first: u64, now: u64) -> Result<u64> {
    // Find the smallest window before now that contains a firing, instead of iterating over a dense
    // schedule from `first`.
    let mut window = 1_000;
    let mut firing = loop {
        let from = now.saturating_sub(window);
        if from <= first {
            break first;
        }
        match following(schedule, from)? {
            Some(firing) if firing <= now => break firing,
            _ => window *= 2,
        }
    };
    while let Some(next) = following(schedule, firing)?.filter(|next| *next <= now) {
        firing = next;
    }
    Ok(firing)
}

/// How many firings are between two instants, both excluded. Counts at most `most` of them.
pub(super) fn between(schedule: &dyn Schedule, after: u64, before: u64, most: u64) -> Result<u64> {
    let (mut count, mut firing) = (0, after);
    while count < most
        && let Some(next) = following(schedule, firing)?.filter(|next| *next < before)
    {
        (count, firing) = (count + 1, next);
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_period_is_aligned_to_the_epoch() {
        let every = Duration::from_secs(10);
        assert_eq!(following(&every, 0).ok(), Some(Some(10 * SECOND)));
        assert_eq!(following(&every, 10 * SECOND).ok(), Some(Some(20 * SECOND)));
        assert_eq!(
            following(&every, 10 * SECOND - 1).ok(),
            Some(Some(10 * SECOND))
        );
        assert_eq!(following(&Duration::ZERO, 5).ok(), Some(None));
        assert_eq!(following(&Duration::MAX, 5).ok(), Some(None));
    }

    #[test]
    fn an_instant_between_microseconds_fires_once() {
        let at = UNIX_EPOCH + Duration::from_nanos(1_500);
        let once = move |after| Some(at).filter(|at| *at > after);
        assert_eq!(following(&once, 0).ok(), Some(Some(2)));
        assert_eq!(following(&once, 2).ok(), Some(None));
    }

    #[test]
    fn the_latest_firing_is_found_without_iterating_from_the_first() {
        let every = Duration::from_millis(1);
        let year = 365 * 86_400 * SECOND;
        assert_eq!(latest(&every, 1_000, year + 300).ok(), Some(year));
        let rare = |after: SystemTime| {
            let at = [3 * SECOND, 7 * SECOND, 90 * SECOND].map(instant);
            at.into_iter().find(|at| *at > after)
        };
        assert_eq!(
            latest(&rare, 3 * SECOND, 80 * SECOND).ok(),
            Some(7 * SECOND)
        );
        assert_eq!(
            latest(&rare, 7 * SECOND, 90 * SECOND).ok(),
            Some(90 * SECOND)
        );
    }

    #[test]
    fn firings_between_two_instants_are_counted_up_to_a_limit() {
        let every = Duration::from_secs(10);
        let count = |after, before| between(&every, after * SECOND, before * SECOND, 5).ok();
        assert_eq!(count(10, 40), Some(2));
        assert_eq!(count(10, 41), Some(3));
        assert_eq!(count(10, 20), Some(0));
        assert_eq!(count(40, 10), Some(0));
        assert_eq!(count(0, 1_000_000_000), Some(5));
    }

    #[test]
    fn a_schedule_that_does_not_advance_is_named() {
        let stuck = |after| Some(after);
        let error = following(&stuck, 7).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains("not after the one")));
    }
}

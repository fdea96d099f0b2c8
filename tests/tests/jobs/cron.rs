//! Cron patterns with a time zone, over changes of the clocks in both directions.

use std::time::SystemTime;

use chrono::{
    DateTime, FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta,
    TimeZone, Utc,
};
use croner::Cron;
use redlock::job::{Overlap, Schedule};

use super::{Ran, job, run_for, seconds};

/// A zone whose clocks change at 23:00 UTC on the 14th of November 2023, three quarters of an hour after the time at which the
/// clock of seeded nodes begins: forward from 2 to 3 o'clock, or back from 3 to 2, or by a whole day as in Samoa in 2011: from noon
/// to noon, or over the 14th.
#[derive(Clone, Copy, Debug)]
enum Zone {
    Forward,
    Back,
    FromNoonToNoon,
    OverTheDay,
}

impl Zone {
    /// The hours ahead of UTC before and after the change.
    fn hours(self) -> [i32; 2] {
        match self {
            Self::Forward => [3, 4],
            Self::Back => [4, 3],
            Self::FromNoonToNoon => [-11, 13],
            Self::OverTheDay => [-23, 1],
        }
    }
}

/// Chrono creates a zone from an offset, which has to know its zone.
#[derive(Clone, Copy, Debug)]
struct Offset(Zone, FixedOffset);

impl chrono::Offset for Offset {
    fn fix(&self) -> FixedOffset {
        self.1
    }
}

fn utc(day: u32, hour: u32, minute: u32) -> NaiveDateTime {
    let day = NaiveDate::from_ymd_opt(2023, 11, day).expect("a day");
    day.and_hms_opt(hour, minute, 0).expect("a time")
}

fn offset(hours: i32) -> FixedOffset {
    FixedOffset::east_opt(hours * 3600).expect("an offset")
}

impl TimeZone for Zone {
    type Offset = Offset;

    fn from_offset(offset: &Offset) -> Self {
        offset.0
    }

    fn offset_from_utc_datetime(&self, at: &NaiveDateTime) -> Offset {
        let [before, after] = self.hours();
        let is_before = *at < utc(14, 23, 0);
        Offset(*self, offset(if is_before { before } else { after }))
    }

    fn offset_from_utc_date(&self, day: &NaiveDate) -> Offset {
        self.offset_from_utc_datetime(&day.and_time(NaiveTime::MIN))
    }

    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> MappedLocalTime<Offset> {
        let [before, after] = self.hours().map(|hours| {
            let at = *local - TimeDelta::hours(hours.into());
            let there = self.offset_from_utc_datetime(&at);
            (there.1 == offset(hours)).then_some(there)
        });
        match (before, after) {
            (None, None) => MappedLocalTime::None,
            (Some(one), None) | (None, Some(one)) => MappedLocalTime::Single(one),
            (Some(earlier), Some(later)) => MappedLocalTime::Ambiguous(earlier, later),
        }
    }

    fn offset_from_local_date(&self, day: &NaiveDate) -> MappedLocalTime<Offset> {
        self.offset_from_local_datetime(&day.and_time(NaiveTime::MIN))
    }
}

fn cron(pattern: &str) -> Cron {
    pattern.parse().expect("a pattern")
}

/// The instants at which a job runs in the two hours around the change.
async fn ran(schedule: impl Schedule) -> Vec<NaiveDateTime> {
    let (_nodes, redlock, _) = job().await;
    let job = redlock.job("daily", schedule).overlap(Overlap::Queue);
    let ran = Ran::default();
    run_for(&job, seconds(2 * 3600), &ran).await;
    ran.all()
        .into_iter()
        .map(|firing| naive(firing.at()))
        .collect()
}

fn naive(at: SystemTime) -> NaiveDateTime {
    DateTime::<Utc>::from(at).naive_utc()
}

#[tokio::test(start_paused = true)]
async fn a_job_at_a_time_of_day_that_is_skipped_runs_once() {
    let daily = (cron("30 2 * * *"), Zone::Forward);
    assert_eq!(ran(daily).await, [utc(14, 23, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_day_is_skipped_runs_once_right_after_it() {
    for zone in [Zone::FromNoonToNoon, Zone::OverTheDay] {
        let daily = (cron("30 2 * * *"), zone);
        let ran = ran(daily).await;
        assert!(ran.contains(&utc(14, 23, 0)), "{zone:?}: {ran:?}");
    }
}

#[test]
fn a_day_that_is_skipped_does_not_end_a_schedule() {
    let daily = cron("30 2 * * *");
    let noon = [
        utc(13, 13, 30),
        utc(14, 13, 30),
        utc(14, 23, 0),
        utc(15, 13, 30),
    ];
    assert_eq!(instants(&(daily.clone(), Zone::FromNoonToNoon)), noon);
    let midnight = [
        utc(13, 1, 30),
        utc(14, 1, 30),
        utc(14, 23, 0),
        utc(15, 1, 30),
    ];
    assert_eq!(instants(&(daily, Zone::OverTheDay)), midnight);
    // The 14th of the month does not exist.
    let monthly = (cron("30 2 14 * *"), Zone::OverTheDay);
    let next = monthly.next(SystemTime::from(utc(14, 2, 0).and_utc()));
    let december = NaiveDate::from_ymd_opt(2023, 12, 14).expect("a day");
    let expected = december.and_hms_opt(1, 30, 0).expect("a time");
    assert_eq!(next.map(naive), Some(expected));
}

#[tokio::test(start_paused = true)]
async fn a_job_at_a_time_of_day_that_occurs_twice_runs_once() {
    let daily = (cron("30 2 * * *"), Zone::Back);
    assert_eq!(ran(daily).await, [utc(14, 22, 30)]);
}

#[tokio::test(start_paused = true)]
async fn an_hourly_job_runs_in_each_hour_that_exists() {
    let hours = [utc(14, 23, 0), utc(15, 0, 0)];
    for zone in [
        Zone::Forward,
        Zone::Back,
        Zone::FromNoonToNoon,
        Zone::OverTheDay,
    ] {
        assert_eq!(ran((cron("0 * * * *"), zone)).await, hours, "{zone:?}");
    }
}

/// The first instants of a schedule, from the 13th on.
fn instants(schedule: &impl Schedule) -> [NaiveDateTime; 4] {
    let mut at = SystemTime::from(utc(13, 0, 0).and_utc());
    std::array::from_fn(|_| {
        at = schedule.next(at).expect("a firing");
        naive(at)
    })
}

#[test]
fn a_time_of_day_is_one_instant_on_each_day() {
    let daily = cron("30 2 * * *");
    let forward = [
        utc(13, 23, 30),
        utc(14, 23, 0),
        utc(15, 22, 30),
        utc(16, 22, 30),
    ];
    assert_eq!(instants(&(daily.clone(), Zone::Forward)), forward);
    let back = [
        utc(13, 22, 30),
        utc(14, 22, 30),
        utc(15, 23, 30),
        utc(16, 23, 30),
    ];
    assert_eq!(instants(&(daily.clone(), Zone::Back)), back);
    let in_utc = [13, 14, 15, 16].map(|day| utc(day, 2, 30));
    assert_eq!(instants(&daily), in_utc);
}

#[test]
fn a_pattern_that_matches_nothing_has_no_firing() {
    let never = cron("0 0 30 2 *");
    assert_eq!(Schedule::next(&never, SystemTime::UNIX_EPOCH), None);
}

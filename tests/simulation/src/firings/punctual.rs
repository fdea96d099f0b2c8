//! After the faults, each firing runs in time, unless the options of the job leave it out.
//!
//! All times are microseconds since 1970, by the slowest clock of all nodes.

use std::ops::{Range, RangeInclusive};

use redlock::job::{Missed, Overlap};

use super::{PERIOD, Plan};

/// How long after a firing is due, and an earlier one has ended, its body begins. It is less than a period, so that
/// the next firing does not replace it.
const LATE: i64 = 200_000;
/// A few bodies begin later, since all replicas compete for the lock.
const FEW: usize = 2;
/// No body begins later than that.
const LATEST: i64 = 1_000_000;

/// When a body ran.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ran {
    pub(super) firing: i64,
    pub(super) began: i64,
    pub(super) ended: i64,
}

/// How far the clock that the replicas share is ahead of the slowest one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead {
    /// That of a replica which learned the time of a node from a late reply may be behind.
    pub(super) least: i64,
    pub(super) usual: i64,
    pub(super) most: i64,
}

/// The firings that were due in the time without faults and were not run in time.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Missing {
    /// Not run at all, or more than [`LATEST`] after they could run.
    pub(super) not_run: Vec<i64>,
    /// Run late. Empty if these are at most [`FEW`].
    pub(super) late: Vec<i64>,
}

/// `ran` is in the order in which the bodies began.
pub(super) fn missing(plan: Plan, ran: &[Ran], calm: &Range<i64>, ahead: Ahead) -> Missing {
    let period = i64::try_from(PERIOD.as_micros()).expect("short");
    let first = (calm.start + ahead.most) / period + 1;
    let all = (first..).map(|number| number * period);
    let all = all.take_while(|at| *at < calm.end + ahead.least - LATEST);
    let (mut missing, mut late) = (Missing::default(), Vec::new());
    for at in all {
        if !is_settled(plan, ran, at, LATEST, calm.end, ahead.least..=ahead.most) {
            missing.not_run.push(at);
        } else if !is_settled(plan, ran, at, LATE, calm.end, ahead.usual..=ahead.most) {
            late.push(at);
        }
    }
    if late.len() > FEW {
        missing.late = late;
    }
    missing
}

/// Whether a firing has run up to `late` after it could run, or was left out.
fn is_settled(
    plan: Plan,
    ran: &[Ran],
    at: i64,
    late: i64,
    now: i64,
    ahead: RangeInclusive<i64>,
) -> bool {
    let earlier = ran.iter().rev().find(|run| run.firing < at);
    if plan.overlap == Overlap::Skip
        && earlier
            .is_some_and(|run| run.began + ahead.start() < at && at <= run.ended + ahead.end())
    {
        return true;
    }
    let free = earlier.map_or(0, |run| run.ended);
    let limit = free.max(at - ahead.start()) + late;
    let mut in_time = ran.iter().filter(|run| run.began <= limit);
    limit >= now
        || in_time.any(|run| match plan.missed {
            Missed::All => run.firing == at,
            // A later one replaces it.
            _ => run.firing >= at,
        })
}

#[cfg(test)]
mod tests {
    use redlock::job::OnCrash;

    use super::*;

    const MS: i64 = 1_000;

    fn plan(missed: Missed, overlap: Overlap) -> Plan {
        Plan {
            nodes: 3,
            replicas: 2,
            on_crash: OnCrash::Rerun,
            missed,
            overlap,
            forgets: false,
        }
    }

    /// Each firing of three seconds, due 100 ms before its instant by the slowest clock, with a body of 60 ms.
    fn all_in_time() -> Vec<Ran> {
        let run = |number: i64| Ran {
            firing: number * 250 * MS,
            began: (number * 250 - 90) * MS,
            ended: (number * 250 - 30) * MS,
        };
        (0..=12).map(run).collect()
    }

    fn missing(missed: Missed, overlap: Overlap, ran: &[Ran]) -> Missing {
        let ahead = Ahead {
            least: -250 * MS,
            usual: 100 * MS,
            most: 110 * MS,
        };
        super::missing(plan(missed, overlap), ran, &(0..3_000 * MS), ahead)
    }

    fn not_run(at: i64) -> Missing {
        let not_run = vec![at * MS];
        Missing {
            not_run,
            ..Missing::default()
        }
    }

    #[test]
    fn a_firing_that_did_not_run_is_found() {
        for overlap in [Overlap::Queue, Overlap::Skip, Overlap::Cancel] {
            let mut ran = all_in_time();
            assert_eq!(missing(Missed::All, overlap, &ran), Missing::default());
            ran.remove(4);
            assert_eq!(missing(Missed::All, overlap, &ran), not_run(1_000));
            // The next one may have run in its place.
            assert_eq!(missing(Missed::Once, overlap, &ran), Missing::default());
        }
    }

    #[test]
    fn a_firing_is_skipped_while_an_earlier_one_runs() {
        let mut ran = all_in_time();
        ran[3].ended = ran[3].began + 240 * MS;
        ran.remove(4);
        assert_eq!(
            missing(Missed::All, Overlap::Skip, &ran),
            Missing::default()
        );
        assert_eq!(missing(Missed::All, Overlap::Queue, &ran), not_run(1_000));
        ran[3].ended = ran[3].began + 220 * MS;
        assert_eq!(missing(Missed::All, Overlap::Skip, &ran), not_run(1_000));
    }

    #[test]
    fn a_few_firings_are_replaced_or_late() {
        let mut ran = all_in_time();
        ran.retain(|run| ![2, 4, 6].contains(&(run.firing / (250 * MS))));
        let found = missing(Missed::Once, Overlap::Skip, &ran);
        assert_eq!(found.late, [500 * MS, 1_000 * MS, 1_500 * MS]);
        let mut ran = all_in_time();
        ran[4].began += 500 * MS;
        assert_eq!(
            missing(Missed::All, Overlap::Queue, &ran),
            Missing::default()
        );
        ran[4].began += 900 * MS;
        assert_eq!(missing(Missed::All, Overlap::Queue, &ran), not_run(1_000));
    }
}

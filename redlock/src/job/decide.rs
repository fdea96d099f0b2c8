//! The pure decision what to do under the lock of a job, from its record and the time.

use super::{
    record::{LastRun, Record},
    rules::{Missed, OnCrash, Overlap, Rules},
    schedule::{Schedule, between, following, latest},
};
use crate::error::Result;

/// How many firings are counted at once: after an outage a dense schedule has millions.
const COUNTED: u64 = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// There is no record. Record that all firings up to this instant are spent.
    Begin { spent: u64 },
    /// Run this firing. `again`: it was started before, by a replica that crashed or lost the lock.
    Run { firing: u64, again: bool },
    /// The open run crashed and is not run again. Record that.
    Crashed,
    /// Nothing is due before this firing, or ever if there is none.
    Wait { next: Option<u64> },
}

/// `now` is the time of the clock that all replicas share up to the `skew`.
pub(super) fn decide(
    record: Option<&Record>,
    schedule: &dyn Schedule,
    rules: &Rules,
    now: u64,
    skew: u64,
) -> Result<Decision> {
    let Some(record) = record else {
        // A replica whose clock is ahead may have run the firings that are due by then.
        return Ok(Decision::Begin {
            spent: now.saturating_add(skew),
        });
    };
    let from = record.spent.max(rules.oldest(now).saturating_sub(1));
    let next = following(schedule, from)?;
    let due = next.filter(|next| *next <= now);
    if let Some(open) = record.open_run() {
        return Ok(match due {
            _ if runs_again(open, rules, now, due) => Decision::Run {
                firing: open.firing,
                again: true,
            },
            Some(_) => run(schedule, rules, due, now)?.unwrap_or(Decision::Crashed),
            None => Decision::Crashed,
        });
    }
    Ok(run(schedule, rules, due, now)?.unwrap_or(Decision::Wait { next }))
}

/// Whether a firing whose replica crashed is run again. A newer one replaces it, unless all are to
/// be run.
fn runs_again(open: &LastRun, rules: &Rules, now: u64, due: Option<u64>) -> bool {
    rules.on_crash == OnCrash::Rerun
        && open.firing >= now.saturating_sub(rules.catch_up)
        && (rules.missed == Missed::All || due.is_none())
}

fn run(
    schedule: &dyn Schedule,
    rules: &Rules,
    due: Option<u64>,
    now: u64,
) -> Result<Option<Decision>> {
    let Some(first) = due else {
        return Ok(None);
    };
    let firing = match rules.missed {
        Missed::All => first,
        Missed::Once | Missed::Skip => latest(schedule, first, now)?,
    };
    Ok(Some(Decision::Run {
        firing,
        again: false,
    }))
}

/// The instant up to which firings are spent once `firing`, which began at `started`, has ended.
pub(super) fn spent_after(
    firing: u64,
    schedule: &dyn Schedule,
    rules: &Rules,
    started: u64,
    ended: u64,
) -> Result<u64> {
    if rules.overlap != Overlap::Skip {
        return Ok(firing);
    }
    // Firings that were due before it began are not skipped. With `Missed::All` they are still to
    // be run.
    let waiting = following(schedule, firing)?.is_some_and(|next| next <= started);
    Ok(match waiting {
        true => firing,
        false => firing.max(ended),
    })
}

/// Counts the firings before `before` that nobody ran and that nobody counted. Returns how many these
/// are, at most [`COUNTED`].
pub(super) fn count_missed(
    record: &mut Record,
    schedule: &dyn Schedule,
    before: u64,
) -> Result<u64> {
    let from = record.spent.max(record.counted);
    let missed = between(schedule, from, before, COUNTED)?;
    record.missed = record.missed.saturating_add(missed);
    record.counted = record.counted.max(before.saturating_sub(1));
    Ok(missed)
}

/// Counts the firings after `firing` that its end leaves out, since `spent` is beyond them.
pub(super) fn count_skipped(
    record: &mut Record,
    schedule: &dyn Schedule,
    firing: u64,
    spent: u64,
) -> Result<u64> {
    let skipped = between(schedule, firing, spent.saturating_add(1), COUNTED)?;
    record.skipped = record.skipped.saturating_add(skipped);
    Ok(skipped)
}

/// The next firing, to be recorded.
pub(super) fn next_of(
    record: &Record,
    schedule: &dyn Schedule,
    rules: &Rules,
) -> Result<Option<u64>> {
    following(schedule, record.spent.max(rules.due_by(record.written)))
}

/// What this replica and the one that wrote a record do not have in common.
pub(super) struct Difference {
    pub(super) ours: String,
    pub(super) theirs: String,
}

/// How a record differs from what this replica would have written: by its options, or by its schedule.
pub(super) fn differs(
    record: &Record,
    schedule: &dyn Schedule,
    rules: &Rules,
) -> Option<Difference> {
    let (ours, theirs) = (rules.to_string(), record.settings.clone()?);
    if ours != theirs {
        return Some(Difference { ours, theirs });
    }
    let next = next_of(record, schedule, rules).ok()?;
    let text = |next: Option<u64>| match next {
        Some(next) => format!("next firing {next}"),
        None => "no next firing".to_owned(),
    };
    (next != record.next).then(|| Difference {
        ours: text(next),
        theirs: text(record.next),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::record::RunState, *};

    const SECOND: u64 = 1_000_000;
    const EVERY: Duration = Duration::from_secs(10);
    const SKEW: u64 = 5 * SECOND;

    fn rules() -> Rules {
        Rules {
            catch_up: 60 * SECOND,
            late: 3 * SECOND,
            ..Rules::default()
        }
    }

    fn at(seconds: u64, spent: u64, open: Option<u64>, rules: &Rules) -> Decision {
        let record = Record {
            spent: spent * SECOND,
            last: open.map(|firing| LastRun {
                firing: firing * SECOND,
                started: firing * SECOND,
                ended: None,
                state: RunState::Running,
                attempts: 1,
                label: None,
                error: None,
            }),
            ..Record::default()
        };
        decide(Some(&record), &EVERY, rules, seconds * SECOND, SKEW).expect("a schedule")
    }

    fn run(firing: u64) -> Decision {
        Decision::Run {
            firing: firing * SECOND,
            again: false,
        }
    }

    fn again(firing: u64) -> Decision {
        Decision::Run {
            firing: firing * SECOND,
            again: true,
        }
    }

    #[test]
    fn without_a_record_firings_within_the_skew_are_not_run() {
        let decision = decide(None, &EVERY, &rules(), 100 * SECOND, SKEW);
        assert_eq!(
            decision.ok(),
            Some(Decision::Begin {
                spent: 105 * SECOND
            })
        );
    }

    #[test]
    fn the_latest_missed_firing_is_run_or_all_or_none() {
        assert_eq!(at(139, 100, None, &rules()), run(130));
        let each = Rules {
            missed: Missed::All,
            ..rules()
        };
        assert_eq!(at(139, 100, None, &each), run(110));
        let none = Rules {
            missed: Missed::Skip,
            ..rules()
        };
        assert_eq!(
            at(139, 100, None, &none),
            Decision::Wait {
                next: Some(140 * SECOND)
            }
        );
        assert_eq!(at(142, 100, None, &none), run(140));
    }

    #[test]
    fn nothing_older_than_the_window_is_run() {
        let each = Rules {
            missed: Missed::All,
            ..rules()
        };
        assert_eq!(at(200, 100, None, &each), run(140));
        assert_eq!(at(201, 100, None, &each), run(150));
    }

    #[test]
    fn a_spent_firing_is_not_run() {
        assert_eq!(
            at(139, 130, None, &rules()),
            Decision::Wait {
                next: Some(140 * SECOND)
            }
        );
        assert_eq!(at(140, 130, None, &rules()), run(140));
        assert_eq!(
            at(139, 150, None, &rules()),
            Decision::Wait {
                next: Some(160 * SECOND)
            }
        );
    }

    #[test]
    fn a_missed_firing_is_counted_once() {
        let mut record = Record {
            spent: 100 * SECOND,
            ..Record::default()
        };
        let mut count = |before: u64| count_missed(&mut record, &EVERY, before * SECOND).ok();
        assert_eq!(count(140), Some(3));
        assert_eq!(count(140), Some(0));
        assert_eq!(count(141), Some(1));
        assert_eq!(count(120), Some(0));
        assert_eq!(count(1_000_000), Some(COUNTED));
        assert_eq!(record.missed, 4 + COUNTED);
    }

    #[test]
    fn a_crashed_firing_is_run_again_until_a_newer_one_replaces_it() {
        assert_eq!(at(135, 130, Some(130), &rules()), again(130));
        assert_eq!(at(141, 130, Some(130), &rules()), run(140));
        let each = Rules {
            missed: Missed::All,
            ..rules()
        };
        assert_eq!(at(141, 130, Some(130), &each), again(130));
        assert_eq!(at(191, 130, Some(130), &each), run(140), "beyond catch_up");
    }

    #[test]
    fn under_skip_a_crashed_firing_is_spent() {
        let skip = Rules {
            on_crash: OnCrash::Skip,
            ..rules()
        };
        assert_eq!(at(135, 130, Some(130), &skip), Decision::Crashed);
        assert_eq!(at(141, 130, Some(130), &skip), run(140));
    }

    #[test]
    fn firings_that_are_due_during_a_run_are_skipped_or_kept() {
        let after = |rules: &Rules, started: u64| {
            let spent = spent_after(100 * SECOND, &EVERY, rules, started * SECOND, 135 * SECOND);
            spent.expect("a schedule") / SECOND
        };
        assert_eq!(after(&rules(), 101), 135);
        assert_eq!(after(&rules(), 111), 100, "one was waiting already");
        let queue = Rules {
            overlap: Overlap::Queue,
            ..rules()
        };
        assert_eq!(after(&queue, 101), 100);
    }
}

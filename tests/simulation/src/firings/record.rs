//! What ran in a history, and the invariants of it.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rand::RngExt;
use redlock::{
    Held,
    job::{Firing, JobStatus, OnCrash, RunState},
};
use tokio::time::{Instant, sleep};

use super::{
    Counts, Happened, PERIOD, Plan, SKEW,
    clocks::Clocks,
    punctual::{Ahead, Missing, Ran, missing},
};
use crate::plan::{Dice, some_ms};

pub(super) struct Record {
    plan: Plan,
    /// The slowest clock of all nodes, in microseconds since 1970, and when it showed that.
    clock: (u64, Instant),
    inside: Mutex<Inside>,
}

struct Inside {
    dice: Dice,
    /// In the order in which they began.
    runs: Vec<Run>,
    /// The firings that were on record as the last one.
    started: BTreeSet<u64>,
    /// The firings that are on record as ended.
    ended: BTreeSet<u64>,
    counts: Counts,
    violations: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    /// In microseconds since 1970.
    firing: u64,
    token: u64,
    /// By the slowest clock.
    began: u64,
    /// When its body ended, or will end.
    ends: u64,
    completed: bool,
}

impl Record {
    pub(super) fn new(plan: Plan, clock: u64, dice: Dice) -> Self {
        Self {
            plan,
            clock: (clock, Instant::now()),
            inside: Mutex::new(Inside {
                dice,
                runs: Vec::new(),
                started: BTreeSet::new(),
                ended: BTreeSet::new(),
                counts: Counts::default(),
                violations: Vec::new(),
            }),
        }
    }

    fn inside<T>(&self, change: impl FnOnce(&mut Inside) -> T) -> T {
        change(&mut self.inside.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn count(&self, what: Happened) {
        self.inside(|inside| inside.counts.add(what));
    }

    pub(super) fn counts(&self) -> Counts {
        self.inside(|inside| inside.counts)
    }

    pub(super) fn runs(&self) -> usize {
        self.inside(|inside| inside.runs.len())
    }

    pub(super) fn violation(&self, text: String) {
        self.inside(|inside| inside.violations.push(text));
    }

    pub(super) fn violations(&self) -> Vec<String> {
        self.inside(|inside| inside.violations.clone())
    }

    /// The time by the slowest clock.
    pub(super) fn now(&self) -> u64 {
        let (clock, since) = self.clock;
        clock + micros_of(since.elapsed())
    }

    /// After all faults, each firing runs in time. `calm`: the time without faults so far.
    pub(super) fn punctual(&self, calm: Duration, clocks: &Clocks) {
        let time = |micros: u64| i64::try_from(micros).expect("this century");
        let length = |length: Duration| time(micros_of(length));
        let now = time(self.now());
        let (usual, most) = clocks.ahead();
        let ahead = Ahead {
            least: -length(SKEW),
            usual: length(usual),
            most: length(most),
        };
        self.inside(|inside| {
            let ran = inside.runs.iter().map(|run| Ran {
                firing: time(run.firing),
                began: time(run.began),
                ended: time(run.ends),
            });
            let ran: Vec<Ran> = ran.collect();
            let calm = now - length(calm)..now;
            let missing = missing(self.plan, &ran, &calm, ahead);
            if missing != Missing::default() {
                let text = format!("in {calm:?}: {missing:?}, clocks {ahead:?}: {ran:?}");
                inside.violations.push(text);
            }
        });
    }

    /// The body of a firing.
    pub(super) async fn body(&self, firing: Firing, held: Held, is_busy: &AtomicBool) {
        let (number, steps) = self.begin(firing, &held);
        is_busy.store(true, Relaxed);
        let _dropped = Dropped {
            record: self,
            number,
            is_busy,
        };
        for step in steps {
            sleep(step).await;
            self.continues(number);
        }
        self.inside(|inside| inside.runs[number].completed = true);
    }

    /// Returns the number of the run, and how long the steps of its body take.
    fn begin(&self, firing: Firing, held: &Held) -> (usize, Vec<Duration>) {
        let (at, token) = (micros(firing.at()), held.token().get());
        let (clock, now) = (self.clock.0, self.now());
        let (period, skew) = (PERIOD.as_micros(), SKEW.as_micros());
        let (period, skew) = (period as u64, skew as u64);
        self.inside(|inside| {
            let Inside { runs, ended, .. } = inside;
            let mut wrong = Vec::new();
            let before = runs.iter().filter(|run| run.firing == at).count();
            if before > 0 && self.plan.on_crash == OnCrash::Skip {
                wrong.push("twice");
            }
            if before > 0 && !firing.is_rerun() {
                wrong.push("again, and it does not say so");
            }
            if ended.contains(&at) {
                wrong.push("although it is on record as ended");
            }
            if runs.last().is_some_and(|last| last.token >= token) {
                wrong.push("with an old token");
            }
            if runs.iter().any(|run| run.firing > at) {
                wrong.push("after a later one");
            }
            if at < clock + skew {
                wrong.push("although it was due before the first deployment");
            }
            if at > now + skew {
                wrong.push("too early");
            }
            let wrong = wrong.into_iter();
            let wrong = wrong.map(|wrong| format!("{at} at {now} runs {wrong}: {runs:?}"));
            inside.violations.extend(wrong);
            let last = runs.last().map_or(at, |last| last.firing);
            let counts = [
                (Happened::Again, firing.is_rerun()),
                (Happened::Late, at + period < now),
                (Happened::Early, at > now),
                (Happened::Collapsed, at > last + period),
                (
                    Happened::CaughtUp,
                    at == last + period && at + 2 * period < now,
                ),
            ];
            for (what, _) in counts.into_iter().filter(|(_, happened)| *happened) {
                inside.counts.add(what);
            }
            let steps = some_steps(&mut inside.dice);
            inside.runs.push(Run {
                firing: at,
                token,
                began: now,
                ends: now + micros_of(steps.iter().sum()),
                completed: false,
            });
            (inside.runs.len() - 1, steps)
        })
    }

    /// A body continues after an await.
    fn continues(&self, number: usize) {
        self.inside(|inside| {
            if let Some(later) = inside.runs.get(number + 1) {
                let text = format!("{:?} continues beside {later:?}", inside.runs[number]);
                inside.violations.push(text);
            }
        });
    }

    /// This is on record.
    pub(super) fn seen(&self, status: &JobStatus) {
        let last = status.last.as_ref();
        let started = last.map(|last| micros(last.firing));
        let last = last.filter(|last| last.ended.is_some());
        let last = last.map(|last| (micros(last.firing), last.state));
        let completed = status.last_completed.map(micros);
        self.inside(|inside| {
            inside.started.extend(started);
            for firing in completed.into_iter().chain(last.map(|(firing, _)| firing)) {
                if !inside.ended.insert(firing) {
                    continue;
                }
                let state = last
                    .filter(|(last, _)| *last == firing)
                    .map(|(_, state)| state);
                inside.counts.add(match state {
                    Some(RunState::Crashed) => Happened::Crashed,
                    Some(RunState::Cancelled) => Happened::Cancelled,
                    _ => Happened::Completed,
                });
            }
        });
    }

    /// After all faults, everything that was due has run.
    pub(super) fn end(&self, status: &JobStatus) {
        let rerun = self.plan.on_crash == OnCrash::Rerun;
        self.inside(|inside| {
            let Inside { runs, started, .. } = &*inside;
            let ran: BTreeSet<u64> = runs.iter().map(|run| run.firing).collect();
            let unbegun = started.difference(&ran).count();
            let completed = runs.iter().filter(|run| run.completed);
            let completed: BTreeSet<u64> = completed.map(|run| run.firing).collect();
            let (Some(first), Some(last)) = (ran.first(), ran.last()) else {
                return inside.violations.push("nothing ran".to_owned());
            };
            // The last one may be running.
            let period = usize::try_from(PERIOD.as_micros()).expect("short");
            let not_run = (*first..*last).step_by(period);
            let not_run: Vec<u64> = not_run.filter(|at| !completed.contains(at)).collect();
            // Under `skip`, a firing is spent once its start may be on record.
            let is_wrong = rerun && !not_run.is_empty() || status.missed > 0;
            if self.plan.runs_all() && is_wrong {
                let text = format!(
                    "{not_run:?} did not run, {} missed: {runs:?}",
                    status.missed
                );
                inside.violations.push(text);
            }
            for _ in 0..unbegun {
                inside.counts.add(Happened::Unbegun);
            }
        });
    }
}

/// Counts a body that is dropped before its end.
struct Dropped<'a> {
    record: &'a Record,
    number: usize,
    is_busy: &'a AtomicBool,
}

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.is_busy.store(false, Relaxed);
        let now = self.record.now();
        self.record.inside(|inside| {
            let run = &mut inside.runs[self.number];
            run.ends = run.ends.min(now);
            if !run.completed {
                inside.counts.add(Happened::Dropped);
            }
        });
    }
}

/// How long the steps of a body take.
fn some_steps(dice: &mut Dice) -> Vec<Duration> {
    let steps = dice.random_range(0..=6);
    // Some take longer than a period.
    let longest = if dice.random_bool(0.1) { 90 } else { 40 };
    (0..steps).map(|_| some_ms(dice, 1..=longest)).collect()
}

fn micros_of(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).expect("a short time")
}

fn micros(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).expect("this century")
}

//! A load: so many tasks that lock, do something, and unlock, for so long; and what came of it.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Barrier, task::JoinSet, time::timeout};

use crate::{body::Body, contender::Session, meter, outcome::Outcome, stats::Sorted};

/// How long a task may still wait for its last lock when the time is over.
const DRAIN: Duration = Duration::from_secs(3);

/// What to run.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) tasks: usize,
    pub(crate) keys: Keys,
    /// How long the lock is held by the body; zero: nothing is done under it.
    pub(crate) body: Duration,
    pub(crate) time: Duration,
}

/// Which keys the tasks lock.
#[derive(Clone)]
pub(crate) enum Keys {
    /// All the same.
    One(String),
    /// Each its own, with this prefix.
    Each(String),
}

impl Keys {
    pub(crate) fn of(&self, task: usize) -> String {
        match self {
            Self::One(key) => key.clone(),
            Self::Each(prefix) => format!("{prefix}-{task}"),
        }
    }
}

/// One lock that was held; stamps of [`meter::now`].
#[derive(Clone, Copy)]
pub(crate) struct Hold {
    pub(crate) asked: u64,
    pub(crate) entered: u64,
    pub(crate) left: u64,
    /// 0 where there are no fencing tokens.
    pub(crate) token: u64,
}

/// What came of a load.
pub(crate) struct Run {
    pub(crate) time: Duration,
    /// The client's, within the time.
    pub(crate) cpu: Duration,
    /// By task, those included that ended after the time.
    pub(crate) tasks: Vec<Vec<Hold>>,
    pub(crate) end: u64,
    pub(crate) failures: Failures,
}

/// Locks that were not had.
#[derive(Default)]
pub(crate) struct Failures {
    pub(crate) count: usize,
    pub(crate) first: Option<String>,
}

impl Run {
    /// The holds that ended within the time.
    pub(crate) fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.tasks
            .iter()
            .flatten()
            .filter(|hold| hold.left <= self.end)
    }

    pub(crate) fn cycles(&self) -> usize {
        self.holds().count()
    }

    /// Per second.
    pub(crate) fn rate(&self) -> f64 {
        self.cycles() as f64 / self.time.as_secs_f64()
    }

    /// Microseconds of the client's CPU for each cycle.
    pub(crate) fn cpu_per_cycle(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.cycles() as f64
    }

    /// From asking to holding.
    pub(crate) fn waits(&self) -> Sorted {
        Sorted::new(
            self.holds()
                .map(|hold| hold.entered.saturating_sub(hold.asked))
                .collect(),
        )
    }

    /// Also those that ended after the time.
    pub(crate) fn all_cycles(&self) -> usize {
        self.tasks.iter().map(Vec::len).sum()
    }

    /// The most served task over the least served one.
    pub(crate) fn unfairness(&self) -> f64 {
        let served = self
            .tasks
            .iter()
            .map(|holds| holds.iter().filter(|hold| hold.left <= self.end).count());
        let (least, most) = served.fold((usize::MAX, 0), |(least, most), n| {
            (least.min(n), most.max(n))
        });
        most as f64 / least as f64
    }
}

/// How often two held one key at a time, and how often a token was not above the one before.
pub(crate) fn violations<'a>(holds: impl Iterator<Item = &'a Hold>) -> (usize, usize) {
    let mut holds: Vec<&Hold> = holds.collect();
    holds.sort_unstable_by_key(|hold| hold.entered);
    let overlaps = holds
        .windows(2)
        .filter(|pair| pair[1].entered < pair[0].left)
        .count();
    let stale = holds
        .windows(2)
        .filter(|pair| pair[1].token > 0 && pair[1].token <= pair[0].token)
        .count();
    (overlaps, stale)
}

/// Runs `load`, each task with a session of its own.
pub(crate) async fn drive<S: Session>(session: impl Fn() -> S, load: &Load) -> Outcome<Run> {
    let start = Arc::new(Barrier::new(load.tasks + 1));
    let mut tasks = JoinSet::new();
    for task in 0..load.tasks {
        let worker = Worker {
            key: load.keys.of(task),
            body: Body::of(load.body)?,
            time: load.time,
        };
        tasks.spawn(worker.run(session(), Arc::clone(&start), task));
    }
    start.wait().await;
    let (begun, cpu) = (meter::now(), meter::cpu());
    let end = begun + nanos(load.time);
    tokio::time::sleep(load.time).await;
    // The sleep may have been a little longer; so was the work.
    let part = load.time.as_secs_f64() * 1e9 / (meter::now() - begun) as f64;
    let cpu = (meter::cpu() - cpu).mul_f64(part);
    let mut holds = vec![Vec::new(); load.tasks];
    let mut failures = Failures::default();
    // Who still waits by then is given up with its task.
    let drained = timeout(DRAIN, async {
        while let Some(done) = tasks.join_next().await {
            let (task, held, failed) = done??;
            holds[task] = held;
            failures.count += failed.count;
            failures.first = failures.first.take().or(failed.first);
        }
        Outcome::Ok(())
    });
    if let Ok(failed) = drained.await {
        failed?;
    }
    Ok(Run {
        time: load.time,
        cpu,
        tasks: holds,
        end,
        failures,
    })
}

struct Worker {
    key: String,
    body: Body,
    time: Duration,
}

impl Worker {
    async fn run<S: Session>(
        self,
        mut session: S,
        start: Arc<Barrier>,
        task: usize,
    ) -> Outcome<(usize, Vec<Hold>, Failures)> {
        let mut holds = Vec::with_capacity(4096);
        let mut failures = Failures::default();
        start.wait().await;
        let end = meter::now() + nanos(self.time);
        loop {
            let asked = meter::now();
            if asked >= end {
                return Ok((task, holds, failures));
            }
            let (mut entered, mut left) = (0, 0);
            let mut went = Ok(());
            let body = async {
                entered = meter::now();
                went = self.body.run().await;
                left = meter::now();
            };
            let cycle = session.cycle(&self.key, body).await;
            went?;
            match cycle {
                Ok(token) => holds.push(Hold {
                    asked,
                    entered,
                    left,
                    token,
                }),
                Err(error) => {
                    failures.count += 1;
                    failures.first.get_or_insert(error.to_string());
                }
            }
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

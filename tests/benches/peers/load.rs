//! A load: so many tasks that lock, do something, and unlock, for so long; and what came of it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

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
    keep: Keep,
}

/// What is kept of the locks that were held.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    All,
    Count,
}

impl Load {
    /// With nothing done under the lock.
    pub(crate) fn new(tasks: usize, keys: Keys, time: Duration) -> Self {
        Self {
            tasks,
            keys,
            body: Duration::ZERO,
            time,
            keep: Keep::All,
        }
    }

    /// Holds the lock for so long.
    pub(crate) fn body(mut self, body: Duration) -> Self {
        self.body = body;
        self
    }

    /// Keeps no record of each lock: for where memory is what is measured.
    pub(crate) fn only_counted(mut self) -> Self {
        self.keep = Keep::Count;
        self
    }
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
    /// By task.
    pub(crate) tasks: Vec<Log>,
    pub(crate) end: u64,
}

/// What a task did.
#[derive(Clone, Default)]
pub(crate) struct Log {
    /// Also the one that ended after the time.
    pub(crate) holds: Vec<Hold>,
    /// All cycles, kept or not.
    pub(crate) cycles: usize,
    pub(crate) failed: usize,
    pub(crate) why: Option<String>,
}

impl Run {
    /// The holds that ended within the time.
    pub(crate) fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.tasks
            .iter()
            .flat_map(|log| &log.holds)
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
        self.tasks.iter().map(|log| log.cycles).sum()
    }

    /// The most served task over the least served one.
    pub(crate) fn unfairness(&self) -> f64 {
        let served = self.tasks.iter().map(|log| {
            log.holds
                .iter()
                .filter(|hold| hold.left <= self.end)
                .count()
        });
        let (least, most) = served.fold((usize::MAX, 0), |(least, most), n| {
            (least.min(n), most.max(n))
        });
        most as f64 / least as f64
    }

    /// How many cycles failed, and why the first of a task did.
    pub(crate) fn failures(&self) -> Option<(usize, &str)> {
        let why = self.tasks.iter().find_map(|log| log.why.as_deref())?;
        Some((self.tasks.iter().map(|log| log.failed).sum(), why))
    }
}

/// How often two held one key at a time. Of `strict` ones none is forgiven, nor a token that is not above the one before.
pub(crate) fn audit<'a>(
    name: &str,
    strict: bool,
    holds: impl Iterator<Item = &'a Hold>,
) -> Outcome<usize> {
    let mut holds: Vec<&Hold> = holds.collect();
    holds.sort_unstable_by_key(|hold| hold.entered);
    let pairs = || holds.windows(2).map(|pair| (pair[0], pair[1]));
    let overlaps = pairs().filter(|(a, b)| b.entered < a.left).count();
    let stale = pairs()
        .filter(|(a, b)| strict && b.token <= a.token)
        .count();
    if strict && overlaps + stale > 0 {
        return Err(format!(
            "{name}: held twice {overlaps} times, and {stale} fencing tokens did not increase"
        )
        .into());
    }
    Ok(overlaps)
}

/// Runs `load`, each task with a session of its own.
pub(crate) async fn drive<S: Session>(session: impl Fn() -> S, load: &Load) -> Outcome<Run> {
    let start = Arc::new(Barrier::new(load.tasks + 1));
    let logs: Vec<Arc<Mutex<Log>>> = (0..load.tasks).map(|_| Arc::default()).collect();
    let mut tasks = JoinSet::new();
    for (task, log) in logs.iter().enumerate() {
        let worker = Worker {
            key: load.keys.of(task),
            body: Body::of(load.body)?,
            load: load.clone(),
            log: Arc::clone(log),
        };
        tasks.spawn(worker.run(session(), Arc::clone(&start)));
    }
    start.wait().await;
    let (begun, cpu) = (meter::now(), meter::cpu());
    let end = begun + nanos(load.time);
    tokio::time::sleep(load.time).await;
    // The sleep may have been a little longer; so was the work.
    let part = load.time.as_secs_f64() * 1e9 / (meter::now() - begun) as f64;
    let cpu = (meter::cpu() - cpu).mul_f64(part);
    let drained = timeout(DRAIN, async {
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Outcome::Ok(())
    });
    // Who still waits after that is given up.
    if let Ok(failed) = drained.await {
        failed?;
    }
    Ok(Run {
        time: load.time,
        cpu,
        tasks: logs
            .iter()
            .map(|log| std::mem::take(&mut *log.lock().unwrap_or_else(PoisonError::into_inner)))
            .collect(),
        end,
    })
}

struct Worker {
    key: String,
    body: Body,
    load: Load,
    /// Shared, so that what a task did counts also where it never ends.
    log: Arc<Mutex<Log>>,
}

impl Worker {
    async fn run<S: Session>(self, mut session: S, start: Arc<Barrier>) -> Outcome<()> {
        start.wait().await;
        let end = meter::now() + nanos(self.load.time);
        loop {
            let asked = meter::now();
            if asked >= end {
                return Ok(());
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
            let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            match cycle {
                Ok(token) => {
                    log.cycles += 1;
                    if self.load.keep == Keep::All {
                        log.holds.push(Hold {
                            asked,
                            entered,
                            left,
                            token,
                        });
                    }
                }
                Err(error) => {
                    log.failed += 1;
                    log.why.get_or_insert(error.to_string());
                }
            }
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

//! Runs a scenario once for each seed, and reports the first run that fails.

use std::{fmt, time::Duration};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    time::{advance, timeout},
};

use super::{
    nemesis::{Hazard, Nemesis},
    world::{World, text_of},
};
use crate::{env::unwind::caught, memory::Nodes};

/// How old the nodes are when a scenario begins: older than the guard time, so that they count at once.
const AGE: Duration = Duration::from_secs(3_600);

/// Runs `scenario` once for each seed, each time with other faults at other times, on three nodes. [`Explorer`] has the options.
///
/// A run has paused time of its own (`tokio::time`), so one of some minutes takes milliseconds. It has one to six faults, within
/// its first six seconds. A few hundred seeds are a good test; more of them find what is rarer.
///
/// # Panics
/// If the scenario, or a process that it spawned, panics, or has not ended after an hour of its time. The message says with which
/// seed, and lists the faults. Also inside of a tokio runtime: call it in a plain `#[test]`.
///
/// # Examples
/// In the documentation of [the module](super).
#[track_caller]
pub fn explore<S, F>(seeds: impl IntoIterator<Item = u64>, scenario: S)
where
    S: Fn(World) -> F,
    F: Future<Output = ()>,
{
    Explorer::new().run(seeds, scenario);
}

/// Explores a scenario with other settings than [`explore`].
///
/// # Examples
/// Code that needs no token if no clock moves and no process is paused:
/// ```
/// use redlock::sim::{Explorer, Hazard};
/// use std::time::Duration;
///
/// let explorer = Explorer::new().nodes(5).without(Hazard::ClockShift).without(Hazard::Pause);
/// explorer.run(0..20, |world| async move {
///     let export = world.spawn(async |process: redlock::sim::Process| {
///         let lock = process.redlock().lock("export").wait(Duration::from_secs(60));
///         lock.run(async |_| "exported").await.ok()
///     });
///     assert!(matches!(export.await, None | Some(None | Some("exported"))));
/// });
/// ```
#[derive(Clone, Debug)]
pub struct Explorer {
    nodes: usize,
    hazards: Vec<Hazard>,
    faults: usize,
    limit: Duration,
}

impl Default for Explorer {
    fn default() -> Self {
        Self::new()
    }
}

impl Explorer {
    /// The settings of [`explore`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            nodes: 3,
            hazards: Hazard::ALL.to_vec(),
            faults: 6,
            limit: Duration::from_secs(3_600),
        }
    }

    /// The number of nodes. Default: 3.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    pub fn nodes(mut self, nodes: usize) -> Self {
        assert!(nodes > 0, "a lock needs a node");
        self.nodes = nodes;
        self
    }

    /// Makes no faults of this kind. Default: all kinds.
    #[must_use]
    pub fn without(mut self, hazard: Hazard) -> Self {
        self.hazards.retain(|other| *other != hazard);
        self
    }

    /// The most faults of a run. Default: 6, within at most 6 s of its time, so that the report of a failure is short. A scenario
    /// that takes longer may have more of them.
    #[must_use]
    pub fn faults(mut self, most: usize) -> Self {
        self.faults = most;
        self
    }

    /// How long a run may take, in its time, before it counts as one that does not end. Default: 1 h.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs `scenario` once for each seed.
    ///
    /// # Panics
    /// Like [`explore`].
    #[track_caller]
    pub fn run<S, F>(&self, seeds: impl IntoIterator<Item = u64>, scenario: S)
    where
        S: Fn(World) -> F,
        F: Future<Output = ()>,
    {
        if let Some(failure) = self.first_failure(seeds, scenario) {
            panic!("{failure}");
        }
    }

    /// Runs `scenario` once for each seed, until a run fails. Returns that failure, or `None` if there is none.
    ///
    /// # Panics
    /// Inside of a tokio runtime: call it in a plain `#[test]`.
    pub fn first_failure<S, F>(
        &self,
        seeds: impl IntoIterator<Item = u64>,
        scenario: S,
    ) -> Option<Failure>
    where
        S: Fn(World) -> F,
        F: Future<Output = ()>,
    {
        assert!(
            Handle::try_current().is_err(),
            "each run has a runtime of its own: call this in a plain #[test], not in a #[tokio::test]"
        );
        let mut seeds = seeds.into_iter();
        seeds.find_map(|seed| self.history(seed, &scenario))
    }

    fn history<S, F>(&self, seed: u64, scenario: &S) -> Option<Failure>
    where
        S: Fn(World) -> F,
        F: Future<Output = ()>,
    {
        let runtime = runtime();
        let nodes = {
            let _inside = runtime.enter();
            Nodes::seeded(self.nodes, seed)
        };
        runtime.block_on(advance(AGE));
        let (world, failure) = runtime.block_on(async {
            let world = World::new(seed, nodes);
            tokio::spawn(Nemesis::new(&world, &self.hazards, self.faults).strike_all());
            // The scenario may panic before it returns its future.
            let run = caught(async { scenario(world.clone()).await });
            let run = timeout(self.limit, run);
            let failure = tokio::select! {
                biased;
                message = world.inner.panic() => Some(message),
                ended = run => match ended {
                    Ok(Ok(())) => world.inner.take_panic(),
                    Ok(Err(panic)) => Some(text_of(&*panic)),
                    Err(_) => Some(format!("it has not ended after {:?}", self.limit)),
                },
            };
            (world, failure)
        });
        failure.map(|message| Failure {
            seed,
            message,
            faults: world.inner.take_faults(),
        })
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing of the system")
}

/// A run that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The seed that makes the same faults again.
    pub seed: u64,
    /// What the panic said.
    pub message: String,
    /// The faults until then, a line for each.
    pub faults: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} fails: {}", self.seed, self.message)?;
        for fault in &self.faults {
            writeln!(f, "{fault}")?;
        }
        write!(f, "run it again with the seeds [{}]", self.seed)
    }
}

impl std::error::Error for Failure {}

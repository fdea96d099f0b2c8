//! The processes of the program `replica`, and the nodes.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tests::{Cluster, eventually};
use tokio::time::sleep;

use crate::{
    SOON,
    history::{History, now},
};

/// What the clock of each replica is wrong by, in milliseconds.
const SHIFTS: [i64; 5] = [-1000, -500, 0, 500, 1000];
/// Servers report their uptime in whole seconds, and clocks differ. From then on every replica knows that what is written is
/// newer than the servers.
const OLD_ENOUGH: Duration = Duration::from_secs(7);

/// Five replicas of a service, on five nodes. Dropped: killed.
pub(crate) struct Replicas {
    running: [Option<Replica>; 5],
    pub(crate) nodes: Cluster,
    kind: &'static [&'static str],
    log: PathBuf,
    _dir: TempDir,
    started: usize,
    /// The replicas that were killed, and when.
    killed: Vec<(String, u64)>,
    pub(crate) stopped: usize,
    /// Seconds since 1970, before the first replica was started.
    pub(crate) deployed: u64,
}

struct Replica {
    name: String,
    child: Child,
}

impl Replicas {
    /// `kind`: the last arguments of the program.
    pub(crate) async fn start(kind: &'static [&'static str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let log = dir.path().join("log");
        fs::write(&log, "").expect("a file");
        let nodes = Cluster::start(5).await;
        sleep(OLD_ENOUGH).await;
        let deployed = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
        let mut replicas = Self {
            running: Default::default(),
            nodes,
            kind,
            log,
            _dir: dir,
            started: 0,
            killed: Vec::new(),
            stopped: 0,
            deployed: deployed.as_secs(),
        };
        replicas.start_all();
        replicas
    }

    pub(crate) fn start_all(&mut self) {
        for place in 0..SHIFTS.len() {
            self.start_at(place);
        }
    }

    pub(crate) fn kill_all(&mut self) {
        for place in 0..SHIFTS.len() {
            self.kill(place);
        }
    }

    fn start_at(&mut self, place: usize) {
        let name = format!("replica-{}", self.started);
        self.started += 1;
        let child = Command::new(env!("CARGO_BIN_EXE_replica"))
            .args([&self.nodes.urls().join(","), &*self.log.to_string_lossy()])
            .args([&name, &SHIFTS[place].to_string()])
            .args(self.kind)
            .stdin(Stdio::piped())
            .spawn();
        let child = child.expect("the program starts");
        self.running[place] = Some(Replica { name, child });
    }

    fn kill(&mut self, place: usize) {
        if let Some(mut replica) = self.running[place].take() {
            replica.child.kill().expect("our own child");
            replica.child.wait().expect("our own child");
            self.killed.push((replica.name, now()));
        }
    }

    /// Kills a replica, and starts another one in its place after a while.
    pub(crate) async fn replace(&mut self, place: usize, after: Duration) {
        self.kill(place);
        sleep(after).await;
        self.start_at(place);
    }

    /// Stops a replica for a while.
    pub(crate) async fn stop(&mut self, place: usize, time: Duration) {
        self.signal(place, Signal::STOP);
        sleep(time).await;
        self.signal(place, Signal::CONT);
        self.stopped += 1;
    }

    fn signal(&self, place: usize, signal: Signal) {
        let replica = self.running[place].as_ref().expect("it runs");
        let pid = i32::try_from(replica.child.id()).ok();
        let pid = pid.and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("our own child");
    }

    /// Where the body of a firing runs, after a wait for one.
    pub(crate) async fn busy(&self) -> usize {
        let start = Instant::now();
        while start.elapsed() < SOON {
            let history = self.history();
            let last = history.runs.last().filter(|run| !run.ended);
            let place = last.and_then(|run| {
                let is_it = |replica: &Option<Replica>| {
                    (replica.as_ref()).is_some_and(|replica| replica.name == run.replica)
                };
                self.running.iter().position(is_it)
            });
            if let Some(place) = place {
                return place;
            }
            sleep(Duration::from_millis(2)).await;
        }
        panic!("no firing runs for {SOON:?}");
    }

    /// How many were killed.
    pub(crate) fn killed(&self) -> usize {
        self.killed.len()
    }

    pub(crate) fn history(&self) -> History {
        History::read(&fs::read_to_string(&self.log).expect("text"), &self.killed)
    }

    /// Waits until the history is so.
    pub(crate) async fn until(&self, bound: Duration, is_so: impl Fn(&History) -> bool) {
        eventually(bound, async || is_so(&self.history())).await;
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        self.kill_all();
    }
}

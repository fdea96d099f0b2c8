//! Jobs: once per firing over all replicas, on nodes in memory under paused time and on real servers.

mod bad_input;
mod bodies;
mod counts;
mod crashes;
mod cron;
mod differing;
mod handle;
mod jitter;
mod metrics;
mod missed;
mod rare;
mod servers;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use redlock::{Job, Redlock, job::Firing, memory::Nodes};

const EVERY: Duration = Duration::from_secs(10);
const NAME: &str = "report";

/// What ran, in order.
#[derive(Clone, Debug, Default)]
struct Ran(Arc<Mutex<Vec<Firing>>>);

impl Ran {
    fn push(&self, firing: Firing) {
        self.0.lock().expect("no panic").push(firing);
    }

    fn all(&self) -> Vec<Firing> {
        self.0.lock().expect("no panic").clone()
    }

    /// The instants in seconds since the first one.
    fn seconds(&self) -> Vec<u64> {
        let all = self.all();
        let since = |firing: &Firing| firing.at().duration_since(UNIX_EPOCH).expect("later");
        let first = all.first().map(since).unwrap_or_default();
        all.iter()
            .map(|firing| (since(firing) - first).as_secs())
            .collect()
    }
}

async fn client(nodes: &Nodes) -> Redlock {
    Redlock::connect(nodes.nodes()).await.expect("all up")
}

/// Three nodes in memory, a client, and the job.
async fn job() -> (Nodes, Redlock, Job) {
    let nodes = Nodes::seeded(3, 7);
    let redlock = client(&nodes).await;
    let job = redlock.job(NAME, EVERY);
    (nodes, redlock, job)
}

/// Runs the job for this long, and records what ran.
async fn run_for(job: &Job, time: Duration, ran: &Ran) {
    let handle = job.clone().spawn({
        let ran = ran.clone();
        move |firing, _| {
            ran.push(firing);
            async {}
        }
    });
    tokio::time::sleep(time).await;
    handle.stop().await.expect("no error");
}

/// So that a record exists, without a run.
async fn deploy(job: &Job) {
    run_for(job, Duration::from_secs(1), &Ran::default()).await;
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Seconds since 1970, of the clock of seeded nodes.
fn epoch(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).expect("later").as_secs()
}

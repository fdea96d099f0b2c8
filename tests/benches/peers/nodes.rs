//! The five servers that everything runs on, and looking at them.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use redis::cmd;
use tests::{Cluster, Node};

use crate::{options::Options, outcome::Outcome};

/// What clients send, as opposed to what scripts call.
const SENT: [&str; 10] = [
    "evalsha",
    "eval",
    "fcall",
    "fcall_ro",
    "script|load",
    "ping",
    "subscribe",
    "ssubscribe",
    "psubscribe",
    "unsubscribe",
];

/// The servers, and how much is to be measured.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) urls: Vec<String>,
    pub(crate) quick: bool,
    /// Measure for half as long.
    half: bool,
    pub(crate) reps: usize,
    pub(crate) workers: Option<usize>,
}

impl Stage {
    pub(crate) const NODES: usize = 5;

    pub(crate) async fn start(options: &Options) -> Outcome<Self> {
        let cluster = Cluster::start(Self::NODES).await;
        let urls = cluster.urls();
        Ok(Self {
            cluster,
            urls,
            quick: options.quick,
            half: options.readme,
            reps: options.reps,
            workers: options.workers,
        })
    }

    /// Empties the servers, so that no row pays for another's keys.
    pub(crate) async fn clean(&self) -> Outcome<()> {
        for node in self.cluster.nodes() {
            node.ask::<()>(&cmd("FLUSHALL")).await;
        }
        Ok(())
    }

    /// How long to measure.
    pub(crate) fn time(&self, full_ms: u64, quick_ms: u64) -> Duration {
        Duration::from_millis(match (self.quick, self.half) {
            (true, _) => quick_ms,
            (false, true) => full_ms / 2,
            (false, false) => full_ms,
        })
    }

    /// What clients sent so far, all nodes together. What scripts call is not counted; `SET` is counted only where
    /// `plain`: for those who lock with it and never call it in a script.
    pub(crate) async fn commands(&self, plain: bool) -> u64 {
        let mut sum = 0;
        for node in self.cluster.nodes() {
            sum += node.calls(&SENT).await;
            if plain {
                sum += node.calls(&["set"]).await;
            }
        }
        sum
    }

    /// CPU time that the servers have used so far, all together.
    pub(crate) async fn server_cpu(&self) -> Outcome<Duration> {
        let mut sum = 0.0;
        for node in self.cluster.nodes() {
            let info: String = node.ask(cmd("INFO").arg("cpu")).await;
            let fields = info
                .lines()
                .filter_map(|line| line.trim_end().split_once(':'));
            for (_, seconds) in
                fields.filter(|(name, _)| matches!(*name, "used_cpu_sys" | "used_cpu_user"))
            {
                sum += seconds.parse::<f64>()?;
            }
        }
        Ok(Duration::from_secs_f64(sum))
    }

    /// Lets a node that was paused continue, and waits until it has worked through what had come.
    pub(crate) async fn heal(&self, node: &Node) -> Outcome<()> {
        node.resume();
        node.ask::<String>(&cmd("PING")).await;
        // Clients notice at their own pace.
        tokio::time::sleep(Duration::from_millis(400)).await;
        Ok(())
    }
}

/// A name that no run had before: no run meets keys of another.
pub(crate) fn fresh(name: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!(
        "{name}-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Relaxed)
    )
}

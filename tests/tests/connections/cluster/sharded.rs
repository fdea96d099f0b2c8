//! A cluster of three shards, and what the tests ask of its servers.

use std::time::Duration;

use futures_util::future::join_all;
use redlock::{Builder, Redlock, RestartGuard};
use tests::{Cluster, Node, eventually};

use crate::support::{BOUND, lacks, patient};

pub(super) const MAX_TTL: Duration = Duration::from_secs(2);
pub(super) const SKEW: Duration = Duration::from_millis(500);
/// `max_ttl` and 1 % and the skew.
pub(super) const GUARD_TIME: Duration = Duration::from_millis(2520);

/// The first and the last slot of each of three shards.
pub(super) const SLOTS: [(u16, u16); 3] = [(0, 5460), (5461, 10922), (10923, 16383)];

/// A key of each shard.
pub(super) const OF_SHARD: [&str; 3] = ["bar", "qux", "foo"];

/// Three shards, and as many replicas of each.
pub(super) struct Sharded {
    pub(super) servers: Cluster,
}

impl Sharded {
    pub(super) async fn start(replicas: usize) -> Option<Self> {
        Self::with(replicas, None).await
    }

    pub(super) async fn with(replicas: usize, password: Option<&str>) -> Option<Self> {
        let mut builder = Cluster::builder(3 + 3 * replicas);
        if let Some(password) = password {
            builder = builder.password(password).arg(["--masterauth", password]);
        }
        Self::of(builder, replicas, "").await
    }

    /// The nodes of `builder` as a cluster; they meet each other on a port of theirs.
    pub(super) async fn of(
        builder: tests::cluster::Builder,
        replicas: usize,
        tls: &str,
    ) -> Option<Self> {
        let builder = builder
            .port_for("--cluster-port")
            .arg(["--cluster-enabled", "yes"])
            .arg(["--cluster-require-full-coverage", "no"])
            .arg(["--repl-diskless-sync-delay", "0"])
            // Without replicas a hanging shard is to stay what it is.
            .arg([
                "--cluster-node-timeout",
                if replicas == 0 { "15000" } else { "1000" },
            ]);
        if lacks(&builder).await {
            return None;
        }
        let servers = builder.start().await;
        for (index, node) in servers.nodes().iter().enumerate() {
            tell(node, &["SET-CONFIG-EPOCH", &(index + 1).to_string()]).await;
            if let Some((first, last)) = SLOTS.get(index) {
                tell(
                    node,
                    &["ADDSLOTSRANGE", &first.to_string(), &last.to_string()],
                )
                .await;
            }
        }
        let first = servers.node(0);
        for node in &servers.nodes()[1..] {
            let port = if tls.is_empty() {
                node.port()
            } else {
                node.port_for(tls)
            };
            let (port, bus) = (
                port.to_string(),
                node.port_for("--cluster-port").to_string(),
            );
            tell(first, &["MEET", "127.0.0.1", &port, &bus]).await;
        }
        for node in servers.nodes() {
            let known = format!("cluster_known_nodes:{}\r", servers.nodes().len());
            eventually(BOUND, async || about(node).await.contains(&known)).await;
        }
        for (index, node) in servers.nodes().iter().enumerate().skip(3) {
            let master = id(servers.node(index % 3)).await;
            tell(node, &["REPLICATE", &master]).await;
            eventually(BOUND, async || {
                let info: String = node.ask(redis::cmd("INFO").arg("replication")).await;
                info.contains("master_link_status:up")
            })
            .await;
        }
        for node in servers.nodes() {
            eventually(BOUND, async || settled(&about(node).await)).await;
        }
        Some(Self { servers })
    }

    pub(super) fn shard(&self, index: usize) -> &Node {
        self.servers.node(index)
    }

    pub(super) fn url(&self) -> String {
        self.url_by("", &[0, 1])
    }

    pub(super) fn url_by(&self, login: &str, seeds: &[usize]) -> String {
        let seeds: Vec<String> = seeds
            .iter()
            .map(|seed| self.shard(*seed).address().to_string())
            .collect();
        format!("redis+cluster://{login}{}", seeds.join(","))
    }

    pub(super) fn client(&self, guard: RestartGuard) -> Builder {
        settings(guard).node(self.url())
    }

    pub(super) async fn connect(&self, guard: RestartGuard) -> Redlock {
        let connected = self.client(guard).connect().await;
        connected.expect("a cluster")
    }

    /// Which shards have a lock; the servers tell of their own keys only.
    pub(super) async fn with_locks(&self) -> Vec<usize> {
        let looks = self.servers.live().map(async |node| {
            let keys = node.keys().await;
            keys.iter()
                .any(|key| !key.ends_with(":fence") && !key.ends_with("{redlock}:nodes"))
                .then_some(node.index())
        });
        join_all(looks).await.into_iter().flatten().collect()
    }
}

pub(super) fn settings(guard: RestartGuard) -> Builder {
    Redlock::builder()
        .ttl(MAX_TTL)
        .max_ttl(MAX_TTL)
        .clock_skew(SKEW)
        .restart_guard(guard)
}

pub(super) async fn tell(node: &Node, words: &[&str]) {
    let () = node.ask(redis::cmd("CLUSTER").arg(words)).await;
}

pub(super) async fn about(node: &Node) -> String {
    node.ask(redis::cmd("CLUSTER").arg("INFO")).await
}

pub(super) fn settled(about: &str) -> bool {
    about.contains("cluster_state:ok") && about.contains("cluster_slots_ok:16384")
}

pub(super) async fn id(node: &Node) -> String {
    node.ask(redis::cmd("CLUSTER").arg("MYID")).await
}

pub(super) async fn connect(sharded: &Sharded) -> Redlock {
    patient([sharded.url()]).connect().await.expect("a cluster")
}

/// One turn, as asked for: granted, and released.
pub(super) async fn take_turn(request: redlock::LockRequest) {
    let guard = request.await.expect("granted");
    guard.release().await.expect("released");
}

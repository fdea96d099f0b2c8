//! A Redis Cluster of three shards.

use std::time::Duration;

use crate::{Cluster, Node, cluster::Builder, eventually};

/// A bound for what servers have to agree on.
const BOUND: Duration = Duration::from_secs(60);

/// The first and the last slot of each of three shards.
pub const SLOTS: [(u16, u16); 3] = [(0, 5460), (5461, 10922), (10923, 16383)];

/// A key of each shard.
pub const OF_SHARD: [&str; 3] = ["bar", "qux", "foo"];

/// Three shards, and as many replicas of each: server 3 copies server 0, and so on.
#[derive(Debug)]
pub struct Sharded {
    /// The servers: the masters first.
    pub servers: Cluster,
}

impl Sharded {
    /// Starts it; `None`, which is said, where the server cannot be one of a cluster.
    pub async fn start(replicas: usize) -> Option<Self> {
        Self::with(replicas, None).await
    }

    /// The same, with a password.
    pub async fn with(replicas: usize, password: Option<&str>) -> Option<Self> {
        let mut builder = Cluster::builder(3 + 3 * replicas);
        if let Some(password) = password {
            builder = builder.password(password).arg(["--masterauth", password]);
        }
        Self::of(builder, replicas, "").await
    }

    /// The nodes of `builder` as a cluster; they meet each other on a port of theirs.
    pub async fn of(builder: Builder, replicas: usize, tls: &str) -> Option<Self> {
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
        if let Some(refusal) = builder.lacks().await {
            println!("not run, since the server says: {refusal}");
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
            eventually(BOUND, async || is_stable(&about(node).await)).await;
        }
        Some(Self { servers })
    }

    /// A server.
    #[must_use]
    pub fn shard(&self, index: usize) -> &Node {
        self.servers.node(index)
    }

    /// The address, by the first two servers.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_by("", &[0, 1])
    }

    /// The address, by some servers.
    #[must_use]
    pub fn url_by(&self, login: &str, seeds: &[usize]) -> String {
        let seeds: Vec<String> = seeds
            .iter()
            .map(|seed| self.shard(*seed).address().to_string())
            .collect();
        format!("redis+cluster://{login}{}", seeds.join(","))
    }

    /// Which shards have a lock; the servers tell of their own keys only.
    pub async fn with_locks(&self) -> Vec<usize> {
        let looks = self.servers.live().map(async |node| {
            let keys = node.keys().await;
            keys.iter()
                .any(|key| !key.ends_with(":fence") && !key.ends_with("{redlock}:nodes"))
                .then_some(node.index())
        });
        futures_util::future::join_all(looks)
            .await
            .into_iter()
            .flatten()
            .collect()
    }
}

/// Sends a subcommand of `CLUSTER`.
pub async fn tell(node: &Node, words: &[&str]) {
    let () = node.ask(redis::cmd("CLUSTER").arg(words)).await;
}

/// What `CLUSTER INFO` says.
pub async fn about(node: &Node) -> String {
    node.ask(redis::cmd("CLUSTER").arg("INFO")).await
}

/// Whether all slots are served, by what `CLUSTER INFO` says.
#[must_use]
pub fn is_stable(about: &str) -> bool {
    about.contains("cluster_state:ok") && about.contains("cluster_slots_ok:16384")
}

/// The server's id in its cluster.
pub async fn id(node: &Node) -> String {
    node.ask(redis::cmd("CLUSTER").arg("MYID")).await
}

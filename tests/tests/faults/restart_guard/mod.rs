//! Nodes that have forgotten locks, and clients with different lists of nodes.

mod lists;
mod no_run_id;
mod restarts;
mod same_process;

use std::time::Duration;

use redlock::{Builder, Guard, NodeState, Redlock, RestartGuard};
use tests::{Cluster, Node, eventually, proxy::Proxy};

const KEY: &str = "invoice:42";
/// A ttl that does not end within a test.
const LONG: Duration = Duration::from_secs(30);
const BOUND: Duration = Duration::from_secs(60);

fn all(cluster: &Cluster) -> Builder {
    Redlock::builder()
        .nodes(cluster.urls())
        .node_timeout(Duration::from_secs(2))
}

/// Three nodes; one client holds the lock on the first two, another one knows all three.
struct Watched {
    cluster: Cluster,
    held: Guard,
    other: Redlock,
    _proxies: Vec<Proxy>,
}

impl Watched {
    async fn start(cluster: Cluster, guard: RestartGuard) -> Self {
        let proxies = Proxy::before_all(&cluster).await;
        proxies[2].refuse(true);
        let one = Redlock::builder()
            .nodes(proxies.iter().map(Proxy::url))
            .node_timeout(Duration::from_secs(2))
            .restart_guard(guard)
            .connect()
            .await
            .expect("two of three");
        let other = all(&cluster)
            .restart_guard(guard)
            .connect()
            .await
            .expect("three nodes");
        let held = one.lock(KEY).ttl(LONG).await.expect("free");
        assert_eq!(cluster.locked_on(KEY).await, [0, 1]);
        let watched = Self {
            cluster,
            held,
            other,
            _proxies: proxies,
        };
        assert!(!watched.has_forgotten().await);
        watched
    }

    /// The node that holds the lock and is about to forget it.
    fn node(&self) -> &Node {
        self.cluster.node(1)
    }

    /// It no longer has the holder's lock. A request of another client that has no vote may be there for a moment.
    async fn has_forgotten(&self) -> bool {
        let owner: Option<String> = self.node().ask(redis::cmd("GET").arg(KEY)).await;
        owner.as_deref() != Some(self.held.owner())
    }

    /// It has forgotten the lock, and the other client does not get it.
    async fn nobody_else_gets_it(&self) {
        for _ in 0..10 {
            let second = self.other.try_lock(KEY).await;
            assert!(
                !matches!(second, Ok(Some(_))),
                "{second:?} beside {:?}",
                self.held
            );
        }
        assert!(!self.held.is_lost());
        // At once, except for the time to reconnect.
        eventually(BOUND, async || {
            matches!(
                self.other.health().await[1].state,
                NodeState::Quarantined { .. }
            )
        })
        .await;
    }
}

/// A client has told the node who it is.
async fn knows_who_it_is(node: &Node) -> bool {
    node.exists("{redlock}:nodes").await
}

async fn run(node: &Node, words: &[&str]) {
    let () = node.ask(redis::cmd(words[0]).arg(&words[1..])).await;
}

/// `node` becomes a replica of `master` and has its data.
async fn follow(node: &Node, master: &Node) {
    let port = master.port().to_string();
    run(node, &["REPLICAOF", "127.0.0.1", &port]).await;
    eventually(BOUND, async || {
        let info: String = node.ask(redis::cmd("INFO").arg("replication")).await;
        info.contains("master_link_status:up") && info.contains("master_sync_in_progress:0")
    })
    .await;
}

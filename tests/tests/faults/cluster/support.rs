//! Clients whose locks are short, and how slots are moved.

use std::time::Duration;

use redlock::{Builder, Redlock, RestartGuard};
use tests::eventually;
use tests::proxy::{Flow, Proxy};
use tests::sharded::{Sharded, id, tell};

/// A bound for operations on a busy machine.
pub(super) const BOUND: Duration = Duration::from_secs(60);
pub(super) const MAX_TTL: Duration = Duration::from_secs(3);

/// All locks on the nodes have expired after `max_ttl` and a little more.
pub(super) fn settings(guard: RestartGuard) -> Builder {
    Redlock::builder()
        .ttl(MAX_TTL)
        .max_ttl(MAX_TTL)
        .clock_skew(Duration::from_millis(500))
        .node_timeout(Duration::from_secs(1))
        .restart_guard(guard)
}

pub(super) async fn client(sharded: &Sharded, guard: RestartGuard) -> Redlock {
    let builder = settings(guard).node(sharded.url_by("", &[0, 1, 2]));
    builder.connect().await.expect("a cluster")
}

/// Gives the slot of `key` to the server at `to`, in the maps of the servers at `told`. Its keys are not moved.
pub(super) async fn give(sharded: &Sharded, key: &str, to: usize, told: &[usize]) {
    let slot = slot_of(sharded, key).await.to_string();
    let id = id(sharded.shard(to)).await;
    for server in told {
        tell(sharded.shard(*server), &["SETSLOT", &slot, "NODE", &id]).await;
    }
}

pub(super) async fn slot_of(sharded: &Sharded, key: &str) -> u16 {
    let live = sharded.servers.live().next().expect("a server");
    live.ask(redis::cmd("CLUSTER").arg("KEYSLOT").arg(key))
        .await
}

/// Clients reach every server but the second one over a slow network, so that one is the nearest.
pub(super) async fn far_away(sharded: &Sharded, delay: Duration) -> Vec<Proxy> {
    let mut proxies = Vec::new();
    for server in sharded.servers.nodes() {
        if server.index() == 1 {
            continue;
        }
        let proxy = Proxy::before(server).await;
        proxy.set_both(Flow::delay(delay));
        let port = proxy.url().rsplit(':').next().unwrap().to_owned();
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("cluster-announce-port").arg(&port);
        let () = server.ask(&set).await;
        for other in sharded.servers.nodes() {
            eventually(BOUND, async || {
                let nodes: String = other.ask(redis::cmd("CLUSTER").arg("NODES")).await;
                nodes.contains(&format!(":{port}@"))
            })
            .await;
        }
        proxies.push(proxy);
    }
    proxies
}

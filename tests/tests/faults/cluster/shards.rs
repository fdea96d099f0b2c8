//! Shards that are down, which affects only their own keys.

use std::time::Duration;

use redlock::{NodeState, Redlock, RestartGuard};
use tests::sharded::{OF_SHARD, Sharded};
use tests::{Cluster, eventually, within};

use super::support::{BOUND, settings};

/// One of three masters is killed or hangs: a client that connects then works for the keys of the others, and reports which
/// slots are down.
async fn connects_and_tells(sharded: &Sharded, redlock: &Redlock) {
    let gone = sharded.shard(1).address().to_string();
    for key in [OF_SHARD[0], OF_SHARD[2]] {
        let guard = within(BOUND, redlock.lock(key))
            .await
            .expect("its server is well");
        guard.extend().await.unwrap();
        guard.release().await.unwrap();
    }
    let error = redlock
        .try_lock(OF_SHARD[1])
        .await
        .expect_err("its server is gone");
    assert!(error.node_errors()[0].cause().contains(&gone), "{error}");
    eventually(BOUND, async || {
        let health = redlock.health().await.remove(0);
        let NodeState::Partial { cause } = &health.state else {
            println!("{health:?}");
            return false;
        };
        assert!(
            cause.contains(&gone) && cause.contains("5461-10922"),
            "{cause}"
        );
        let is_down = |state: &NodeState| matches!(state, NodeState::Down { .. });
        let down = health
            .servers
            .iter()
            .filter(|server| is_down(&server.state));
        let down: Vec<_> = down.map(|server| &server.server).collect();
        assert_eq!(health.servers.len(), 3, "{health:?}");
        down == [&gone]
    })
    .await;
}

#[tokio::test]
async fn f67_connecting_while_a_shard_is_dead() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    sharded.shard(1).kill();
    for seeds in [vec![0, 2], vec![1, 0]] {
        let url = sharded.url_by("", &seeds);
        let builder = settings(RestartGuard::Observed).node(url);
        let redlock = builder.connect().await.expect("two of three masters");
        connects_and_tells(&sharded, &redlock).await;
    }
}

#[tokio::test]
async fn f67_connecting_while_a_shard_hangs() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    sharded.shard(1).pause();
    let url = sharded.url_by("", &[0, 1, 2]);
    let builder = settings(RestartGuard::Observed).node(url);
    let redlock = builder.connect().await.expect("two of three masters");
    connects_and_tells(&sharded, &redlock).await;
}

/// As one of three nodes, of which another is down, so that its vote is needed.
#[tokio::test]
async fn f67_a_dead_shard_among_three_nodes() {
    // Before the cluster is formed, which takes seconds: a node that is much younger than the others has no vote at first.
    let plain = Cluster::start(2).await;
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    plain.node(0).kill();
    sharded.shard(1).kill();
    let nodes = [plain.urls(), vec![sharded.url_by("", &[0, 2])]].concat();
    let redlock = settings(RestartGuard::Observed)
        .nodes(nodes)
        .connect()
        .await;
    let redlock = redlock.expect("two of three nodes");
    for (shard, key) in OF_SHARD.into_iter().enumerate() {
        // On a busy machine the cluster starts so much later than the others that it has no vote for some seconds.
        let wait = if shard == 1 { Duration::ZERO } else { BOUND };
        let tried = redlock.lock(key).wait(wait).await;
        assert_eq!(tried.is_ok(), shard != 1, "{tried:?}");
    }
    assert_eq!(redlock.health().await[1].state, NodeState::Up);
}

/// The server of its key notifies a waiter of a release, whatever the state of the others is: the waiter need not poll.
#[tokio::test]
async fn f67_notifications_continue_for_the_other_keys() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let url = sharded.url_by("", &[0, 2]);
    let builder = settings(RestartGuard::Observed).max_ttl(BOUND).node(url);
    let (one, other) = (builder.clone().connect().await, builder.connect().await);
    let (one, other) = (one.unwrap(), other.unwrap());
    let looks = async |key: &str| {
        let commands = async || {
            let info: String = sharded
                .shard(0)
                .ask(redis::cmd("INFO").arg("commandstats"))
                .await;
            let count = |name: &str| {
                let line = info
                    .lines()
                    .find(|line| line.starts_with(name))
                    .unwrap_or("");
                let calls = line
                    .split("calls=")
                    .nth(1)
                    .and_then(|rest| rest.split(',').next());
                calls
                    .and_then(|calls| calls.parse::<u64>().ok())
                    .unwrap_or(0)
            };
            count("cmdstat_evalsha:") + count("cmdstat_eval:")
        };
        let held = one.lock(key).ttl(BOUND).await.unwrap();
        let waiter = tokio::spawn({
            let request = other.lock(key).wait(BOUND);
            async move { request.await.unwrap().release().await.unwrap() }
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        let before = commands().await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        let looks = commands().await - before;
        held.release().await.unwrap();
        within(BOUND, waiter).await.unwrap();
        looks
    };
    let healthy = looks(OF_SHARD[0]).await;
    sharded.shard(1).kill();
    let gone = looks(OF_SHARD[0]).await;
    // Without notifications a waiter polls every 40 ms or so.
    assert!(gone <= healthy + 4, "{gone} looks, and {healthy} before");
}

//! Servers that refuse commands that the client can do without, as servers in the cloud do: one event reports what is lost,
//! and the rest works.

use std::time::{Duration, Instant};

use redlock::{NodeState, Redlock, RestartGuard};
use tests::{Cluster, Logs, eventually, further_servers};
use tracing::level_filters::LevelFilter;

use crate::support::{BOUND, patient, user};

/// Each command, its name in the event, and a word of what is lost.
const OPTIONAL: [(&[&str], &str, &str); 8] = [
    (&["-info"], "INFO", "restart"),
    (&["-time"], "TIME", "clock"),
    (&["-config"], "CONFIG GET", "noeviction"),
    (&["-client"], "CLIENT TRACKING", "emptied"),
    (&["-subscribe"], "SUBSCRIBE", "poll"),
    (&["resetchannels"], "SUBSCRIBE", "poll"),
    (&["-publish"], "PUBLISH", "poll"),
    (&["-evalsha"], "EVALSHA", "source"),
];

/// Locks of two clients, one after the other, with tokens that increase.
async fn exclude(cluster: &Cluster) {
    let connect = async || {
        let builder = patient(cluster).username("locker").password("secret");
        builder.connect().await.expect("three nodes")
    };
    let (one, other) = (connect().await, connect().await);
    let first = one.lock("k").await.expect("free");
    assert!(other.try_lock("k").await.expect("an answer").is_none());
    first.extend().await.expect("held");
    let token = first.token();
    let waiting = tokio::spawn(async move { other.lock("k").await });
    first.release().await.expect("released");
    let second = waiting.await.expect("no panic").expect("its turn");
    assert!(second.token() > token);
    second.release().await.expect("released");
    // The second use of each script.
    let third = one.lock("k").await.expect("free");
    third.extend().await.expect("held");
    third.release().await.expect("released");
}

async fn without(cluster: &Cluster, rules: &[&str]) {
    user(
        cluster,
        "locker",
        &[&["reset", "on", ">secret", "~*", "&*", "+@all"], rules].concat(),
    )
    .await;
}

#[tokio::test]
async fn a_refused_command_is_reported_once_and_the_rest_works() {
    for (rules, command, lost) in OPTIONAL {
        let cluster = Cluster::start(3).await;
        without(&cluster, rules).await;
        let logs = Logs::capture(LevelFilter::INFO);
        exclude(&cluster).await;
        // Once for each node and client. The last node of three may answer after the others have decided.
        let reported = || {
            let mut said = logs.lines_with("node refuses a command");
            said.retain(|line| line.contains(command));
            said
        };
        eventually(BOUND, async || reported().len() >= 6).await;
        let said = reported();
        assert_eq!(said.len(), 6, "{command}: {}", logs.text());
        assert!(said.iter().all(|line| line.contains(lost)), "{said:?}");
    }
}

#[tokio::test]
async fn all_of_them_together() {
    let mut servers = vec![Cluster::start(3).await];
    for server in further_servers() {
        servers.push(Cluster::builder(3).server(server).start().await);
    }
    for cluster in &servers {
        let rules: Vec<&str> = OPTIONAL
            .iter()
            .flat_map(|(rules, ..)| rules.iter().copied())
            .collect();
        without(cluster, &rules).await;
        exclude(cluster).await;
    }
}

/// If `INFO` is refused, a lost connection says nothing about a restart, and the node continues to vote.
#[tokio::test]
async fn a_reconnection_does_not_count_as_a_restart() {
    let cluster = Cluster::start(3).await;
    without(&cluster, &["-info"]).await;
    let builder = patient(&cluster).username("locker").password("secret");
    let redlock = builder.connect().await.expect("three nodes");
    for node in cluster.nodes() {
        let mut kill = redis::cmd("CLIENT");
        let _: u64 = node.ask(kill.arg("KILL").arg("USER").arg("locker")).await;
    }
    let guard = redlock.lock("k").await.expect("a majority votes");
    guard.release().await.expect("released");
}

/// A restart that loses the data is still noticed, by the missing record.
#[tokio::test]
async fn an_empty_restart_is_noticed_without_info() {
    let cluster = Cluster::start(3).await;
    without(&cluster, &["-info"]).await;
    let builder = patient(&cluster).username("locker").password("secret");
    let redlock = builder.connect().await.expect("three nodes");
    let guard = redlock.lock("k").await.expect("free");
    guard.release().await.expect("released");
    cluster.node(0).restart_empty().await;
    without(&cluster, &["-info"]).await;
    eventually(BOUND, async || {
        let health = redlock.health().await;
        matches!(health[0].state, NodeState::Quarantined { .. })
    })
    .await;
}

#[tokio::test]
async fn the_strict_guard_needs_info() {
    let cluster = Cluster::start(3).await;
    without(&cluster, &["-info"]).await;
    let builder = patient(&cluster).username("locker").password("secret");
    let strict = builder.restart_guard(RestartGuard::Strict).connect().await;
    let error = strict.expect_err("no run id");
    assert!(error.is_invalid(), "{error}");
    assert!(error.to_string().contains("INFO"), "{error}");
}

/// A server without a command, instead of a user who lacks it. Bursts go out in batches.
#[tokio::test]
async fn a_server_without_evalsha_gets_the_sources() {
    let servers = Cluster::builder(3).arg(["--rename-command", "EVALSHA", ""]);
    let cluster = servers.start().await;
    let logs = Logs::capture(LevelFilter::INFO);
    let redlock = patient(&cluster).connect().await.expect("three nodes");
    for _ in 0..3 {
        let locks = (0..100).map(|n| redlock.lock(format!("order:{n}")).into_future());
        for guard in futures_util::future::join_all(locks).await {
            guard.expect("free").release().await.expect("released");
        }
    }
    let said = logs.lines_with("node refuses a command");
    assert_eq!(said.len(), 3, "once for each node: {}", logs.text());
}

/// A permission that ends while the connections live.
#[tokio::test]
async fn evalsha_may_be_taken_away_in_use() {
    let cluster = Cluster::start(3).await;
    without(&cluster, &[]).await;
    let builder = patient(&cluster).username("locker").password("secret");
    let redlock = builder.connect().await.expect("three nodes");
    for _ in 0..2 {
        let guard = redlock.lock("k").await.expect("free");
        guard.release().await.expect("released");
    }
    let guard = redlock.lock("k").await.expect("free");
    without(&cluster, &["-evalsha"]).await;
    guard.extend().await.expect("held");
    guard.release().await.expect("released");
    let guard = redlock.lock("k").await.expect("free");
    guard.release().await.expect("released");
}

/// Whatever a notification lacks: no waiter sleeps for a large part of the lease.
#[tokio::test]
async fn waiters_poll_if_they_cannot_be_notified() {
    for rules in ["-publish", "-zadd", "-zrange", "-zrem"] {
        let cluster = Cluster::start(3).await;
        without(&cluster, &[rules]).await;
        let builder = patient(&cluster).username("locker").password("secret");
        let one = builder.clone().connect().await.expect("three nodes");
        let other = builder.connect().await.expect("three nodes");
        // The first turn leaves an entry that cannot be removed.
        for turn in 0..4 {
            // The others are needed for read/write locks.
            let sides = turn % 2 == 1 && ["-publish", "-zrem"].contains(&rules);
            let lock = |redlock: &Redlock| match sides {
                false => redlock.lock("k").ttl(BOUND),
                true => redlock.rwlock("catalog").write().ttl(BOUND),
            };
            let held = lock(&one).await.expect("free");
            let waiting = tokio::spawn(lock(&other).wait(BOUND).into_future());
            // It waits on the nodes.
            tokio::time::sleep(Duration::from_millis(300)).await;
            held.release().await.expect("released");
            let released = Instant::now();
            let waited = waiting.await.expect("no panic");
            waited.expect("its turn").release().await.expect("released");
            let took = released.elapsed();
            assert!(took < BOUND / 6, "{rules}, turn {turn}: {took:?}");
        }
    }
}

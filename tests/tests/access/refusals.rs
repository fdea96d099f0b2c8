//! Servers that refuse commands that the client can do without, as servers in the cloud do: one event reports what is lost,
//! and the rest works.

use redlock::{NodeState, RestartGuard};
use tests::{Cluster, Logs, eventually, further_servers};
use tracing::level_filters::LevelFilter;

use crate::support::{BOUND, patient, user};

/// Each command, its name in the event, and a word of what is lost.
const OPTIONAL: [(&[&str], &str, &str); 6] = [
    (&["-info"], "INFO", "restart"),
    (&["-time"], "TIME", "clock"),
    (&["-config"], "CONFIG GET", "noeviction"),
    (&["-client"], "CLIENT TRACKING", "emptied"),
    (&["-subscribe"], "SUBSCRIBE", "poll"),
    (&["resetchannels"], "SUBSCRIBE", "poll"),
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
        // Once for each node and client.
        let said = logs.lines_with("node refuses a command");
        let said: Vec<_> = said.iter().filter(|line| line.contains(command)).collect();
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

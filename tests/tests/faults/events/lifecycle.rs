//! F61, F62: each change of a lock or a node emits one event.

use std::time::Duration;

use redlock::{Redlock, memory};
use tests::proxy::Proxy;
use tests::{Cluster, Logs, eventually, within};
use tracing::level_filters::LevelFilter;

const BOUND: Duration = Duration::from_secs(30);

/// The one line with all of `parts`.
#[track_caller]
fn one(logs: &Logs, parts: &[&str]) -> String {
    let mut lines = logs.lines_with(parts[0]);
    lines.retain(|line| parts.iter().all(|part| line.contains(part)));
    assert_eq!(lines.len(), 1, "{parts:?} in\n{}", logs.text());
    lines.remove(0)
}

#[tokio::test]
async fn f62_a_grant_a_refusal_and_a_release_are_reported_with_their_reasons() {
    let logs = Logs::capture(LevelFilter::DEBUG);
    let redlock = Redlock::connect(memory::Nodes::new(3).nodes())
        .await
        .unwrap();
    let guard = redlock.lock("k").await.unwrap();
    one(
        &logs,
        &["lock granted", "key=k", "token=", "rounds=1", "waited_ms="],
    );
    redlock.lock("k").no_wait().await.unwrap_err();
    one(&logs, &["lock refused", "key=\"k\"", "reason=Busy"]);
    let short = Duration::from_millis(20);
    redlock.lock("k").wait(short).await.unwrap_err();
    one(&logs, &["lock refused", "reason=TimedOut"]);
    redlock.lock("}").await.unwrap_err();
    one(&logs, &["lock refused", "reason=InvalidKey"]);
    tokio::time::sleep(short).await;
    guard.release().await.unwrap();
    let released = one(&logs, &["lock released", "key=k"]);
    let held: u64 = released
        .split("held_ms=")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap();
    assert!(held >= 20, "{released}");
    let guard = redlock.lock("k").await.unwrap();
    guard.cool_down(Duration::from_secs(60)).await.unwrap();
    one(&logs, &["lock released", "cool_down_ms=60000"]);
    redlock.lock("k").await.unwrap_err();
    one(&logs, &["lock refused", "reason=CoolingDown"]);
}

#[tokio::test]
async fn f62_a_hand_over_is_reported() {
    let logs = Logs::capture(LevelFilter::DEBUG);
    let redlock = Redlock::connect(memory::Nodes::new(3).nodes())
        .await
        .unwrap();
    // Tokens for hand-over are reserved if a request waits already; a lease that was held for some time returns to the
    // nodes.
    eventually(BOUND, async || {
        let turn = async || {
            let guard = redlock.lock("k").await.unwrap();
            tokio::task::yield_now().await;
            guard.release().await.unwrap();
        };
        tokio::join!(turn(), turn(), turn(), turn());
        !logs.lines_with("lock handed over key=k token=").is_empty()
    })
    .await;
}

#[tokio::test]
async fn f62_a_loss_is_reported_with_its_reason() {
    let logs = Logs::capture(LevelFilter::DEBUG);
    let redlock = Redlock::connect(memory::Nodes::new(3).nodes())
        .await
        .unwrap();
    let guard = redlock.lock("k").await.unwrap();
    redlock.force_release("k").await.unwrap();
    assert!(guard.is_lost());
    one(
        &logs,
        &["WARN", "lock lost", "reason=", "by force", "held_ms="],
    );
    one(&logs, &["DEBUG", "key of the lost lock", "key=k"]);
    let most = Duration::from_millis(10);
    let guard = redlock.lock("l").max_hold(most).await.unwrap();
    within(BOUND, guard.lost()).await;
    one(&logs, &["lock lost", "maximum hold time"]);
}

#[tokio::test]
async fn f61_a_node_that_goes_down_and_comes_back_is_reported_once() {
    let cluster = Cluster::start(3).await;
    let logs = Logs::capture(LevelFilter::INFO);
    let redlock = Redlock::connect(cluster.urls()).await.unwrap();
    for node in cluster.nodes() {
        let lines = logs.lines_with(&format!("127.0.0.1:{}", node.port()));
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(
            lines[0].contains("node up") && lines[0].contains("version="),
            "{lines:?}"
        );
    }
    assert_eq!(logs.lines_with("connected").len(), 1, "{}", logs.text());
    let port = format!("127.0.0.1:{}", cluster.node(0).port());
    cluster.node(0).kill();
    let of = |message| {
        let mut lines = logs.lines_with(message);
        lines.retain(|line| line.contains(&port));
        lines.len()
    };
    eventually(BOUND, async || of("node down") == 1).await;
    cluster.node(0).start().await;
    eventually(BOUND, async || {
        let _ = redlock.health().await;
        of("node up") == 2
    })
    .await;
    assert_eq!((of("node down"), of("node up")), (1, 2), "{}", logs.text());
}

#[tokio::test]
async fn f61_a_node_in_quarantine_is_reported_once() {
    let cluster = Cluster::start(3).await;
    let logs = Logs::capture(LevelFilter::INFO);
    let redlock = Redlock::connect(cluster.urls()).await.unwrap();
    cluster.node(1).restart_empty().await;
    let port = format!("127.0.0.1:{}", cluster.node(1).port());
    eventually(BOUND, async || {
        let _ = redlock.health().await;
        !logs.lines_with("quarantined").is_empty()
    })
    .await;
    one(&logs, &["node quarantined", &port, "why=", "seconds="]);
    // Another client finds it in the same state: that is an event too, beside the one that the node is up.
    let before = logs.lines_with(&port).len();
    let _ = Redlock::connect(cluster.urls()).await.unwrap();
    let of_it = &logs.lines_with(&port)[before..];
    assert!(of_it.len() <= 2, "{of_it:#?}");
}

#[tokio::test]
async fn f61_a_node_that_is_down_or_barred_at_the_start_is_reported_once() {
    let cluster = Cluster::start(3).await;
    cluster.node(2).kill();
    let logs = Logs::capture(LevelFilter::INFO);
    let _redlock = Redlock::connect(cluster.urls()).await.unwrap();
    let of_it = logs.lines_with(&format!("127.0.0.1:{}", cluster.node(2).port()));
    assert_eq!(of_it.len(), 1, "{of_it:#?}");
    drop(logs);
    let logs = Logs::capture(LevelFilter::INFO);
    let again = Proxy::before(cluster.node(1)).await;
    let twice = [cluster.node(0).url(), cluster.node(1).url(), again.url()];
    let redlock = Redlock::connect_lazy(twice).unwrap();
    // It is retried repeatedly.
    eventually(BOUND, async || {
        let _ = redlock.health().await;
        again.accepted() >= 5
    })
    .await;
    // Once for each of the two.
    assert!(logs.lines_with("same server").len() <= 2, "{}", logs.text());
}

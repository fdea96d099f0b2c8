//! The restart guards on real servers: which node has no vote, for how long, and for which clients.

use std::time::Duration;

use redlock::{Builder, ErrorKind, NodeHealth, NodeState, Redlock, RestartGuard};
use tests::{Cluster, eventually};
use tokio::time::Instant;

use crate::support::{BOUND, KEY};

const MAX_TTL: Duration = Duration::from_millis(1500);
const SKEW: Duration = Duration::from_millis(300);
/// `max_ttl`, 1 % of it, and the clock skew.
const GUARD_TIME: Duration = Duration::from_millis(1815);

fn guarded(cluster: &Cluster, guard: RestartGuard) -> Builder {
    Redlock::builder()
        .nodes(cluster.urls())
        .ttl(MAX_TTL)
        .max_ttl(MAX_TTL)
        .clock_skew(SKEW)
        .restart_guard(guard)
}

async fn strict(cluster: &Cluster) -> Redlock {
    let builder = guarded(cluster, RestartGuard::Strict);
    builder.connect().await.expect("a quorum answers")
}

/// How long each node has no vote; zero if it has one.
async fn quarantine(redlock: &Redlock) -> Vec<Duration> {
    let left = |node: &NodeHealth| match node.state {
        NodeState::Quarantined { left } => left,
        NodeState::Up => Duration::ZERO,
        _ => panic!("{node:?}"),
    };
    redlock.health().await.iter().map(left).collect()
}

#[tokio::test]
async fn a_first_deployment_waits_for_the_guard_time() {
    let cluster = Cluster::start(3).await;
    let start = Instant::now();
    let redlock = strict(&cluster).await;
    let error = redlock.lock(KEY).no_wait().await.expect_err("no votes yet");
    assert!(error.is_no_quorum(), "{error}");
    assert!(cluster.locked_on(KEY).await.is_empty() || error.node_errors().len() >= 2);
    let guard = redlock
        .lock(KEY)
        .wait(BOUND)
        .await
        .expect("after the guard time");
    assert!(start.elapsed() >= GUARD_TIME, "{:?}", start.elapsed());
    guard.release().await.expect("released");
    // Only once: the next client finds the nodes marked.
    let other = strict(&cluster).await;
    let _ = other.lock(KEY).no_wait().await.expect("at once");
}

#[tokio::test]
async fn an_operator_trusts_the_nodes() {
    let cluster = Cluster::start(3).await;
    let (one, other) = (strict(&cluster).await, strict(&cluster).await);
    let start = Instant::now();
    one.trust_nodes().await.expect("three nodes");
    for redlock in [&one, &other] {
        let guard = redlock.lock(KEY).no_wait().await.expect("all vote");
        guard.release().await.expect("released");
    }
    assert!(start.elapsed() < GUARD_TIME, "{:?}", start.elapsed());
}

async fn trusted(cluster: &Cluster) -> (Redlock, Redlock) {
    let (one, other) = (strict(cluster).await, strict(cluster).await);
    one.trust_nodes().await.expect("three nodes");
    (one, other)
}

#[tokio::test]
async fn a_node_that_restarted_empty_has_no_vote_for_any_client() {
    let cluster = Cluster::start(3).await;
    let (one, other) = trusted(&cluster).await;
    cluster.node(1).restart_empty().await;
    let start = Instant::now();
    // For a client that saw the restart, for one that did not, and for a later one.
    let late = strict(&cluster).await;
    for redlock in [&one, &other, &late] {
        eventually(BOUND, async || redlock.health().await[1].latency.is_some()).await;
        let left = quarantine(redlock).await;
        if start.elapsed() < GUARD_TIME / 2 {
            assert!(left[1] > Duration::ZERO, "{left:?}");
        }
        assert_eq!((left[0], left[2]), (Duration::ZERO, Duration::ZERO));
    }
    // Without another node, its vote is needed.
    cluster.node(0).kill();
    let error = late
        .lock(KEY)
        .no_wait()
        .await
        .expect_err("one vote of three");
    assert!(error.is_no_quorum(), "{error}");
    let guard = late
        .lock(KEY)
        .wait(BOUND)
        .await
        .expect("after the guard time");
    assert!(start.elapsed() >= GUARD_TIME, "{:?}", start.elapsed());
    guard.release().await.expect("released");
}

/// A majority restarts empty, and A's lock survives on one node alone: no other client gets it while A is valid.
#[tokio::test]
async fn a_restart_of_the_majority_does_not_make_two_holders() {
    let cluster = Cluster::start(3).await;
    let (one, _) = trusted(&cluster).await;
    let held = one.lock(KEY).await.expect("free");
    cluster.node(0).restart_empty().await;
    cluster.node(1).restart_empty().await;
    let late = strict(&cluster).await;
    loop {
        let tried = late.lock(KEY).no_wait().await;
        if tried.is_ok() {
            assert!(held.is_lost(), "two holders");
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A node that restarted takes part in a cool-down, but its vote cannot show that no other client held the key meanwhile.
#[tokio::test]
async fn a_cool_down_is_carried_out_without_a_vote() {
    let cluster = Cluster::start(3).await;
    let (one, _) = trusted(&cluster).await;
    let held = one.lock(KEY).await.expect("free");
    let owner = held.owner().to_owned();
    cluster.node(0).restart_empty().await;
    eventually(BOUND, async || one.health().await[0].latency.is_some()).await;
    // Written again on the node that forgot it, as on the two others.
    held.extend().await.expect("two of three have votes");
    cluster.node(1).kill();
    let cooled_down = held.cool_down(MAX_TTL).await;
    let error = cooled_down.expect_err("one vote of three");
    let told = error.node_errors().iter().map(ToString::to_string);
    let told: Vec<String> = told.collect();
    assert!(
        told.iter().any(|told| told.contains("may have forgotten")),
        "{told:?}"
    );
    for node in [cluster.node(0), cluster.node(2)] {
        let next = node.get(KEY).await.expect("busy for the window");
        assert_ne!(next, owner, "{}", node.url());
    }
}

/// The reply was lost: what was written stays, and is reported.
#[tokio::test]
async fn a_cool_down_that_arrives_twice_finds_its_own_window() {
    let script = concat!(
        include_str!("../../../redlock/src/command/script/notify.lua"),
        include_str!("../../../redlock/src/command/script/put.lua"),
        include_str!("../../../redlock/src/command/script/tombstone.lua"),
        include_str!("../../../redlock/src/command/rw/notify_all.lua"),
        include_str!("../../../redlock/src/command/lock/cool_down.lua"),
    );
    let cluster = Cluster::start(1).await;
    let node = cluster.node(0);
    let cool_down = async |owner: &str, next: &str, window: u32| -> String {
        let mut eval = redis::cmd("EVAL");
        // Twice, because the holder is no writer.
        let lock = [KEY.to_owned(), format!("{{{KEY}}}{{}}:waiters")];
        eval.arg(script).arg(5).arg(&lock).arg(&lock);
        eval.arg(format!("{{{KEY}}}{{}}:fence"));
        eval.arg(owner).arg(next).arg(window).arg("inbox:");
        eval.arg(7).arg(60_000);
        node.ask(&eval).await
    };
    assert_eq!(cool_down("owner", "next", 60_000).await, "GONE");
    let held = redis::cmd("SET").arg(KEY).arg("owner").to_owned();
    let () = node.ask(&held).await;
    assert_eq!(cool_down("owner", "next", 10_000).await, "OK");
    assert_eq!(cool_down("owner", "next", 60_000).await, "OK");
    let left = node.pttl(KEY).await.expect("busy for the window");
    assert!(left <= Duration::from_secs(10), "{left:?}");
    assert_eq!(cool_down("another", "other", 60_000).await, "GONE");
}

#[tokio::test]
async fn flushall_is_noticed() {
    let cluster = Cluster::start(3).await;
    let (one, other) = trusted(&cluster).await;
    let held = one.lock(KEY).await.expect("free");
    for node in &cluster.nodes()[..2] {
        let () = node.ask(&redis::cmd("FLUSHALL")).await;
    }
    let start = Instant::now();
    // There is no restart and no new connection: the missing marker shows it.
    let error = other.lock(KEY).no_wait().await.expect_err("no votes");
    // Two nodes have no vote and the third reports a holder, in whatever order they reply.
    assert!(error.is_no_quorum() || error.is_busy(), "{error}");
    let left = quarantine(&other).await;
    assert!(
        left[0] > Duration::ZERO && left[1] > Duration::ZERO,
        "{left:?}"
    );
    held.extend().await.expect_err("not there any more");
    let guard = other
        .lock(KEY)
        .wait(BOUND)
        .await
        .expect("after the guard time");
    assert!(held.is_lost());
    assert!(start.elapsed() >= GUARD_TIME, "{:?}", start.elapsed());
    drop(guard);
}

#[tokio::test]
async fn another_max_ttl_is_refused() {
    let cluster = Cluster::start(3).await;
    let (one, _) = trusted(&cluster).await;
    let builder = guarded(&cluster, RestartGuard::Strict).max_ttl(MAX_TTL * 2);
    let error = builder.connect().await.expect_err("nodes of other clients");
    assert_eq!(error.kind(), ErrorKind::InvalidNodes, "{error}");
    let name = cluster.node(0).address().to_string();
    for word in [name.as_str(), "max_ttl", "1500 ms"] {
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
    // The holders were not affected.
    let _ = one.lock(KEY).no_wait().await.expect("free");
}

/// Its yes would have counted before. It has no vote from the moment at which this client sees the restart.
#[tokio::test]
async fn observed_a_node_that_restarted_has_no_vote() {
    let cluster = Cluster::start(3).await;
    let builder = guarded(&cluster, RestartGuard::Observed);
    let redlock = builder.connect().await.expect("three nodes");
    redlock
        .lock(KEY)
        .await
        .expect("at once")
        .release()
        .await
        .expect("released");
    cluster.node(1).restart_empty().await;
    let start = Instant::now();
    eventually(BOUND, async || redlock.health().await[1].latency.is_some()).await;
    let left = quarantine(&redlock).await;
    assert!(left[1] > Duration::ZERO, "{left:?}");
    cluster.node(0).kill();
    let error = redlock
        .lock(KEY)
        .no_wait()
        .await
        .expect_err("one vote of three");
    assert!(error.is_no_quorum(), "{error}");
    let _ = redlock
        .lock(KEY)
        .wait(BOUND)
        .await
        .expect("after the guard time");
    assert!(start.elapsed() >= GUARD_TIME, "{:?}", start.elapsed());
}

#[tokio::test]
async fn off_a_node_that_restarted_votes_at_once() {
    let cluster = Cluster::start(3).await;
    let builder = guarded(&cluster, RestartGuard::Off);
    let redlock = builder.connect().await.expect("three nodes");
    cluster.node(0).kill();
    cluster.node(1).restart_empty().await;
    eventually(BOUND, async || redlock.health().await[1].latency.is_some()).await;
    let _ = redlock.lock(KEY).no_wait().await.expect("two of three");
}

/// Keys of the guard cannot be locked.
#[tokio::test]
async fn the_keys_of_the_guard_cannot_be_locked() {
    let cluster = Cluster::start(1).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("one node");
    for key in ["{redlock}:marker", "{redlock}:quarantine"] {
        let error = redlock.lock(key).await.expect_err("reserved");
        assert!(error.is_invalid(), "{error}");
    }
}

#[tokio::test]
async fn strict_without_fencing_is_refused() {
    let error = Redlock::builder()
        .node("redis://127.0.0.1:1")
        .restart_guard(RestartGuard::Strict)
        .fencing(false)
        .connect_lazy()
        .expect_err("the marker is read by the fenced scripts");
    assert!(
        error.is_invalid() && error.to_string().contains("fencing"),
        "{error}"
    );
}

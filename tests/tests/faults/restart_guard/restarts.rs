//! The documentation about restarts is correct.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use tokio::time::sleep;

use super::*;

const MAX_TTL: Duration = Duration::from_secs(1);
const SKEW: Duration = Duration::from_millis(500);

/// `max_ttl`, 1 % of it and `clock_skew`.
fn guard_time() -> Duration {
    MAX_TTL + MAX_TTL / 100 + SKEW
}

fn is_late(error: &redlock::Error) -> bool {
    let mut nodes = error.node_errors().iter();
    nodes.all(|node| node.kind() == redlock::FaultKind::TimedOut)
}

async fn connect(cluster: &Cluster) -> Redlock {
    let redlock = all(cluster)
        .ttl(MAX_TTL)
        .max_ttl(MAX_TTL)
        .clock_skew(SKEW)
        .connect()
        .await
        .expect("three nodes");
    // On a busy machine, the servers may have started so far apart that the younger ones count as restarted.
    let may_vote = async || {
        let health = redlock.health().await;
        health.iter().all(|node| node.state == NodeState::Up)
    };
    eventually(BOUND, may_vote).await;
    redlock
}

/// One node at a time, and after each one the guard time and 5 s more: a majority votes all the time.
#[tokio::test]
async fn f68_a_rolling_restart_as_documented_loses_nothing() {
    let cluster = Cluster::start(3).await;
    let clients = [connect(&cluster).await, connect(&cluster).await];
    let over = Arc::new(AtomicBool::new(false));
    let asking = clients.map(|redlock| {
        let over = Arc::clone(&over);
        tokio::spawn(async move {
            let mut asked = 0;
            while !over.load(SeqCst) {
                // Another client may hold the lock, and a busy machine may be late: only the votes matter.
                match redlock.try_lock(KEY).await {
                    Err(error) if !is_late(&error) => return Err(error),
                    _ => {}
                }
                asked += 1;
                sleep(Duration::from_millis(10)).await;
            }
            Ok::<_, redlock::Error>(asked)
        })
    });
    for node in cluster.nodes() {
        node.restart_empty().await;
        sleep(guard_time() + Duration::from_secs(5)).await;
    }
    over.store(true, SeqCst);
    for asking in asking {
        let asked = asking.await.expect("no panic");
        assert!(asked.expect("a majority votes all the time") > 100);
    }
}

/// A window longer than the guard time outlives one node that restarts empty, and not a second one.
#[tokio::test]
async fn f70_a_long_cool_down_outlives_the_restart_of_one_node() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let guard = redlock
        .try_lock(KEY)
        .await
        .expect("three nodes")
        .expect("free");
    guard
        .cool_down(Duration::from_secs(600))
        .await
        .expect("cooling down");
    cluster.node(0).restart_empty().await;
    let votes = async |node: usize| redlock.health().await[node].state == NodeState::Up;
    eventually(BOUND, async || votes(0).await).await;
    assert!(!matches!(redlock.try_lock(KEY).await, Ok(Some(_))));
    cluster.node(1).restart_empty().await;
    eventually(BOUND, async || votes(1).await).await;
    eventually(BOUND, async || {
        matches!(redlock.try_lock(KEY).await, Ok(Some(_)))
    })
    .await;
}

/// The lock is held on two nodes. One of them restarts empty, and a client that knew it notices. Then the other one hangs: a new
/// client reaches only nodes that started together, and one of them has told it that its data were lost.
#[tokio::test]
async fn a_new_client_believes_others_that_a_node_has_lost_its_data() {
    let watched = Watched::start(Cluster::start(3).await, RestartGuard::Observed).await;
    watched.node().restart_empty().await;
    watched.nobody_else_gets_it().await;
    eventually(BOUND, async || knows_who_it_is(watched.node()).await).await;
    watched.cluster.node(0).pause();
    let new = all(&watched.cluster)
        .node_timeout(Duration::from_millis(500))
        .connect()
        .await
        .expect("two of three");
    for _ in 0..5 {
        let second = new.try_lock(KEY).await;
        assert!(!matches!(second, Ok(Some(_))), "{second:?}");
    }
    assert!(!watched.held.is_lost());
    let state = &new.health().await[1].state;
    assert!(matches!(state, NodeState::Quarantined { .. }), "{state:?}");
    watched.cluster.node(0).resume();
}

/// Memory was full when a client met the nodes, so it could not tell them who they are. That is no loss of data.
#[tokio::test]
async fn nodes_that_were_full_at_the_first_contact_vote_when_there_is_room() {
    let cluster = Cluster::start(3).await;
    let limit = async |bytes: &str| {
        for node in cluster.nodes() {
            run(node, &["CONFIG", "SET", "maxmemory", bytes]).await;
        }
    };
    limit("1").await;
    let redlock = all(&cluster).connect().await.expect("three nodes");
    assert!(redlock.try_lock(KEY).await.is_err(), "no room");
    limit("0").await;
    let granted = async |redlock: &Redlock| {
        let guard = redlock.try_lock(KEY).await;
        guard.is_ok_and(|guard| guard.is_some())
    };
    eventually(Duration::from_secs(15), async || granted(&redlock).await).await;
    for node in cluster.nodes() {
        eventually(BOUND, async || knows_who_it_is(node).await).await;
    }
    let new = all(&cluster).connect().await.expect("three nodes");
    eventually(Duration::from_secs(15), async || granted(&new).await).await;
    let states = new.health().await;
    assert!(
        states.iter().all(|node| node.state == NodeState::Up),
        "{states:?}"
    );
}

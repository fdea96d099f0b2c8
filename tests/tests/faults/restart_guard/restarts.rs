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
    all(cluster)
        .ttl(MAX_TTL)
        .max_ttl(MAX_TTL)
        .clock_skew(SKEW)
        .connect()
        .await
        .expect("three nodes")
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

//! N5: fencing tokens only increase.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::RngExt;
use redlock::{NodeState, Redlock};
use tests::{Cluster, eventually};
use tokio::time::sleep;

use crate::support::{BOUND, KEY, SOON};

/// Random faults of at most two of five nodes at a time, and of others only when those are full members again.
///
/// Returns the number of restarts.
async fn trouble(cluster: &Cluster, clients: &[Redlock], stop: &AtomicBool) -> usize {
    let mut restarts = 0;
    while !stop.load(Ordering::SeqCst) {
        let first = rand::rng().random_range(0..5);
        let second = (first + rand::rng().random_range(1..5)) % 5;
        for index in [first, second] {
            let node = cluster.node(index);
            let time = Duration::from_millis(rand::rng().random_range(0..60));
            if rand::rng().random_bool(0.3) {
                node.pause();
                sleep(time).await;
                node.resume();
            } else {
                node.kill();
                sleep(time).await;
                node.start().await;
                restarts += 1;
            }
        }
        for client in clients {
            eventually(BOUND, async || {
                client
                    .health()
                    .await
                    .iter()
                    .all(|node| node.state == NodeState::Up)
            })
            .await;
        }
    }
    restarts
}

/// The steps of a client's clock that belong to this row are simulated elsewhere.
#[tokio::test]
async fn n5_tokens_strictly_increase_under_outages_and_empty_restarts() {
    const ACQUISITIONS: usize = 10_000;
    let cluster = Cluster::start(5).await;
    let ttl = Duration::from_millis(400);
    let mut clients = Vec::new();
    for _ in 0..2 {
        let builder = Redlock::builder()
            .nodes(cluster.urls())
            .node_timeout(ttl / 4);
        let builder = builder
            .ttl(ttl)
            .max_ttl(ttl)
            .clock_skew(Duration::from_millis(50));
        clients.push(builder.connect().await.expect("all up"));
    }
    let stop = AtomicBool::new(false);
    let acquiring = async {
        let (mut last, mut failed) = (None, 0);
        for acquired in 0..ACQUISITIONS {
            let guard = loop {
                let client = &clients[rand::rng().random_range(0..clients.len())];
                match client.lock(KEY).wait(SOON).await {
                    Ok(guard) => break guard,
                    Err(error) => assert!(error.is_timed_out() || error.is_no_quorum(), "{error}"),
                }
                failed += 1;
                assert!(
                    failed < 10,
                    "a minority was away, and {failed} of {acquired} acquisitions failed"
                );
            };
            let token = guard.token();
            assert!(
                last < Some(token),
                "{token} after {last:?}, acquisition {acquired}"
            );
            last = Some(token);
            // Including releases in the background.
            if acquired % 3 == 0 {
                drop(guard);
            } else {
                let _ = guard.release().await;
            }
        }
        stop.store(true, Ordering::SeqCst);
    };
    let (restarts, ()) = tokio::join!(trouble(&cluster, &clients, &stop), acquiring);
    assert!(restarts >= 5, "there was trouble");
}

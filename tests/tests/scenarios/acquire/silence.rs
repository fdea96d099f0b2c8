//! A1: a silent node causes no delay.

use std::time::Duration;

use redlock::Redlock;
use tests::Cluster;
use tests::proxy::Unanswered;
use tokio::time::Instant;

use crate::support::{KEY, LONG, acquire_times, connect, percentile};

const SAMPLES: usize = 300;
const ROUNDS: usize = 4;
const NODE_TIMEOUT: Duration = Duration::from_millis(250);

/// Waiting for the silent node takes a node time-out; everything else takes much less.
const NOT_WAITED: Duration = Duration::from_millis(125);

async fn first_two(redlock: &Redlock) -> [Duration; 2] {
    let mut times = [Duration::ZERO; 2];
    for time in &mut times {
        let start = Instant::now();
        let guard = redlock
            .lock(KEY)
            .ttl(LONG)
            .no_wait()
            .await
            .expect("four of five");
        *time = start.elapsed();
        guard.release().await.expect("released");
    }
    times
}

/// Passes if one of a few rounds is fast enough: noise only adds time, and waiting would slow down all rounds.
#[tokio::test]
async fn a1_a_node_that_hangs_after_it_was_connected() {
    let cluster = Cluster::start(5).await;
    let redlock = Redlock::builder()
        .nodes(cluster.urls())
        .node_timeout(NODE_TIMEOUT)
        .connect()
        .await
        .expect("all up");
    acquire_times(&redlock, SAMPLES).await;
    let mut seen = Vec::new();
    for round in 0..ROUNDS {
        let before = acquire_times(&redlock, SAMPLES).await;
        let node = cluster.node(round % 5);
        node.pause();
        let first = first_two(&redlock).await;
        assert!(
            first.iter().all(|time| *time < NOT_WAITED),
            "the first calls waited: {first:?}"
        );
        let hung = acquire_times(&redlock, SAMPLES).await;
        node.resume();
        let after = acquire_times(&redlock, SAMPLES).await;
        let healthy = percentile(&before, 99).max(percentile(&after, 99));
        if percentile(&hung, 99) < healthy * 2 {
            return;
        }
        seen.push((percentile(&hung, 99), healthy));
    }
    panic!("p99 with a hung node, and without: {seen:?}");
}

#[tokio::test]
async fn a1_a_node_that_was_never_reached() {
    let cluster = Cluster::start(5).await;
    let nowhere = Unanswered::start().await;
    let healthy = connect(&cluster).await;
    let mut urls = cluster.urls();
    urls[2] = nowhere.url();
    let builder = Redlock::builder().nodes(urls).node_timeout(NODE_TIMEOUT);
    let lazy = builder
        .clone()
        .connect_lazy()
        .expect("nothing is asked yet");
    let first = first_two(&lazy).await;
    assert!(
        first.iter().all(|time| *time < NOT_WAITED),
        "the first calls waited: {first:?}"
    );

    let redlock = builder.connect().await.expect("four of five");
    let mut seen = Vec::new();
    for _ in 0..ROUNDS {
        let without = percentile(&acquire_times(&redlock, SAMPLES).await, 99);
        let with = percentile(&acquire_times(&healthy, SAMPLES).await, 99);
        if without < with * 2 {
            return;
        }
        seen.push((without, with));
    }
    panic!("p99 without an answer, and with: {seen:?}");
}

//! Cool-downs that a node carries out late: their window ends when it would have ended in time.

use std::time::Duration;

use redlock::Redlock;
use tests::{Cluster, eventually};
use tokio::time::{Instant, sleep};

use crate::{MINUTE, SOON};

async fn client(cluster: &Cluster, node_timeout: Duration) -> Redlock {
    let builder = Redlock::builder().nodes(cluster.urls());
    let redlock = builder.node_timeout(node_timeout).connect().await;
    redlock.expect("three nodes")
}

/// Sends the cool-down to nodes that do not run, lets them run again after `pause`, and returns when it was asked for.
async fn cooled_late(
    cluster: &Cluster,
    redlock: &Redlock,
    window: Duration,
    pause: Duration,
) -> Instant {
    let guard = redlock.lock("nightly").ttl(MINUTE).await.expect("free");
    eventually(SOON, async || cluster.locked_on("nightly").await.len() == 3).await;
    cluster.nodes().iter().for_each(tests::Node::pause);
    let asked = Instant::now();
    // The nodes are not known to be silent, so the command is in their buffers.
    guard.cool_down(window).await.expect_err("no node answers");
    sleep(pause.saturating_sub(asked.elapsed())).await;
    cluster.nodes().iter().for_each(tests::Node::resume);
    asked
}

/// Whether the window ends on all nodes at most a second after it would have ended in time.
async fn end_in_time(cluster: &Cluster, asked: Instant, window: Duration) -> bool {
    for node in cluster.nodes() {
        let left = node.pttl("nightly").await.unwrap_or_default();
        if asked.elapsed() + left > window + Duration::from_secs(1) {
            return false;
        }
    }
    true
}

/// The connections are given up meanwhile.
#[tokio::test]
async fn f34_a_window_that_begins_late_on_a_new_connection_ends_in_time() {
    let (window, pause) = (MINUTE, Duration::from_secs(3));
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster, Duration::from_millis(250)).await;
    let asked = cooled_late(&cluster, &redlock, window, pause).await;
    eventually(SOON, async || end_in_time(&cluster, asked, window).await).await;
    let busy = redlock.lock("nightly").no_wait().await;
    assert!(busy.expect_err("the rest of the window").is_cooling_down());
}

/// The reply comes late, on the connection of the command.
#[tokio::test]
async fn f34_a_window_that_begins_late_on_the_same_connection_ends_in_time() {
    let (window, pause) = (MINUTE, Duration::from_secs(3));
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster, Duration::from_millis(1_200)).await;
    let asked = cooled_late(&cluster, &redlock, window, pause).await;
    eventually(SOON, async || end_in_time(&cluster, asked, window).await).await;
    let busy = redlock.lock("nightly").no_wait().await;
    assert!(busy.expect_err("the rest of the window").is_cooling_down());
}

#[tokio::test]
async fn f34_a_window_that_is_over_before_it_begins_keeps_nobody_out() {
    let (window, pause) = (Duration::from_secs(5), Duration::from_millis(5_500));
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster, Duration::from_millis(250)).await;
    let asked = cooled_late(&cluster, &redlock, window, pause).await;
    eventually(SOON, async || cluster.locked_on("nightly").await.is_empty()).await;
    // The whole window from then on would end after 10.5 s.
    assert!(asked.elapsed() < pause + window * 4 / 5, "{asked:?}");
}

/// A lock that was granted for several of which another one is held. Nothing ran under it.
#[tokio::test]
async fn a_request_for_several_locks_that_fails_opens_no_window() {
    let cluster = Cluster::start(3).await;
    let node_timeout = Duration::from_millis(250);
    let (one, other) = (
        client(&cluster, node_timeout).await,
        client(&cluster, node_timeout).await,
    );
    let both = one
        .lock_all(["b"])
        .and(one.lock("a").at_least(MINUTE))
        .wait(Duration::from_millis(300));
    let held = other.lock("b").await.expect("free");
    let refused = both.clone().await.expect_err("one of them is held");
    assert!(refused.is_timed_out(), "{refused}");
    let after = other.lock("a").no_wait().await.expect("not cooling down");
    after.release().await.expect("held");
    // Nor does one that is given up.
    let given_up = tokio::time::timeout(Duration::from_millis(100), both.clone()).await;
    given_up.expect_err("still held");
    let free = async || other.try_lock("a").await.is_ok_and(|guard| guard.is_some());
    eventually(SOON, free).await;
    // Work that was done under it does.
    held.release().await.expect("held");
    both.wait(SOON).run(async |_| ()).await.expect("free");
    let busy = other.lock("a").no_wait().await;
    assert!(busy.expect_err("the rest of the window").is_cooling_down());
}

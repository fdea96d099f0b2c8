//! A waiter is notified, whatever happened to other waiters and to the connections meanwhile.

use std::time::Duration;

use redlock::{Guard, Redlock};
use tests::Cluster;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

const LONG: Duration = Duration::from_secs(55);
const SOON: Duration = Duration::from_secs(12);
const KEY: &str = "invoice:42";
const WAITERS: &str = "{invoice:42}{}:waiters";

async fn connected(cluster: &Cluster) -> Redlock {
    Redlock::connect(cluster.urls()).await.expect("all up")
}

/// Waits for the key in a task, until it is on the waitlist of all nodes.
async fn waiter(cluster: &Cluster, redlock: &Redlock) -> JoinHandle<redlock::Result<Guard>> {
    let before = listed(cluster).await;
    let request = redlock.lock(KEY).ttl(LONG).wait(LONG);
    let waiting = tokio::spawn(async move { request.await });
    let all = before.iter().map(|count| count + 1).collect::<Vec<_>>();
    tests::eventually(LONG, async || listed(cluster).await == all).await;
    // A waiter that has just joined may make one more attempt.
    sleep(Duration::from_millis(300)).await;
    waiting
}

async fn listed(cluster: &Cluster) -> Vec<u64> {
    let mut listed = Vec::new();
    for node in cluster.nodes() {
        listed.push(node.ask(redis::cmd("ZCARD").arg(WAITERS)).await);
    }
    listed
}

/// Waiters that crashed, and are before all others.
async fn crashed(cluster: &Cluster, count: usize) {
    for node in cluster.nodes() {
        let mut add = redis::cmd("ZADD");
        add.arg(WAITERS);
        for number in 0..count {
            add.arg(number).arg(format!("{number:016x}"));
        }
        let _: u64 = node.ask(&add).await;
    }
}

async fn assert_served(waiting: JoinHandle<redlock::Result<Guard>>) {
    let turn = timeout(SOON, waiting).await.expect("notified at once");
    let turn = turn.expect("no panic").expect("a turn");
    turn.release().await.expect("released");
}

#[tokio::test]
async fn f74_many_crashed_waiters_do_not_hide_a_release_from_a_live_one() {
    for force in [false, true] {
        let cluster = Cluster::start(3).await;
        let (holder, other) = (connected(&cluster).await, connected(&cluster).await);
        let guard = holder.lock(KEY).ttl(LONG).await.expect("free");
        let waiting = waiter(&cluster, &other).await;
        crashed(&cluster, 500).await;
        if force {
            connected(&cluster)
                .await
                .force_release(KEY)
                .await
                .expect("taken");
        } else {
            guard.release().await.expect("released");
        }
        assert_served(waiting).await;
    }
}

#[tokio::test]
async fn f20_many_crashed_waiters_do_not_hide_a_cool_down_from_a_live_one() {
    let cluster = Cluster::start(3).await;
    let (holder, other) = (connected(&cluster).await, connected(&cluster).await);
    let guard = holder.lock(KEY).ttl(LONG).await.expect("free");
    let waiting = waiter(&cluster, &other).await;
    crashed(&cluster, 500).await;
    guard.cool_down(LONG).await.expect("cooling down");
    let refused = timeout(SOON, waiting).await.expect("notified at once");
    let error = refused.expect("no panic").expect_err("in its window");
    assert!(error.is_cooling_down(), "{error}");
    assert!(listed(&cluster).await.iter().all(|count| *count == 0));
}

/// A notification that was lost because all connections of the waiter were replaced at that moment.
#[tokio::test]
async fn f74_waiters_ask_again_after_a_connection_was_replaced() {
    let cluster = Cluster::start(3).await;
    let (holder, other) = (connected(&cluster).await, connected(&cluster).await);
    let guard = holder.lock(KEY).ttl(LONG).await.expect("free");
    let waiting = waiter(&cluster, &other).await;
    for node in cluster.nodes() {
        let mut both = redis::pipe();
        both.atomic();
        for kind in ["pubsub", "normal"] {
            both.cmd("CLIENT").arg("KILL").arg("TYPE").arg(kind);
        }
        // Like a release whose notification goes to the connection that has just ended.
        both.cmd("DEL").arg(KEY);
        let client = redis::Client::open(node.url()).expect("an address");
        let mut connection = client.get_multiplexed_async_connection().await.expect("up");
        let _: redis::Value = both
            .query_async(&mut connection)
            .await
            .expect("carried out");
    }
    assert_served(waiting).await;
    drop(guard);
}

/// A waitlist lives for as long as the longest lease that one of its waiters waits for.
#[tokio::test]
async fn f74_a_shorter_lease_does_not_shorten_the_life_of_the_waitlist() {
    let cluster = Cluster::start(3).await;
    let (holder, other) = (connected(&cluster).await, connected(&cluster).await);
    let guard = holder.lock(KEY).ttl(LONG).await.expect("free");
    let waiting = waiter(&cluster, &other).await;
    // The next holder has a short ttl, and another waiter sees that and gives up.
    for node in cluster.nodes() {
        let () = node.ask(redis::cmd("PEXPIRE").arg(KEY).arg(2_000)).await;
    }
    let looker = connected(&cluster).await;
    let gave_up = looker.lock(KEY).wait(Duration::from_millis(600)).await;
    assert!(gave_up.is_err());
    for node in cluster.nodes() {
        let left = node.pttl(WAITERS).await.expect("a waitlist");
        assert!(left > LONG / 2, "{left:?} on node {}", node.index());
    }
    drop(guard);
    assert_served(waiting).await;
}

//! The cost of waiting: almost none while nothing happens, and a round trip for each batch under load.

use std::time::Duration;

use redlock::{Guard, Redlock};
use tests::Cluster;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

const LONG: Duration = Duration::from_secs(59);
const SOON: Duration = Duration::from_secs(25);
/// A waiter that polls has polled by then, and one that relies on a notification that never comes has not.
const LOOKED: Duration = Duration::from_secs(15);
const KEY: &str = "invoice:42";

fn name(number: usize) -> String {
    format!("invoice:{number}")
}

async fn connected(cluster: &Cluster) -> Redlock {
    Redlock::connect(cluster.urls()).await.expect("all up")
}

/// Holds that many keys, some at a time.
async fn hold(redlock: &Redlock, keys: usize) -> Vec<Guard> {
    let mut guards = Vec::with_capacity(keys);
    for from in (0..keys).step_by(500) {
        let some = (from..keys.min(from + 500)).map(|number| {
            let request = redlock.lock(name(number)).ttl(LONG).wait(SOON);
            async move { request.await.expect("free") }
        });
        guards.extend(futures_util::future::join_all(some).await);
    }
    guards
}

/// A waiter for each of that many keys.
fn wait(redlock: &Redlock, keys: usize) -> JoinSet<redlock::Result<Guard>> {
    let mut waiting = JoinSet::new();
    for number in 0..keys {
        let request = redlock.lock(name(number)).ttl(LONG).wait(LONG);
        waiting.spawn(async move { request.await });
    }
    waiting
}

/// How many keys have waiters on a majority of three nodes. A waiter joins the waitlists that it can reach.
async fn waited_for(cluster: &Cluster) -> usize {
    let mut counts = Vec::new();
    for node in cluster.nodes() {
        let keys = node.keys().await;
        counts.push(keys.iter().filter(|key| key.ends_with(":waiters")).count());
    }
    counts.sort_unstable();
    counts[1]
}

async fn scripts(cluster: &Cluster) -> u64 {
    let mut calls = 0;
    for node in cluster.nodes() {
        calls += node.calls(&["evalsha", "eval", "set"]).await;
    }
    calls
}

async fn assert_all_released(cluster: &Cluster) {
    tests::eventually(LONG, async || {
        let keys = cluster.node(0).keys().await;
        keys.iter().all(|key| key.ends_with(":fence"))
    })
    .await;
}

#[tokio::test]
async fn f74_a_waiter_sends_nothing_before_a_notification() {
    const KEYS: usize = 300;
    let cluster = Cluster::start(3).await;
    let (holder, waiter) = (connected(&cluster).await, connected(&cluster).await);
    let guards = hold(&holder, KEYS).await;
    let mut waiting = wait(&waiter, KEYS);
    tests::eventually(SOON, async || waited_for(&cluster).await == KEYS).await;
    // A waiter that has asked only one node makes one more attempt, and no other.
    sleep(Duration::from_secs(2)).await;
    let before = scripts(&cluster).await;
    sleep(Duration::from_secs(5)).await;
    let asked = scripts(&cluster).await - before;
    assert!(
        asked < KEYS as u64 / 10,
        "{asked} in 5 s, by {KEYS} waiters"
    );

    // And each is notified when it is first in the waitlist.
    drop(guards);
    let served = async {
        while let Some(turn) = waiting.join_next().await {
            let turn = turn.expect("no panic").expect("a turn");
            turn.release().await.expect("released");
        }
    };
    timeout(SOON, served).await.expect("long before the ttl");
    assert_all_released(&cluster).await;
}

#[tokio::test]
async fn f74_a_notification_lost_with_its_connection_is_not_waited_for() {
    let cluster = Cluster::start(3).await;
    let (holder, waiter) = (connected(&cluster).await, connected(&cluster).await);
    for round in 0..3 {
        let guard = holder.lock(KEY).ttl(LONG).await.expect("free");
        let request = waiter.lock(KEY).ttl(LONG).wait(LONG);
        let waiting = tokio::spawn(async move { request.await });
        tests::eventually(SOON, async || waited_for(&cluster).await == 1).await;
        sleep(Duration::from_millis(300 * round)).await;
        for node in cluster.nodes() {
            for kind in ["pubsub", "normal"] {
                let mut kill = redis::cmd("CLIENT");
                kill.arg("KILL").arg("TYPE").arg(kind);
                let _: redis::Value = node.ask(&kill).await;
            }
        }
        drop(guard);
        let turn = timeout(SOON, waiting).await.expect("long before the ttl");
        let turn = turn.expect("no panic").expect("a turn");
        turn.release().await.expect("released");
    }
}

/// Another library sends no notifications.
#[tokio::test]
async fn f74_a_holder_that_sends_no_notifications_is_polled() {
    let cluster = Cluster::start(3).await;
    let waiter = connected(&cluster).await;
    // After one of our holders, so that there is a fence.
    let ours = waiter.lock(KEY).ttl(LONG).await.expect("free");
    ours.release().await.expect("released");
    for value in ["theirs", "00112233445566778899aabbccddeeff"] {
        for node in cluster.nodes() {
            let mut set = redis::cmd("SET");
            set.arg(KEY).arg(value).arg("PX").arg(50_000);
            let () = node.ask(&set).await;
        }
        let request = waiter.lock(KEY).ttl(LONG).wait(LONG);
        let waiting = tokio::spawn(async move { request.await });
        tests::eventually(SOON, async || waited_for(&cluster).await == 1).await;
        for node in cluster.nodes() {
            let _: u64 = node.ask(redis::cmd("DEL").arg(KEY)).await;
        }
        let turn = timeout(LOOKED, waiting).await.expect("long before the ttl");
        let turn = turn.expect("no panic").expect("a turn");
        turn.release().await.expect("released");
    }
}

/// A server without memory cannot add waiters to its waitlist, so they poll.
#[tokio::test]
async fn f74_a_waiter_that_is_not_on_the_waitlist_polls() {
    let cluster = Cluster::start(3).await;
    let (holder, waiter) = (connected(&cluster).await, connected(&cluster).await);
    let guard = holder.lock(KEY).ttl(LONG).await.expect("free");
    for node in cluster.nodes() {
        let mut full = redis::cmd("CONFIG");
        full.arg("SET").arg("maxmemory").arg(1);
        let () = node.ask(&full).await;
    }
    let request = waiter.lock(KEY).ttl(LONG).wait(LONG);
    let waiting = tokio::spawn(async move { request.await });
    sleep(Duration::from_secs(1)).await;
    guard.release().await.expect("released");
    for node in cluster.nodes() {
        let mut full = redis::cmd("CONFIG");
        full.arg("SET").arg("maxmemory").arg(0);
        let () = node.ask(&full).await;
    }
    let turn = timeout(LOOKED, waiting).await.expect("long before the ttl");
    let turn = turn.expect("no panic").expect("a turn");
    turn.release().await.expect("released");
}

/// Thousands of releases at once: every waiter gets its lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f74_a_burst_of_releases_serves_all_waiters() {
    const KEYS: usize = 10_000;
    let cluster = Cluster::start(3).await;
    let (holder, waiter) = (connected(&cluster).await, connected(&cluster).await);
    let guards = hold(&holder, KEYS).await;
    let mut waiting = wait(&waiter, KEYS);
    // Each on two nodes: one that was late knows of some later.
    tests::eventually(LONG, async || {
        let mut places = 0;
        for node in cluster.nodes() {
            let keys = node.keys().await;
            places += keys.iter().filter(|key| key.ends_with(":waiters")).count();
        }
        places >= 2 * KEYS
    })
    .await;
    let began = tokio::time::Instant::now();
    drop(guards);
    let (mut turns, mut errors) = (Vec::new(), Vec::new());
    while let Some(turn) = waiting.join_next().await {
        match turn.expect("no panic") {
            Ok(turn) => turns.push(turn),
            Err(error) => errors.push(error),
        }
    }
    println!("{} turns after {:?}", turns.len(), began.elapsed());
    assert!(errors.is_empty(), "{} errors: {}", errors.len(), errors[0]);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

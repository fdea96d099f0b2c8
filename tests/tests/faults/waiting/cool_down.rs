//! A request for a key in its cool-down is refused at once, even if it would wait, and its error differs from that of a held
//! key.

use std::time::Duration;

use redlock::{Error, ErrorKind, Guard, Redlock, RestartGuard, memory};
use tests::Cluster;
use tokio::{task::JoinSet, time::timeout};

/// How long a waiter would wait if it were not refused, and how long the windows last.
const LONG: Duration = Duration::from_secs(50);
/// A refusal within this time is immediate, on a busy machine too.
const SOON: Duration = Duration::from_secs(20);
const KEY: &str = "order:42";

async fn clients<const N: usize>(cluster: &Cluster) -> [Redlock; N] {
    let mut clients = Vec::new();
    for _ in 0..N {
        clients.push(Redlock::connect(cluster.urls()).await.expect("all up"));
    }
    clients.try_into().expect("as many")
}

/// The error of a request that waits.
async fn waits(redlock: &Redlock, fencing: bool) -> Error {
    let request = redlock.lock(KEY).fencing(fencing).wait(LONG);
    let refused = timeout(SOON, request).await.expect("refused at once");
    refused.expect_err("in its cool-down")
}

/// The error says that the key is in a cool-down, and for how long at most.
fn assert_cools(error: &Error, window: Duration) {
    assert_eq!(error.kind(), ErrorKind::CoolingDown, "{error}");
    assert!(error.is_cooling_down(), "{error}");
    assert!(error.is_busy(), "a kind of busy: {error}");
    let left = error.retry_after().expect("what is left of the window");
    assert!(left <= window, "{left:?}");
    assert!(left + SOON >= window, "{left:?}");
    assert!(error.to_string().contains("cool-down"), "{error}");
}

/// Every request is refused, with and without waiting, in this client and in others.
async fn assert_refused(clients: &[&Redlock], window: Duration) {
    for redlock in clients {
        for fencing in [true, false] {
            assert_cools(&waits(redlock, fencing).await, window);
            let request = redlock.lock(KEY).fencing(fencing).no_wait();
            assert_cools(&request.await.expect_err("in its cool-down"), window);
        }
        assert!(redlock.try_lock(KEY).await.expect("no error").is_none());
        let all = redlock.lock_all(["another", KEY]).wait(LONG);
        let refused = timeout(SOON, all).await.expect("refused at once");
        assert_cools(&refused.expect_err("in its cool-down"), window);
    }
}

async fn held(redlock: &Redlock) -> Guard {
    redlock.lock(KEY).ttl(LONG).await.expect("free")
}

#[tokio::test]
async fn f20_a_key_in_its_cool_down_is_refused_at_once_even_to_waiters() {
    let cluster = Cluster::start(3).await;
    let [one, other] = clients(&cluster).await;
    held(&one)
        .await
        .cool_down(LONG)
        .await
        .expect("cooling down");
    assert_refused(&[&one, &other], LONG).await;
}

#[tokio::test]
async fn f20_a_cool_down_without_fencing_and_under_the_strict_guard() {
    let cluster = Cluster::start(3).await;
    let [one, other] = clients(&cluster).await;
    let guard = one.lock(KEY).fencing(false).ttl(LONG).await.expect("free");
    guard.cool_down(LONG).await.expect("cooling down");
    assert_refused(&[&one, &other], LONG).await;

    let strict = Cluster::start(3).await;
    let builder = Redlock::builder()
        .nodes(strict.urls())
        .restart_guard(RestartGuard::Strict);
    let one = builder.clone().connect().await.expect("all up");
    let other = builder.connect().await.expect("all up");
    one.trust_nodes().await.expect("vouched for");
    held(&one)
        .await
        .cool_down(LONG)
        .await
        .expect("cooling down");
    assert_refused(&[&one, &other], LONG).await;
}

#[tokio::test]
async fn f20_the_rest_of_at_least_is_a_cool_down() {
    let cluster = Cluster::start(3).await;
    let [one, other] = clients(&cluster).await;
    let request = one.lock(KEY).ttl(LONG).at_least(LONG);
    request.await.expect("free").release().await.expect("up");
    assert_refused(&[&one, &other], LONG).await;
}

#[tokio::test]
async fn f20_a_cool_down_on_nodes_in_memory() {
    let nodes = memory::Nodes::new(3);
    let one = Redlock::connect(nodes.nodes()).await.expect("all up");
    let other = Redlock::connect(nodes.nodes()).await.expect("all up");
    held(&one)
        .await
        .cool_down(LONG)
        .await
        .expect("cooling down");
    assert_refused(&[&one, &other], LONG).await;
}

/// Waiters of each client, of which the first is in an attempt and the others are in the local queue.
fn waiters<'a>(clients: impl IntoIterator<Item = &'a Redlock>) -> JoinSet<Error> {
    let mut waiting = JoinSet::new();
    for redlock in clients {
        for fencing in [true, false, true] {
            let redlock = redlock.clone();
            waiting.spawn(async move {
                let request = redlock.lock(KEY).fencing(fencing).wait(LONG);
                request.await.expect_err("in its cool-down")
            });
        }
    }
    waiting
}

#[tokio::test]
async fn f20_waiters_are_refused_when_the_cool_down_begins() {
    let cluster = Cluster::start(3).await;
    let [one, other, third] = clients(&cluster).await;
    let guard = held(&one).await;
    let waiting = waiters([&one, &other, &third]);
    // Those of the other clients wait for a notification.
    tests::eventually(SOON, async || {
        let mut list = redis::cmd("ZCARD");
        list.arg(format!("{{{KEY}}}{{}}:waiters"));
        cluster.node(0).ask::<u64>(&list).await >= 2
    })
    .await;
    guard.cool_down(LONG).await.expect("cooling down");
    let all = timeout(SOON, waiting.join_all()).await;
    for error in all.expect("all are refused") {
        assert_cools(&error, LONG);
    }
}

#[tokio::test]
async fn f20_waiters_are_refused_on_nodes_in_memory() {
    let nodes = memory::Nodes::new(3);
    let one = Redlock::connect(nodes.nodes()).await.expect("all up");
    let other = Redlock::connect(nodes.nodes()).await.expect("all up");
    let guard = held(&one).await;
    let waiting = waiters([&one, &other]);
    tokio::time::sleep(Duration::from_millis(100)).await;
    guard.cool_down(LONG).await.expect("cooling down");
    let all = timeout(SOON, waiting.join_all()).await;
    for error in all.expect("all are refused") {
        assert_cools(&error, LONG);
    }
}

#[tokio::test]
async fn f20_local_waiters_are_refused_without_a_round_trip() {
    let cluster = Cluster::start(3).await;
    let [one] = clients(&cluster).await;
    let guard = held(&one).await;
    let waiting = waiters([&one]);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let asked = async || cluster.node(0).calls(&["evalsha", "eval"]).await;
    let before = asked().await;
    guard.cool_down(LONG).await.expect("cooling down");
    for error in waiting.join_all().await {
        assert_cools(&error, LONG);
    }
    // The cool-down itself, with its source if the server did not know it.
    let sent = asked().await - before;
    assert!(sent <= 2, "{sent} commands");
}

/// A cool-down on a minority of the nodes blocks no request, and one beside a holder is not taken for the holder.
#[tokio::test]
async fn f20_a_cool_down_on_a_minority_does_not_count() {
    let cluster = Cluster::start(3).await;
    let [one, other] = clients(&cluster).await;
    held(&one)
        .await
        .cool_down(LONG)
        .await
        .expect("cooling down");
    for node in &cluster.nodes()[..2] {
        let _: u64 = node.ask(redis::cmd("DEL").arg(KEY)).await;
    }
    for _ in 0..2 {
        let guard = other.lock(KEY).ttl(LONG).no_wait().await.expect("free");
        let busy = one.lock(KEY).no_wait().await.expect_err("held");
        assert_eq!(busy.kind(), ErrorKind::Busy, "{busy}");
        guard.release().await.expect("released");
    }
}

#[tokio::test]
async fn f20_a_cool_down_with_a_node_down_and_with_five_nodes() {
    let cluster = Cluster::start(5).await;
    let [one, other] = clients(&cluster).await;
    cluster.node(1).kill();
    held(&one)
        .await
        .cool_down(LONG)
        .await
        .expect("cooling down");
    cluster.node(3).pause();
    assert_cools(&waits(&other, true).await, LONG);
    assert_cools(&waits(&one, true).await, LONG);
    cluster.node(3).resume();
}

#[tokio::test]
async fn f20_after_its_window_the_key_is_free() {
    let cluster = Cluster::start(3).await;
    let [one, other] = clients(&cluster).await;
    let window = Duration::from_millis(300);
    held(&one)
        .await
        .cool_down(window)
        .await
        .expect("cooling down");
    let error = match other.lock(KEY).no_wait().await {
        Err(error) => error,
        // A machine that stalled for that long.
        Ok(guard) => return guard.release().await.expect("released"),
    };
    tokio::time::sleep(error.retry_after().expect("a time")).await;
    tests::eventually(SOON, async || {
        other.try_lock(KEY).await.expect("up").is_some()
    })
    .await;
}

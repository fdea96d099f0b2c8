//! A lock that is lost to a newer request is normal operation where the newest wins: nothing warns, and nothing counts it as a
//! failure of the nodes. A lock that is lost in another way is reported once.

use std::{sync::Arc, time::Duration};

use redlock::{LockRequest, Redlock, memory::Nodes};
use redlock_tower::{OnLost, Reason, RedlockLayer, key};
use tests::{
    Cluster, eventually,
    web::{self, Orders, SOON, by_user, order, send, start},
    within,
};

use crate::{recorder::Recording, recording::Spans};

/// The outcomes of the spans of that name that have ended.
fn outcomes(spans: &Spans, name: &str) -> Vec<String> {
    let ended = spans.named(name).into_iter().filter(|seen| seen.closed);
    let mut outcomes: Vec<String> = ended
        .map(|seen| seen.fields.get("outcome").cloned().unwrap_or_default())
        .collect();
    outcomes.sort();
    outcomes
}

#[track_caller]
fn assert_silent(spans: &Spans, events: &[&str]) {
    for event in events {
        assert!(spans.named(event).is_empty(), "{}", spans.text());
    }
}

#[tokio::test]
async fn a_superseded_request_of_the_layer_is_released_and_no_failure() {
    let (spans, recording) = (Spans::record(), Recording::default());
    let _listening = metrics::set_default_local_recorder(&recording);
    let cluster = Cluster::start(3).await;
    let orders = Orders::blocked();
    let app = async || {
        let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
        let layer = RedlockLayer::new(redlock, key::header("x-user-id")).newest_wins(true);
        orders.route().layer(layer.wait(SOON))
    };
    let (here, there) = (app().await, app().await);
    let older = start(&here, order("secret:1"));
    orders.wait_entered(1).await;
    let newer = start(&there, order("secret:1"));
    let answer = within(SOON, older).await.expect("no panic");
    assert_eq!(answer.reason(), Some(Reason::Superseded));
    orders.unblock(1);
    let answer = within(SOON, newer).await.expect("no panic");
    assert_eq!(answer.status, 201);

    let sum = |name: &str, label: &str| recording.sum(name, label);
    assert_eq!(sum("redlock_tower_releases_unconfirmed_total", ""), 0.0);
    assert_eq!(sum("redlock_tower_rejections_total", "superseded"), 1.0);
    assert_eq!(sum("redlock_locks_lost_total", "superseded"), 1.0);
    assert_silent(
        &spans,
        &[
            "no quorum confirmed the release of a request's lock",
            "lock lost",
        ],
    );
    for span in ["lock.hold", "lock.release"] {
        assert_eq!(outcomes(&spans, span), ["released", "superseded"], "{span}");
    }
}

#[tokio::test]
async fn a_guard_that_is_dropped_after_it_was_superseded_says_so() {
    let spans = Spans::record();
    let nodes = Nodes::new(3);
    let (one, other) = (web::connect(&nodes).await, web::connect(&nodes).await);
    let newest = |redlock: &Redlock| redlock.lock("a").newest_wins(true).wait(SOON);
    let older = newest(&one).await.expect("free");
    let newer = newest(&other).await.expect("the newest");
    assert!(older.is_superseded());
    drop(older);
    newer.release().await.expect("held");
    assert_eq!(outcomes(&spans, "lock.hold"), ["released", "superseded"]);
}

/// No cool-down begins after a loss, so none is unconfirmed. The loss has its event.
#[tokio::test]
async fn a_lock_that_is_lost_before_its_cool_down_has_none() {
    let (spans, recording) = (Spans::record(), Recording::default());
    let _listening = metrics::set_default_local_recorder(&recording);
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock.clone(), by_user()).on_lost(OnLost::Signal);
    let layer = layer.namespace("orders").dedupe_for(SOON);
    let app = orders.route().layer(layer);
    let request = start(&app, order("1"));
    orders.wait_entered(1).await;
    let keys = cluster.node(0).keys().await;
    let held = keys.iter().find(|key| !key.contains('{'));
    let held = held.expect("one lock is held");
    assert!(redlock.force_release(held).await.is_ok(), "{keys:?}");
    orders.unblock(10);
    assert_eq!(within(SOON, request).await.expect("no panic").status, 201);

    assert_eq!(spans.named("lock lost").len(), 1, "{}", spans.text());
    assert!(recording.of("redlock_tower_windows_total", "").is_empty());
    assert_silent(
        &spans,
        &["no quorum confirmed the cool-down after a request: a duplicate may run"],
    );
    assert_eq!(send(&app, order("1")).await.status, 201, "no cool-down");
}

/// The lock is lost in the step of the body that is its last.
#[tokio::test]
async fn a_body_that_has_finished_is_not_reported_for_a_loss() {
    const FAILED: &str = "release failed after its body had finished";
    let spans = Spans::record();
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let one = redlock.lock("a").run(async |_| {
        let released = redlock.force_release("a").await;
        released.expect("three nodes");
    });
    one.await.expect("the body has finished");
    let several = redlock.lock_all(["a", "b"]).run(async |_| {
        let released = redlock.force_release("b").await;
        released.expect("three nodes");
    });
    several.await.expect("the body has finished");
    assert_eq!(spans.named("lock lost").len(), 2, "{}", spans.text());
    assert_silent(&spans, &[FAILED]);
    // It is reported where the nodes are at fault.
    let stopped = redlock.lock("a").run(async |_| {
        cluster.node(0).kill();
        cluster.node(1).kill();
    });
    stopped.await.expect("the body has finished");
    assert_eq!(spans.named(FAILED).len(), 1, "{}", spans.text());
}

/// One client whose renewal is without an answer, while another one supersedes it.
#[tokio::test(start_paused = true)]
async fn a_renewal_of_a_superseded_lock_has_not_failed() {
    let recording = Recording::default();
    let _listening = metrics::set_default_local_recorder(&recording);
    let ttl = Duration::from_secs(30);
    let nodes = Nodes::new(3);
    let connect = async |nodes: &Nodes| {
        let client = Redlock::builder().nodes(nodes.nodes());
        let client = client.node_timeout(Duration::from_secs(2)).connect().await;
        client.expect("three nodes")
    };
    let (one, other) = (connect(&nodes).await, connect(&nodes.apart()).await);
    let newest = |redlock: &Redlock| -> LockRequest {
        let request = redlock.lock("a").ttl(ttl).wait(ttl * 2);
        request.newest_wins(true)
    };
    let older = newest(&one).await.expect("free");
    tokio::time::sleep(ttl / 3 - Duration::from_millis(50)).await;
    // A notification arrives by the first node.
    for node in &nodes.nodes()[1..] {
        node.lose_replies(true);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let newer = newest(&other).await.expect("the older one is superseded");
    assert!(older.is_superseded());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(recording.sum("redlock_renewals_total", "failed"), 0.0);
    newer.release().await.expect("held");
}

#[redlock::redlock(key = "draft", ttl = "30s", wait = "10s", newest_wins, lock = redlock, on_busy = skip)]
async fn save(redlock: &Redlock, orders: &Orders) {
    orders.run().await;
}

#[redlock::redlock(
    key = "draft",
    ttl = "30s",
    wait = "10s",
    newest_wins,
    lock = redlock,
    on_lost = signal,
    guard = lock
)]
async fn save_to_the_end(redlock: &Redlock, orders: &Orders) -> Result<(), redlock::Error> {
    orders.run().await;
    eventually(SOON, async || lock.is_superseded()).await;
    Ok(())
}

#[redlock::redlock(key = "draft", ttl = "30s", lock = redlock, on_busy = skip)]
async fn save_alone(redlock: &Redlock, orders: &Orders) {
    orders.run().await;
}

const CANCELLED: &str = "the lock is lost: the body was cancelled";
const LEFT_OUT: &str = "did not run: the lock was not available, and no error can be returned";
const NOT_ENDED: &str = "the body has ended, but its lock could not be ended";

/// Three calls: one runs, one waits, and the last one wins.
#[tokio::test]
async fn superseded_calls_of_a_function_are_no_failures() {
    let (spans, recording) = (Spans::record(), Recording::default());
    let _listening = metrics::set_default_local_recorder(&recording);
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let orders = Orders::blocked();
    let call = || {
        let (redlock, orders) = (redlock.clone(), Arc::clone(&orders));
        tokio::spawn(async move { save(&redlock, &orders).await })
    };
    let oldest = call();
    orders.wait_entered(1).await;
    let newer = call();
    within(SOON, oldest).await.expect("no panic");
    orders.wait_entered(2).await;
    let newest = call();
    within(SOON, newer).await.expect("no panic");
    orders.unblock(1);
    within(SOON, newest).await.expect("no panic");
    assert_eq!(orders.finished(), 1);
    let sum = |label: &str| recording.sum("redlock_calls_total", label);
    assert_eq!(
        (sum("superseded"), sum("cancelled"), sum("ran")),
        (2.0, 0.0, 1.0)
    );
    assert_silent(&spans, &[CANCELLED, LEFT_OUT]);
    let told = spans.named("superseded by a newer call: the body was cancelled");
    assert_eq!(told.len(), 2, "{}", spans.text());
}

/// A body that runs to its end after its lock was lost.
#[tokio::test]
async fn a_superseded_call_that_is_not_cancelled_is_no_failure() {
    let spans = Spans::record();
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let orders = Orders::unblocked();
    let newest = redlock.lock("draft").newest_wins(true).wait(SOON);
    let newer = async {
        orders.wait_entered(1).await;
        newest.await.expect("the newest")
    };
    let older = save_to_the_end(&redlock, &orders);
    let (older, newer) = tokio::join!(older, newer);
    older.expect("the body has finished");
    newer.release().await.expect("held");
    assert_silent(&spans, &[NOT_ENDED]);
}

/// The body did run, so nothing says that it did not.
#[tokio::test]
async fn a_call_that_is_cancelled_is_reported_once() {
    let spans = Spans::record();
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let orders = Orders::blocked();
    let take = async {
        orders.wait_entered(1).await;
        redlock.force_release("draft").await.expect("three nodes");
    };
    within(SOON, async {
        tokio::join!(save_alone(&redlock, &orders), take)
    })
    .await;
    assert_eq!(spans.named(CANCELLED).len(), 1, "{}", spans.text());
    assert_silent(&spans, &[LEFT_OUT]);
}

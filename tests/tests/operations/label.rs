//! Labels: people see who holds a lock, and nothing about locking changes.

use std::time::Duration;

use futures_util::StreamExt as _;
use redlock::{Builder, ErrorKind, Redlock};
use tests::{Cluster, Node};

const KEY: &str = "invoice:42";

async fn tell(node: &Node, words: &[&str]) -> String {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    node.ask(&command).await
}

async fn client(cluster: &Cluster, label: Option<&str>) -> Redlock {
    let builder = Redlock::builder().nodes(cluster.urls());
    let builder = match label {
        Some(label) => builder.label(label),
        None => builder,
    };
    builder.connect().await.expect("three nodes")
}

#[tokio::test]
async fn every_client_can_see_the_label_of_the_holder() {
    let cluster = Cluster::start(3).await;
    let api = client(&cluster, Some("api-7")).await;
    let worker = client(&cluster, Some("worker@host-1:2/a_b.c")).await;
    let guard = api
        .lock(KEY)
        .ttl(Duration::from_secs(30))
        .await
        .expect("free");

    // On the nodes, the value is one that no other library would take for its own.
    assert!(guard.owner().ends_with(":api-7"), "{}", guard.owner());
    assert!(guard.owner().len() <= 64);
    for node in 0..3 {
        let value = cluster.node(node).get(KEY).await;
        assert_eq!(value.as_deref(), Some(guard.owner()));
    }
    for client in [&api, &worker] {
        let holder = client.holder(KEY).await.expect("a quorum").expect("held");
        assert_eq!(
            (holder.label(), &*holder.owner),
            (Some("api-7"), guard.owner())
        );
        let busy = client.lock(KEY).no_wait().await.expect_err("held");
        assert_eq!(busy.holder_label(), Some("api-7"), "{busy}");
        let text = busy.to_string();
        assert!(
            text.starts_with("lock `invoice:42`: is held by api-7; the lease ends in "),
            "{text}"
        );
        assert!(text.ends_with(" s unless it is renewed"), "{text}");
        let wait = Duration::from_millis(50);
        let late = client.lock(KEY).wait(wait).await.expect_err("held");
        assert_eq!(late.kind(), ErrorKind::TimedOut);
        assert_eq!(late.holder_label(), Some("api-7"), "{late}");
        assert!(
            late.to_string()
                .contains("at its end by api-7; the lease ends in "),
            "{late}"
        );
    }
    // A plain `SET NX` that is refused asks for the holder in a second step.
    let plain = worker.lock(KEY).fencing(false).no_wait().await;
    assert_eq!(plain.expect_err("held").holder_label(), Some("api-7"));
    guard.release().await.expect("three nodes");
    let guard = worker.lock(KEY).await.expect("free");
    let holder = api.holder(KEY).await.expect("a quorum").expect("held");
    assert_eq!(holder.label(), Some("worker@host-1:2/a_b.c"));
    drop(guard);
}

#[tokio::test]
async fn owners_stay_random_and_a_label_grants_no_access() {
    let cluster = Cluster::start(3).await;
    // Two processes of the same label.
    let (one, other) = (
        client(&cluster, Some("api")).await,
        client(&cluster, Some("api")).await,
    );
    let guard = one.lock(KEY).await.expect("free");
    assert!(other.lock(KEY).no_wait().await.expect_err("held").is_busy());
    let first = guard.owner().to_owned();
    guard.release().await.expect("three nodes");
    let second = other.lock(KEY).await.expect("free");
    assert_ne!(first, second.owner());
    second.release().await.expect("three nodes");
    assert!(cluster.locked_on(KEY).await.is_empty());
}

#[tokio::test]
async fn a_notification_names_the_release_and_not_the_label() {
    let cluster = Cluster::start(1).await;
    // The longest label there is.
    let holder = client(&cluster, Some(&"a".repeat(31))).await;
    let waiter = client(&cluster, Some("api-8")).await;
    let guard = holder
        .lock(KEY)
        .ttl(Duration::from_secs(30))
        .await
        .expect("free");
    let (unique, _) = guard.owner().split_at(32);
    let expected = format!("{unique}{KEY}");
    let listener = redis::Client::open(cluster.node(0).url()).expect("an address");
    let mut listener = listener.get_async_pubsub().await.expect("a node");
    listener.psubscribe("*").await.expect("a node");
    let wait = tokio::spawn(async move { waiter.lock(KEY).wait(Duration::from_secs(30)).await });
    let on_waitlist = async || {
        cluster
            .node(0)
            .keys()
            .await
            .iter()
            .any(|key| key.ends_with("waiters"))
    };
    tests::eventually(Duration::from_secs(10), on_waitlist).await;
    guard.release().await.expect("a node");
    // All clients read messages of this form, also those without labels.
    let mut messages = listener.on_message();
    let message = tests::within(Duration::from_secs(10), messages.next()).await;
    let payload: String = message.expect("a message").get_payload().expect("a text");
    assert_eq!(payload, expected);
    drop(wait.await.expect("no panic").expect("released"));
}

#[tokio::test]
async fn the_cool_down_of_a_labelled_holder_has_no_label() {
    let cluster = Cluster::start(1).await;
    let redlock = client(&cluster, Some("api-7")).await;
    let guard = redlock.lock(KEY).await.expect("free");
    guard
        .cool_down(Duration::from_secs(30))
        .await
        .expect("a node");
    let cooling = redlock.holder(KEY).await.expect("a quorum").expect("busy");
    assert!(cooling.is_cool_down(), "{cooling:?}");
    assert_eq!(cooling.label(), None);
    assert!(redlock.lock(KEY).await.expect_err("busy").is_cooling_down());
}

#[tokio::test]
async fn a_lock_of_another_library_has_no_label() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster, Some("api-7")).await;
    for value in [
        "a-uuid:not-a-label",
        "0123456789abcdef0123456789abcdef:api-8",
        "zzzzzzzzzzzzzzzzzzzzzzzzzzzz2ed1:api-8",
        "0123456789abcdef0123456789ab2ed1:no label",
    ] {
        for node in 0..3 {
            tell(cluster.node(node), &["SET", KEY, value, "PX", "60000"]).await;
        }
        let holder = redlock.holder(KEY).await.expect("a quorum").expect("held");
        assert_eq!((holder.label(), &*holder.owner), (None, value));
        let busy = redlock.lock(KEY).no_wait().await.expect_err("held");
        assert_eq!(busy.holder_label(), None);
        assert!(
            busy.to_string()
                .contains("is held by another client or task; the lease ends in "),
            "{busy}"
        );
    }
}

#[tokio::test]
async fn connections_carry_the_label_unless_the_server_refuses() {
    let cluster = Cluster::start(1).await;
    let node = cluster.node(0);
    let _named = client(&cluster, Some("api-7")).await;
    let list = tell(node, &["CLIENT", "LIST"]).await;
    assert!(list.contains("name=api-7"), "{list}");
    // A user who may not name its connections locks all the same.
    tell(node, &["ACL", "SETUSER", "default", "-client|setname"]).await;
    let unnamed = client(&cluster, Some("api-8")).await;
    unnamed
        .lock(KEY)
        .await
        .expect("free")
        .release()
        .await
        .expect("a node");
    let list = tell(node, &["CLIENT", "LIST"]).await;
    assert!(!list.contains("name=api-8"), "{list}");
}

#[tokio::test]
async fn an_invalid_label_is_an_error_that_names_the_limit() {
    let nodes = redlock::memory::Nodes::new(1).nodes();
    let refused = |label: &str| {
        let builder: Builder = Redlock::builder().nodes(nodes.clone()).label(label);
        let error = builder.connect_lazy().expect_err("no label");
        assert!(error.is_invalid(), "{error}");
        error.to_string()
    };
    for (label, needles) in [
        ("", ["label ``", "leave it out"]),
        (
            "checkout-service-7d9f8b6c5-x2x4zz",
            ["has 33 bytes", "at most 31"],
        ),
        ("api 7", ["label `api 7`", "letters, digits"]),
        ("api\n7", ["label `api\\n7`", "leave that out"]),
        ("käse", ["label `käse`", "ASCII"]),
    ] {
        let text = refused(label);
        for needle in needles {
            assert!(text.contains(needle), "{text}: {needle}");
        }
    }
}

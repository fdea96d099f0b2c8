//! Records on the nodes of the lock while those fail.

use std::time::Duration;

use redlock::{FencingToken, Redlock, memory::Nodes};
use redlock_tower::{
    Reason,
    replay::{Begun, Quorum, ReplayStore as _},
};
use tests::{
    Cluster, eventually,
    web::{DAY, connect, redlock, send, submit},
};

use crate::BOUND;
use crate::service::{Service, newcomer, record, shown, trusting};

#[tokio::test]
async fn any_one_of_three_nodes_may_die_between_a_request_and_its_repetition() {
    for dead in 0..3 {
        let cluster = Cluster::start(3).await;
        let service = Service::new(&[trusting(&cluster).await, trusting(&cluster).await]);
        let first = service.send(0, "ann", "a").await;
        assert_eq!(shown(&first), (201, "run 1", false));
        cluster.node(dead).kill();
        for instance in [1, 0] {
            let again = service.send(instance, "ann", "a").await;
            assert_eq!(
                shown(&again),
                (201, "run 1", true),
                "node {dead} on {instance}"
            );
        }
        assert_eq!(service.runs(), 1);
    }
}

#[tokio::test]
async fn a_node_that_restarted_empty_does_not_say_that_there_is_no_record() {
    let cluster = Cluster::start(3).await;
    let service = Service::new(&[trusting(&cluster).await]);
    let newcomer = Service::new(&[newcomer(&cluster).await]);
    let (key, run) = record(&service, &newcomer).await;
    let runs = service.runs();
    cluster.node(0).restart_empty().await;
    // The empty node and one of the others answer.
    cluster.node(1).pause();
    for service in [&service, &newcomer] {
        eventually(BOUND, async || {
            let refused = service.send(0, "ann", &key).await;
            assert_eq!(refused.status, 503, "{}", refused.text());
            refused.reason() == Some(Reason::StoreUnavailable)
        })
        .await;
    }
    cluster.node(1).resume();
    for service in [&service, &newcomer] {
        eventually(BOUND, async || {
            shown(&service.send(0, "ann", &key).await) == (201, &*run, true)
        })
        .await;
    }
    assert_eq!((service.runs(), newcomer.runs()), (runs, 0));
}

#[tokio::test]
async fn a_response_that_is_too_large_for_a_register_does_not_run_again() {
    let nodes = Nodes::new(3);
    let clients = [connect(&nodes).await, connect(&nodes).await];
    let padding = "x".repeat(64 * 1024);
    let service = Service::with(&clients, Quorum::new, |layer| layer, &padding);
    let first = service.send(0, "ann", "a").await;
    assert_eq!(
        (first.status, first.body.len()),
        (201, "run 1".len() + padding.len())
    );
    for instance in [0, 1] {
        let again = service.send(instance, "ann", "a").await;
        assert_eq!(again.reason(), Some(Reason::NotReplayable));
    }
    assert_eq!(service.runs(), 1);
}

#[tokio::test]
async fn a_response_that_just_fits_into_a_register_is_repeated() {
    let nodes = Nodes::new(3);
    let clients = [connect(&nodes).await, connect(&nodes).await];
    let service = Service::with(&clients, Quorum::new, |layer| layer, &"x".repeat(65_000));
    let first = service.send(0, "ann", "a").await;
    let again = service.send(1, "ann", "a").await;
    assert_eq!((again.is_replayed(), &again.body), (true, &first.body));
    assert_eq!(service.runs(), 1);
}

#[tokio::test]
async fn a_key_belongs_to_its_client_and_to_its_payload() {
    let nodes = Nodes::new(3);
    let service = Service::new(&[connect(&nodes).await, connect(&nodes).await]);
    assert_eq!(
        shown(&service.send(0, "ann", "a").await),
        (201, "run 1", false)
    );
    assert_eq!(
        shown(&service.send(1, "bob", "a").await),
        (201, "run 2", false)
    );
    assert_eq!(
        shown(&service.send(1, "ann", "a").await),
        (201, "run 1", true)
    );
    let other = send(&service.instances[1], submit("/orders", "a", "two")).await;
    assert_eq!(other.reason(), Some(Reason::KeyReused));
    assert_eq!(service.runs(), 2);
}

#[tokio::test]
async fn no_further_connection_is_opened() {
    let cluster = Cluster::start(3).await;
    let redlock = trusting(&cluster).await;
    // The first acquire may open connections.
    redlock.lock("warm").await.unwrap().release().await.unwrap();
    let mut before = Vec::new();
    for node in cluster.nodes() {
        before.push(node.connections().await);
    }
    let service = Service::new(&[redlock]);
    for key in 0..20 {
        let key = key.to_string();
        assert_eq!(service.send(0, "ann", &key).await.status, 201);
        assert!(service.send(0, "ann", &key).await.is_replayed());
    }
    for (node, before) in cluster.nodes().iter().zip(before) {
        assert_eq!(node.connections().await, before);
    }
}

/// Three tokens of a lock, one after the other.
async fn tokens(redlock: &Redlock) -> [FencingToken; 3] {
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let guard = redlock.lock("order").await.unwrap();
        tokens.push(guard.token());
        guard.release().await.unwrap();
    }
    tokens.try_into().unwrap()
}

#[tokio::test]
async fn a_holder_that_lost_its_lock_writes_nothing() {
    let redlock = redlock().await;
    let [first, second, third] = tokens(&redlock).await;
    let store = Quorum::new(&redlock);
    let record = |text: &str| text.as_bytes().to_vec();
    assert_eq!(store.begin("a", first, DAY).await.unwrap(), Begun::Fresh);
    assert_eq!(
        store.begin("a", first, DAY).await.unwrap(),
        Begun::Fresh,
        "renewed"
    );
    assert_eq!(store.begin("a", second, DAY).await.unwrap(), Begun::Fresh);
    assert_eq!(store.begin("a", first, DAY).await.unwrap(), Begun::Stale);
    let late = store.finish("a", first, record("late"), DAY).await;
    assert!(!late.unwrap());
    let written = store.finish("a", second, record("second"), DAY).await;
    assert!(written.unwrap());
    assert_eq!(
        store.begin("a", third, DAY).await.unwrap(),
        Begun::Recorded(record("second"))
    );
    let late = store.finish("a", second, record("late"), DAY).await;
    assert!(!late.unwrap());
}

#[tokio::test]
async fn a_record_is_renewed_and_expires() {
    let redlock = redlock().await;
    let [first, second, third] = tokens(&redlock).await;
    let store = Quorum::new(&redlock);
    let (short, record) = (Duration::from_millis(1), vec![7; 3]);
    assert_eq!(store.begin("a", first, DAY).await.unwrap(), Begun::Fresh);
    assert!(
        store
            .finish("a", first, record.clone(), short)
            .await
            .unwrap()
    );
    assert!(store.finish("a", first, record.clone(), DAY).await.unwrap());
    tokio::time::sleep(2 * short).await;
    assert_eq!(
        store.begin("a", second, DAY).await.unwrap(),
        Begun::Recorded(record.clone())
    );
    assert!(store.finish("a", second, record, short).await.unwrap());
    eventually(BOUND, async || {
        store.begin("a", third, DAY).await.unwrap() == Begun::Fresh
    })
    .await;
}

#[tokio::test]
async fn a_record_that_is_too_old_to_be_shared_is_discarded() {
    let redlock = redlock().await;
    let [first, second, third] = tokens(&redlock).await;
    let store = Quorum::new(&redlock);
    assert_eq!(store.begin("a", first, DAY).await.unwrap(), Begun::Fresh);
    assert!(store.finish("a", first, vec![7], DAY).await.unwrap());
    let recent = store.begin_recent("a", second, DAY, DAY / 2).await;
    assert_eq!(recent.unwrap(), Begun::Recorded(vec![7]));
    let recent = store.begin_recent("a", third, DAY, 2 * DAY).await;
    assert_eq!(recent.unwrap(), Begun::Fresh);
}

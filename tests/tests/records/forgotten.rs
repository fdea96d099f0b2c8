//! Nodes that may have forgotten a record: nothing runs twice, and nothing is refused for ever.

use std::time::{Duration, SystemTime};

use redlock::Redlock;
use redlock_tower::{Reason, replay::Quorum};
use tests::{
    Cluster, eventually,
    web::{request, send},
};

use crate::BOUND;
use crate::service::{Layer, Service, newcomer, shown, trusting};

fn plain(layer: Layer) -> Layer {
    layer
}

#[tokio::test]
async fn after_a_majority_lost_its_data_a_repetition_is_refused_for_at_most_the_ttl() {
    let cluster = Cluster::start(3).await;
    let service = Service::new(&[trusting(&cluster).await, trusting(&cluster).await]);
    assert_eq!(
        shown(&service.send(0, "ann", "a").await),
        (201, "run 1", false)
    );
    for node in 0..2 {
        cluster.node(node).restart_empty().await;
    }
    let late = Service::new(&[newcomer(&cluster).await]);
    for (service, instance) in [(&service, 0), (&service, 1), (&late, 0)] {
        let retry_after = refused(service, instance).await;
        let day = 24 * 3600;
        assert!(
            (day - 300..=day + 10).contains(&retry_after),
            "{retry_after}"
        );
    }
    assert_eq!((service.runs(), late.runs()), (1, 0));
}

/// Repeats a request until the lock is granted and the store refuses. Returns the `Retry-After`.
async fn refused(service: &Service, instance: usize) -> u64 {
    let mut retry_after = 0;
    eventually(BOUND, async || {
        let refused = service.send(instance, "ann", "a").await;
        assert_eq!(refused.status, 503, "{}", refused.text());
        retry_after = refused.retry_after().unwrap_or(0);
        refused.reason() == Some(Reason::StoreUnavailable)
    })
    .await;
    retry_after
}

#[tokio::test]
async fn on_a_first_deployment_requests_run_once_an_operator_vouches_for_the_nodes() {
    let cluster = Cluster::start(3).await;
    let redlock = newcomer(&cluster).await;
    let service = Service::new(std::slice::from_ref(&redlock));
    let refused = service.send(0, "ann", "a").await;
    assert_eq!(refused.reason(), Some(Reason::StoreUnavailable));
    let told = refused.json();
    assert_eq!(
        told["title"],
        "It is not known yet whether this request was processed before"
    );
    let detail = told["detail"].as_str().unwrap();
    assert!(detail.contains("started a short time ago"), "{detail}");
    assert!(refused.retry_after().unwrap() > 3600, "{refused:?}");
    for internal in ["redlock:", "ann", "127.0.0.1", "register"] {
        let text = refused.text().replace("urn:problem-type:redlock:", "");
        assert!(!text.contains(internal), "{text}");
    }
    // Without an `Idempotency-Key` there is no record.
    let order = request("POST", "/orders", &[("x-user-id", "ann")], "one");
    assert_eq!(send(&service.instances[0], order).await.status, 201);
    redlock.trust_nodes().await.unwrap();
    assert_eq!(
        shown(&service.send(0, "ann", "a").await),
        (201, "run 2", false)
    );
    assert_eq!(
        shown(&service.send(0, "ann", "a").await),
        (201, "run 2", true)
    );
}

#[tokio::test]
async fn nodes_that_started_before_the_first_record_have_forgotten_none() {
    let cluster = Cluster::start(3).await;
    let redlock = newcomer(&cluster).await;
    // The start of a server is known to a second.
    let first = SystemTime::now() + Duration::from_secs(3);
    let since = move |redlock: &Redlock| Quorum::new(redlock).since(first);
    let service = Service::with(std::slice::from_ref(&redlock), since, plain, "");
    eventually(BOUND, async || {
        let answer = service.send(0, "ann", "a").await;
        let future = SystemTime::now() < first;
        assert!(answer.status == 503 || !future, "{}", answer.text());
        answer.status == 201
    })
    .await;
    assert_eq!(
        shown(&service.send(0, "ann", "a").await),
        (201, "run 1", true)
    );
    // A node that started later may have forgotten some.
    for node in 0..2 {
        cluster.node(node).restart_empty().await;
    }
    let late = Service::with(&[newcomer(&cluster).await], since, plain, "");
    assert!(refused(&late, 0).await > 3600);
    assert_eq!((service.runs(), late.runs()), (1, 0));
}

#[tokio::test]
async fn a_layer_that_fails_open_runs_the_request_and_records_it() {
    let cluster = Cluster::start(3).await;
    let redlock = newcomer(&cluster).await;
    let service = Service::with(&[redlock], Quorum::new, Layer::fail_open, "");
    // A write within the clock skew after the start of a node does not count.
    eventually(BOUND, async || {
        let key = service.runs().to_string();
        let first = service.send(0, "ann", &key).await;
        assert_eq!(first.status, 201);
        service.send(0, "ann", &key).await.is_replayed()
    })
    .await;
}

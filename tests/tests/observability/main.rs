//! The example of observability: its queries name metrics that exist, and Prometheus evaluates all of them while it scrapes the
//! running shop, also when a node is killed.

mod files;
mod process;
mod prometheus;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tests::{Cluster, eventually, within};

use crate::{
    files::{alerts, documented, expressions, metrics_in},
    process::Process,
    prometheus::Prometheus,
};

/// A bound for a few scrapes, on a busy machine.
const BOUND: Duration = Duration::from_secs(60);

#[test]
fn queries_name_metrics_that_exist() {
    let documented = documented();
    let mut used = BTreeSet::new();
    for expression in expressions() {
        for metric in metrics_in(&expression) {
            assert!(documented.contains(&metric), "{metric} in {expression}");
            used.insert(metric);
        }
    }
    assert!(
        used.len() > 12,
        "the queries are not read any more: {used:?}"
    );
}

#[tokio::test]
async fn prometheus_sees_a_node_go_down() {
    let Some(program) = Prometheus::installed() else {
        return;
    };
    let cluster = Cluster::start(3).await;
    let (shop, address) = Process::shop(&cluster.urls().join(",")).await;
    let prometheus = within(BOUND, Prometheus::start(&program, &address)).await;
    let client = reqwest::Client::new();
    let mut number = 0;
    let mut order = async |status: u16| {
        number += 1;
        let request = client
            .post(format!("http://{address}/orders"))
            .header("x-user-id", "ada")
            .header("idempotency-key", number.to_string());
        let answer = request.send().await.expect("the shop answers");
        assert_eq!(answer.status().as_u16(), status);
    };
    order(201).await;
    order(201).await;

    let up = "sum(redlock_node_up)";
    eventually(BOUND, async || prometheus.value(up).await == Some(3.0)).await;
    let orders = "sum(redlock_tower_requests_total{lock=\"held\"})";
    eventually(BOUND, async || prometheus.value(orders).await == Some(2.0)).await;
    assert_eq!(prometheus.alerts().await, BTreeMap::new());

    cluster.node(0).kill();
    eventually(BOUND, async || prometheus.value(up).await == Some(2.0)).await;
    order(201).await;
    let at_risk = async || {
        let alerts = prometheus.alerts().await;
        alerts.contains_key("RedlockQuorumAtRisk")
    };
    eventually(BOUND, at_risk).await;
    assert!(!prometheus.alerts().await.contains_key("RedlockNoQuorum"));

    cluster.node(1).kill();
    eventually(BOUND, async || prometheus.value(up).await == Some(1.0)).await;
    order(503).await;
    for name in ["RedlockNoQuorum", "RedlockRequestsFail"] {
        let fires = async || {
            // A rate needs two scrapes after the first of them has the counter.
            let rejected = client.post(format!("http://{address}/orders"));
            let rejected = rejected
                .header("x-user-id", "bob")
                .header("idempotency-key", "1");
            let _ = rejected.send().await;
            prometheus.alerts().await.contains_key(name)
        };
        eventually(BOUND, fires).await;
    }

    // Each query of the rules and of the dashboard is one that Prometheus can evaluate.
    for expression in expressions() {
        let found = prometheus.query(&expression).await;
        assert_eq!(found["status"], "success", "{expression}: {found}");
    }
    let rules = prometheus.rules().await;
    assert_eq!(rules, alerts(), "the rules that Prometheus loaded");
    drop(shop);
}

//! The metrics of the layer: what is counted, and that no label is a key.

use std::{collections::BTreeSet, path::Path, time::Duration};

use redlock_tower::{Reason, RedlockLayer, replay::MemoryStore};
use tests::web::{DAY, Orders, by_user, locks, order, request, send, start};

use crate::recorder::Recording;

fn rows() -> Vec<String> {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../redlock-tower/docs/metrics.md");
    let document = std::fs::read_to_string(document).expect("docs/metrics.md");
    let rows = document
        .lines()
        .filter(|line| line.starts_with("| `redlock_tower_"));
    rows.map(str::to_owned).collect()
}

/// Every series of the layer is in the table, with its labels and their values.
fn assert_documented(recording: &Recording) {
    let rows = rows();
    for series in recording.series() {
        if !series.starts_with("redlock_tower_") {
            continue;
        }
        let (name, labels) = series.split_once('{').expect("labels");
        let row = rows
            .iter()
            .find(|row| row.starts_with(&format!("| `{name}` ")));
        let row = row.unwrap_or_else(|| panic!("{series} is not in docs/metrics.md"));
        let labels = labels.trim_end_matches('}').split(',');
        for label in labels.filter(|label| !label.is_empty()) {
            let (label, value) = label.split_once('=').expect("a value");
            let value = value.trim_matches('"');
            let is_reason = label == "reason";
            assert!(row.contains(&format!("`{label}`")), "{series}: {row}");
            assert!(
                is_reason || row.contains(&format!("`{value}`")),
                "{series}: {row}"
            );
        }
        assert!(!series.contains("secret"), "{series}");
    }
    let described = recording.described();
    let names: BTreeSet<&str> = rows
        .iter()
        .filter_map(|row| row.split('`').nth(1))
        .collect();
    assert!(
        names
            .iter()
            .all(|name| described.iter().any(|one| one == name))
    );
}

#[tokio::test]
async fn requests_rejections_and_cool_downs() {
    let recording = Recording::default();
    let _listening = metrics::set_default_local_recorder(&recording);
    let (nodes, redlock) = locks().await;
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock, by_user()).no_wait();
    let app = orders
        .route()
        .layer(layer.dedupe_for(Duration::from_secs(60)));

    let sum = |name: &str, label: &str| recording.sum(name, label);
    let first = start(&app, order("secret:1"));
    orders.wait_entered(1).await;
    assert_eq!(sum("redlock_tower_in_flight", ""), 1.0);
    assert_eq!(send(&app, order("secret:1")).await.status, 409);
    orders.unblock(1);
    assert_eq!(first.await.expect("no panic").status, 201);
    assert_eq!(sum("redlock_tower_in_flight", ""), 0.0);
    // In its cool-down.
    assert_eq!(send(&app, order("secret:1")).await.status, 409);

    let rejected = |reason: Reason| sum("redlock_tower_rejections_total", reason.as_str());
    assert_eq!(rejected(Reason::Busy), 1.0);
    assert_eq!(rejected(Reason::Answered), 1.0);
    assert_eq!(sum("redlock_tower_requests_total", "held"), 1.0);
    assert_eq!(sum("redlock_tower_windows_total", "true"), 1.0);
    assert_eq!(recording.of("redlock_tower_wait_seconds", "").len(), 3);
    assert_eq!(recording.of("redlock_tower_hold_seconds", "").len(), 1);
    for node in nodes.nodes() {
        node.stop();
    }
    assert_eq!(send(&app, order("secret:2")).await.status, 503);
    assert_eq!(rejected(Reason::NoQuorum), 1.0);
    assert_documented(&recording);
}

#[tokio::test]
async fn requests_without_a_lock_and_replays() {
    let recording = Recording::default();
    let _listening = metrics::set_default_local_recorder(&recording);
    let (nodes, redlock) = locks().await;
    let app = || axum::Router::new().route("/orders", axum::routing::post(async || "ordered"));
    let layer = || RedlockLayer::new(redlock.clone(), by_user());
    let replaying = app().layer(layer().replay(MemoryStore::new(), DAY));
    let pay = |key: &str, body: &str| {
        let headers = [("x-user-id", "secret:1"), ("idempotency-key", key)];
        request("POST", "/orders", &headers, body)
    };
    for body in ["5 EUR", "5 EUR", "6 EUR"] {
        send(&replaying, pay("1", body)).await;
    }
    let sum = |name: &str, label: &str| recording.sum(name, label);
    for outcome in ["fresh", "replayed", "key-reused"] {
        assert_eq!(
            sum("redlock_tower_replays_total", outcome),
            1.0,
            "{outcome}"
        );
    }
    assert_eq!(sum("redlock_tower_records_total", "recorded"), 1.0);

    let open = app().layer(layer().fail_open());
    assert_eq!(
        send(&open, request("POST", "/orders", &[], ""))
            .await
            .status,
        200
    );
    for node in nodes.nodes() {
        node.stop();
    }
    assert_eq!(send(&open, order("secret:1")).await.status, 200);
    for lock in ["no-key", "no-quorum"] {
        assert_eq!(sum("redlock_tower_requests_total", lock), 1.0, "{lock}");
    }
    assert_eq!(sum("redlock_tower_in_flight", ""), 0.0);
    assert_documented(&recording);
}

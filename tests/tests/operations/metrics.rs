//! Metrics: what is counted, and that no label is a key.

use std::{path::Path, time::Duration};

use redlock::{Redlock, memory::Nodes};
use tests::{Cluster, eventually};

use crate::recorder::Recording;

const BOUND: Duration = Duration::from_secs(20);

#[redlock::redlock(key = "secret-report", ttl = "10s", on_busy = skip, lock = locks)]
async fn report(locks: &Redlock) -> Result<Option<()>, redlock::Error> {
    Ok(Some(()))
}

/// A day of a service: grants, waits, refusals, renewals, losses and outages.
async fn day(recording: &Recording) {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let other = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let guard = redlock.lock("secret:1").await.expect("free");
    guard.extend().await.expect("held");
    redlock.lock("secret:1").no_wait().await.expect_err("held");
    let waits = async {
        redlock
            .lock("secret:1")
            .wait(BOUND)
            .await
            .expect("released")
    };
    let releases = async {
        eventually(BOUND, async || recording.sum("redlock_waiters", "") > 0.0).await;
        guard.release().await.expect("held");
    };
    let (guard, ()) = tokio::join!(waits, releases);
    assert_eq!(recording.of("redlock_waiters", ""), [0.0]);
    other.lock("secret:1").no_wait().await.expect_err("held");
    guard
        .cool_down(Duration::from_millis(50))
        .await
        .expect("held");
    report(&redlock).await.expect("three nodes");

    let taken = redlock.lock("secret:2").await.expect("free");
    redlock
        .force_release("secret:2")
        .await
        .expect("three nodes");
    assert!(taken.is_lost());
    let held = redlock.lock("secret:3").await.expect("free");
    cluster.node(0).kill();
    let is_down = async || recording.of("redlock_node_up", "").contains(&0.0);
    eventually(BOUND, is_down).await;
    held.release().await.expect("two nodes");
    cluster.node(0).restart_empty().await;
    let sent = async || recording.sum("redlock_deferred_releases_total", "sent") > 0.0;
    eventually(BOUND, sent).await;
}

#[tokio::test]
async fn all_metrics_are_counted_and_no_metric_label_is_a_key() {
    let recording = Recording::default();
    let _listening = metrics::set_default_local_recorder(&recording);
    day(&recording).await;

    let sum = |name: &str, label: &str| recording.sum(name, label);
    assert_eq!(sum("redlock_acquires_total", "busy"), 2.0);
    let granted =
        sum("redlock_acquires_total", "granted") + sum("redlock_acquires_total", "handed_over");
    assert_eq!(granted, 5.0);
    assert_eq!(recording.of("redlock_wait_seconds", "").len(), 5);
    assert_eq!(sum("redlock_releases_total", "cool_down=\"true\""), 1.0);
    // The one that was asked for, and those in the background.
    assert!(sum("redlock_renewals_total", "renewed") >= 1.0);
    let margin = recording.of("redlock_renewal_margin_seconds", "");
    assert!(margin[0] > 0.0 && margin[0] <= 10.0, "{margin:?}");
    assert_eq!(sum("redlock_locks_lost_total", "force_released"), 1.0);
    assert_eq!(sum("redlock_calls_total", "ran"), 1.0);
    assert!(sum("redlock_votes_total", "yes") >= 15.0);
    assert!(sum("redlock_votes_total", "failed") > 0.0);
    let left = recording.of("redlock_validity_left_seconds", "");
    assert!(
        left.iter().all(|left| *left > 0.0 && *left <= 10.0),
        "{left:?}"
    );

    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../redlock/docs/metrics.md");
    let document = std::fs::read_to_string(document).expect("docs/metrics.md");
    let rows: Vec<&str> = document
        .lines()
        .filter(|line| line.starts_with("| `redlock_"))
        .collect();
    for series in recording.series() {
        let (name, labels) = series.split_once('{').expect("labels");
        let row = rows
            .iter()
            .find(|row| row.starts_with(&format!("| `{name}` ")));
        let row = row.unwrap_or_else(|| panic!("{series} is not in docs/metrics.md"));
        for label in labels
            .trim_end_matches('}')
            .split(',')
            .filter(|label| !label.is_empty())
        {
            let (label, value) = label.split_once('=').expect("a value");
            assert!(row.contains(&format!("`{label}`")), "{series}: {row}");
            let is_free = ["node", "function"].contains(&label);
            assert!(
                is_free || row.contains(&format!("`{}`", value.trim_matches('"'))),
                "{series}: {row}"
            );
        }
        assert!(!series.contains("secret"), "{series}");
    }
    let described = recording.described();
    assert!(rows.iter().all(|row| {
        described
            .iter()
            .any(|name| row.contains(&format!("`{name}`")))
    }));
}

#[tokio::test]
async fn without_a_recorder_nothing_happens() {
    let redlock = Redlock::connect(Nodes::new(3).nodes())
        .await
        .expect("nodes");
    redlock
        .lock("secret:1")
        .await
        .expect("free")
        .release()
        .await
        .expect("held");
}

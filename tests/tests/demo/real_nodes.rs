//! The shop on real Redis nodes: alone, as two processes, and while nodes die.

use std::time::Duration;

use reqwest::StatusCode;
use tests::{Cluster, eventually};

use crate::shop::{Shop, one_of_each};

/// The locks on a node. What belongs to a lock beside it, such as its fence, begins with a brace.
async fn locks(cluster: &Cluster, index: usize) -> Vec<String> {
    let keys = cluster.node(index).keys().await;
    keys.into_iter()
        .filter(|key| !key.starts_with('{'))
        .collect()
}

#[tokio::test]
async fn keys_appear_and_go() {
    let cluster = Cluster::start(3).await;
    let shop = Shop::open_on(&cluster).await;
    let (answer, ()) = tokio::join!(shop.order("ada"), async {
        eventually(Duration::from_secs(5), async || {
            !locks(&cluster, 0).await.is_empty()
        })
        .await;
    });
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    for index in 0..3 {
        eventually(Duration::from_secs(2), async || {
            locks(&cluster, index).await.is_empty()
        })
        .await;
    }
}

#[tokio::test]
async fn a_double_submit_to_two_processes_runs_once() {
    let cluster = Cluster::start(3).await;
    let (here, there) = tokio::join!(Shop::open_on(&cluster), Shop::open_on(&cluster));
    for _ in 0..3 {
        let (first, second, other) =
            tokio::join!(here.order("ada"), there.order("ada"), there.order("bob"));
        one_of_each(first, second);
        assert_eq!(other.status, StatusCode::CREATED, "{other:?}");
    }
}

#[tokio::test]
async fn one_node_dies_then_two() {
    let cluster = Cluster::start(3).await;
    let shop = Shop::open_on(&cluster).await;
    assert_eq!(shop.order("ada").await.status, StatusCode::CREATED);

    cluster.node(0).kill();
    let (first, second) = tokio::join!(shop.order("ada"), shop.order("ada"));
    one_of_each(first, second);

    cluster.node(1).kill();
    let refused = shop.order("ada").await;
    assert_eq!(
        refused.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{refused:?}"
    );
    let states = shop.json("/nodes").await;
    let down = states["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|node| node["state"] == "down")
        .count();
    assert_eq!(down, 2, "{states}");
    assert_eq!(shop.json("/orders").await.as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn starts_with_two_of_three_nodes_and_reports_the_third() {
    let cluster = Cluster::start(3).await;
    cluster.node(2).kill();
    let mut shop = Shop::open_on(&cluster).await;
    let line = shop.program.line("is down").await;
    assert!(line.contains(&cluster.node(2).port().to_string()), "{line}");
    assert_eq!(shop.order("ada").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn the_report_runs_in_one_process_and_is_skipped_in_the_other() {
    let cluster = Cluster::start(3).await;
    let (mut here, mut there) = tokio::join!(Shop::open_on(&cluster), Shop::open_on(&cluster));
    let (first, second) = tokio::join!(
        here.program.line("report: "),
        there.program.line("report: ")
    );
    let ran = [&first, &second]
        .iter()
        .filter(|line| line.contains("report: ran"))
        .count();
    let skipped = [&first, &second]
        .iter()
        .filter(|line| line.contains("report: skipped"))
        .count();
    assert_eq!((ran, skipped), (1, 1), "{first}\n{second}");
}

#[tokio::test]
async fn ctrl_c_leaves_no_lock_behind() {
    let cluster = Cluster::start(3).await;
    let shop = Shop::open_on(&cluster).await;
    assert_eq!(shop.order("ada").await.status, StatusCode::CREATED);
    shop.program.interrupt();
    let ended = shop.program.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for index in 0..3 {
        // No waiting: what the program said is so when it has ended.
        assert!(locks(&cluster, index).await.is_empty());
    }
}

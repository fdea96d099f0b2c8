//! Connecting names each node and its state, works with a quorum, and fails below it.

use std::time::Duration;

use redlock::{ErrorKind, NodeState, Redlock};
use tests::proxy::Unanswered;
use tests::{Cluster, Logs, within};
use tracing::level_filters::LevelFilter;

const SOON: Duration = Duration::from_secs(5);

/// Every node is named in the log, the ones that are down more loudly.
fn assert_logged(logs: &Logs, cluster: &Cluster, down: &[usize]) {
    for node in cluster.nodes() {
        let lines = logs.lines_with(&format!("127.0.0.1:{}", node.port()));
        assert!(
            !lines.is_empty(),
            "node {} is not in the log:\n{}",
            node.index(),
            logs.text()
        );
        let warned = lines
            .iter()
            .any(|line| line.contains("WARN") || line.contains("ERROR"));
        assert_eq!(
            warned,
            down.contains(&node.index()),
            "node {}: {lines:#?}",
            node.index()
        );
    }
}

#[tokio::test]
async fn with_all_nodes_up() {
    let cluster = Cluster::start(3).await;
    let logs = Logs::capture(LevelFilter::INFO);
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    assert_logged(&logs, &cluster, &[]);
    assert_eq!(redlock.quorum(), 2);
    let health = redlock.health().await;
    assert_eq!(health.len(), 3);
    for (node, health) in cluster.nodes().iter().zip(&health) {
        assert!(health.node.contains(&node.port().to_string()), "{health:?}");
        assert_eq!(health.state, NodeState::Up);
        assert!(health.latency.is_some());
    }
}

#[tokio::test]
async fn with_two_of_three_nodes_up_it_works_and_reports_the_third() {
    let cluster = Cluster::start(3).await;
    cluster.node(1).kill();
    let logs = Logs::capture(LevelFilter::INFO);
    let redlock = Redlock::connect(cluster.urls())
        .await
        .expect("two of three");
    assert_logged(&logs, &cluster, &[1]);
    let health = redlock.health().await;
    assert!(
        matches!(&health[1].state, NodeState::Down { cause } if !cause.is_empty()),
        "{health:?}"
    );

    let guard = redlock.lock("k").await.expect("a quorum");
    assert_eq!(cluster.locked_on("k").await, [0, 2]);
    guard.release().await.expect("released");
}

#[tokio::test]
async fn with_one_of_three_nodes_up_it_fails_and_names_each_node_and_its_cause() {
    let cluster = Cluster::start(3).await;
    cluster.node(0).kill();
    cluster.node(2).pause();
    let logs = Logs::capture(LevelFilter::INFO);
    let error = within(SOON, Redlock::connect(cluster.urls()))
        .await
        .expect_err("one of three");
    assert_logged(&logs, &cluster, &[0, 2]);
    assert!(error.is_no_quorum(), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::NoQuorum);
    for index in [0, 2] {
        let port = cluster.node(index).port().to_string();
        let named = error
            .node_errors()
            .iter()
            .find(|node| node.node().contains(&port));
        let cause = named.expect("each node that is down is named").cause();
        assert!(!cause.is_empty());
        assert!(error.to_string().contains(&port), "{error}");
        assert!(error.to_string().contains(cause), "{error}");
    }
    cluster.node(2).resume();
}

#[tokio::test]
async fn refused_silent_and_unanswered_are_different_causes() {
    let cluster = Cluster::start(2).await;
    cluster.node(0).kill();
    cluster.node(1).pause();
    let nowhere = Unanswered::start().await;
    let urls = [cluster.urls(), vec![nowhere.url()]].concat();
    let error = within(SOON, Redlock::connect(urls))
        .await
        .expect_err("none of three");
    let causes: Vec<&str> = error
        .node_errors()
        .iter()
        .map(redlock::NodeError::cause)
        .collect();
    assert_eq!(causes.len(), 3, "{error}");
    assert_ne!(causes[0], causes[1], "refused is not silent");
    cluster.node(1).resume();
}

#[tokio::test]
async fn a_lazy_client_does_not_wait_and_nodes_may_start_later() {
    let cluster = Cluster::start(3).await;
    for node in cluster.nodes() {
        node.kill();
    }
    let redlock = Redlock::connect_lazy(cluster.urls()).expect("nothing is asked of the nodes yet");
    let error = redlock
        .lock("k")
        .no_wait()
        .await
        .expect_err("nobody is there");
    assert!(error.is_no_quorum(), "{error}");
    assert_eq!(error.node_errors().len(), 3);
    for node in cluster.nodes() {
        node.start().await;
    }
    redlock
        .lock("k")
        .wait(SOON)
        .await
        .expect("the nodes are back")
        .release()
        .await
        .expect("released");
}

#[tokio::test]
async fn password_unix_socket_and_database() {
    let cluster = Cluster::builder(3).password("s3cret").start().await;
    let redlock = Redlock::connect(cluster.urls())
        .await
        .expect("with the password");
    redlock
        .lock("k")
        .await
        .expect("free")
        .release()
        .await
        .expect("released");
    drop(redlock);

    let wrong = cluster
        .urls()
        .iter()
        .map(|url| url.replace("s3cret", "wr0ng"))
        .collect::<Vec<_>>();
    let error = Redlock::connect(wrong)
        .await
        .expect_err("with another password");
    assert!(error.is_no_quorum(), "{error}");
    assert!(
        !format!("{error} {error:?}").contains("wr0ng"),
        "a password in an error: {error}"
    );

    let cluster = Cluster::builder(3).unix_sockets().start().await;
    let redlock = Redlock::connect(cluster.urls())
        .await
        .expect("over unix sockets");
    redlock
        .lock("k")
        .await
        .expect("free")
        .release()
        .await
        .expect("released");

    let urls: Vec<String> = Cluster::urls(&cluster)
        .iter()
        .map(|url| format!("{url}?db=3"))
        .collect();
    let redlock = Redlock::connect(urls).await.expect("in another database");
    let _guard = redlock.lock("k").await.expect("free");
    assert!(
        cluster.locked_on("k").await.is_empty(),
        "database 0 is somebody else's"
    );
}

/// RFC 3986: schemes are the same in any case.
#[tokio::test]
async fn a_scheme_may_be_written_in_capitals() {
    let cluster = Cluster::start(3).await;
    let capitals = |url: &String| url.replace("redis://", "REDIS://");
    let redlock = Redlock::connect(cluster.urls().iter().map(capitals)).await;
    let guard = redlock.expect("three nodes").lock("k").await;
    assert_eq!(cluster.locked_on("k").await, [0, 1, 2]);
    guard.expect("free").release().await.expect("released");
    let sockets = Cluster::builder(3).unix_sockets().start().await;
    let capitals = |url: &String| url.replace("unix://", "Unix://");
    let redlock = Redlock::connect(sockets.urls().iter().map(capitals)).await;
    let guard = redlock.expect("three nodes").lock("k").await;
    guard.expect("free").release().await.expect("released");
}

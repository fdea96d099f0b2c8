//! A request that runs without its lock, while the records can be read.

use redlock_tower::{RedlockLayer, replay::Quorum};
use tests::{Cluster, Logs};
use tracing::level_filters::LevelFilter;

use crate::service::{Service, shown, trusting};

/// The key of the lock of the request that was sent before.
async fn lock_key(cluster: &Cluster) -> String {
    let keys = cluster.node(0).keys().await;
    let mut fences = keys.iter().filter_map(|key| {
        let lock = key.strip_suffix("}{}:fence")?;
        lock.strip_prefix('{')
    });
    fences.next().expect("the fence of the lock").to_owned()
}

/// Whether another request with its key runs is not known, so nothing is recorded that such a one might record.
#[tokio::test]
async fn a_request_that_runs_without_its_lock_is_not_recorded() {
    let logs = Logs::capture(LevelFilter::WARN);
    let cluster = Cluster::start(3).await;
    let clients = [trusting(&cluster).await];
    let service = Service::with(&clients, Quorum::new, RedlockLayer::fail_open, "");
    assert_eq!(
        shown(&service.send(0, "ann", "a").await),
        (201, "run 1", false)
    );
    let lock = lock_key(&cluster).await;
    // What is no lock is under its key, so that no node has a vote.
    for node in cluster.nodes() {
        let () = node
            .ask(redis::cmd("HSET").arg(&lock).arg(&["no", "lock"]))
            .await;
    }
    let unrecorded = "a request runs without its lock, and its response is not recorded";
    for run in ["run 2", "run 3"] {
        assert_eq!(shown(&service.send(0, "ann", "b").await), (201, run, false));
    }
    assert_eq!(logs.lines_with(unrecorded).len(), 2, "{}", logs.text());
    // What was recorded before the outage is repeated.
    assert_eq!(
        shown(&service.send(0, "ann", "a").await),
        (201, "run 1", true)
    );
    for node in cluster.nodes() {
        let () = node.ask(redis::cmd("DEL").arg(&lock)).await;
    }
    assert_eq!(
        shown(&service.send(0, "ann", "b").await),
        (201, "run 4", false)
    );
    assert_eq!(
        shown(&service.send(0, "ann", "b").await),
        (201, "run 4", true)
    );
    assert_eq!(logs.lines_with(unrecorded).len(), 2, "{}", logs.text());
}

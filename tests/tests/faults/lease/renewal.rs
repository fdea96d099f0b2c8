//! Every lock is renewed until it is released, unless `keep_alive` is off.

use std::time::Duration;

use tests::{Cluster, eventually, within};

use super::{BOUND, client};

const TTL: Duration = Duration::from_secs(1);

#[tokio::test]
async fn f58_a_guard_outlives_its_ttl() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    let guard = redlock.lock("kept").ttl(TTL).await.unwrap();
    let looked = redlock.try_lock("looked").await.unwrap().unwrap();
    let lapses = redlock.lock("lapses").ttl(TTL).keep_alive(false);
    let lapses = lapses.await.unwrap();
    // As long as the lock without renewal lasts, and once more.
    within(BOUND, lapses.lost()).await;
    tokio::time::sleep(TTL).await;
    assert!(!guard.is_lost() && !looked.is_lost());
    assert_eq!(cluster.locked_on("kept").await.len(), 3);
    assert!(cluster.locked_on("lapses").await.is_empty());
    drop(guard);
    eventually(BOUND, async || cluster.locked_on("kept").await.is_empty()).await;
}

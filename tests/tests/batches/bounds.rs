//! No call is larger than it may be.

use std::time::Duration;

use redlock::Redlock;
use tests::Cluster;

use super::{LONG, all_free, eventually, lock_all, release_all};

#[tokio::test]
async fn many_long_keys_are_split_into_calls() {
    let cluster = Cluster::builder(1)
        // A longer argument or query is an error here.
        .arg(["--slowlog-log-slower-than", "-1"])
        .start()
        .await;
    let redlock = Redlock::builder()
        .nodes(cluster.urls())
        .node_timeout(Duration::from_secs(3))
        .connect()
        .await
        .expect("up");
    let keys: Vec<String> = (0..300).map(|n| format!("{n:0900}")).collect();
    for _ in 0..2 {
        release_all(lock_all(&redlock, &keys).await).await;
    }
    eventually(LONG, async || all_free(&cluster, &keys).await).await;
}

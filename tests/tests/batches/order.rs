//! Commands for one lock keep their order.

use super::{Cluster, LONG, all_free, connect, eventually, keys, lock_all, release_all};

#[tokio::test]
async fn an_acquire_is_sent_after_a_release_that_waits_for_the_connection() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(cluster.urls()).await;
    for _ in 0..3 {
        // The releases and the acquires are queued before anything is sent.
        drop(lock_all(&redlock, &keys()).await);
        release_all(lock_all(&redlock, &keys()).await).await;
    }
    eventually(LONG, async || all_free(&cluster, &keys()).await).await;
}

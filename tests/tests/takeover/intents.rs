//! The intent of a writer, which keeps out readers while it waits, ends with its wait on every node.

use std::time::Duration;

use redlock::Redlock;
use tests::{
    Cluster, eventually,
    proxy::{Direction, Flow, Proxy},
    within,
};

use super::{SOON, client};

/// On how many nodes a writer waits.
async fn intents(cluster: &Cluster) -> usize {
    let mut intents = 0;
    for node in cluster.nodes() {
        let keys = node.keys().await;
        intents += usize::from(keys.iter().any(|key| key.ends_with("}:rw:intent")));
    }
    intents
}

#[tokio::test]
async fn a_writer_that_got_the_lock_leaves_no_intent_on_a_node_that_refused_it() {
    let cluster = Cluster::start(3).await;
    let proxies = Proxy::before_all(&cluster).await;
    let reads = Redlock::connect(proxies.iter().map(Proxy::url)).await;
    let (reads, writes) = (reads.expect("three nodes"), client(&cluster).await);
    // The last node would keep the intent for this long, and for 3 s more.
    let read = reads.rwlock("catalog").read().ttl(Duration::from_secs(60));
    let reader = within(SOON, read).await.expect("nobody writes");
    let writer = writes.rwlock("catalog").write().wait(SOON);
    let writer = tokio::spawn(writer.into_future());
    eventually(SOON, async || intents(&cluster).await == 3).await;
    proxies[2].set(Direction::ToServer, Flow::Hold);
    reader.release().await.expect("two of three nodes");
    let writer = within(SOON, writer).await.expect("no panic");
    let writer = writer.expect("two nodes have no reader");
    eventually(SOON, async || intents(&cluster).await == 0).await;
    writer.release().await.expect("three nodes");
}

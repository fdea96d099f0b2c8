//! The intent of a writer, which keeps out readers while it waits, ends with its wait on every node.

use std::{sync::mpsc, thread, time::Duration};

use redlock::{Guard, Redlock};
use tests::{
    Cluster, eventually,
    proxy::{Direction, Flow, Proxy},
    within,
};
use tokio::{
    runtime::{Builder, Handle},
    task::AbortHandle,
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

/// A reader that is renewed for longer than the test takes, and a writer that waits for it on all nodes.
async fn a_writer_waits(
    runtime: &Handle,
    cluster: &Cluster,
    reads: &Redlock,
    writes: &Redlock,
) -> (Guard, AbortHandle) {
    let read = reads.rwlock("catalog").read().ttl(Duration::from_secs(60));
    let reader = within(SOON, read).await.expect("nobody writes");
    let writer = writes.rwlock("catalog").write().wait(SOON);
    let writer = runtime.spawn(writer.into_future()).abort_handle();
    eventually(SOON, async || intents(cluster).await == 3).await;
    (reader, writer)
}

#[tokio::test]
async fn a_writer_whose_runtime_ends_while_it_waits_leaves_no_intent() {
    let cluster = Cluster::start(3).await;
    let (reads, writes) = (client(&cluster).await, client(&cluster).await);
    let mut runtime = Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (_reader, _) = a_writer_waits(runtime.handle(), &cluster, &reads, &writes).await;
    runtime.shutdown_background();
    // This runtime has used the client of the writer too, and withdraws the intent.
    eventually(SOON, async || intents(&cluster).await == 0).await;
    let further = reads.rwlock("catalog").try_read().await;
    assert!(further.expect("three nodes").is_some(), "nobody waits");
}

#[tokio::test]
async fn a_writer_that_gives_up_while_nodes_cannot_be_reached_leaves_no_intent() {
    let cluster = Cluster::start(3).await;
    let proxies = Proxy::before_all(&cluster).await;
    let writes = Redlock::connect(proxies.iter().map(Proxy::url)).await;
    let (reads, writes) = (client(&cluster).await, writes.expect("three nodes"));
    let (_reader, writer) = a_writer_waits(&Handle::current(), &cluster, &reads, &writes).await;
    for proxy in &proxies {
        proxy.refuse(true);
        proxy.cut();
    }
    writer.abort();
    let silent = async || proxies.iter().all(|proxy| proxy.open() == 0);
    eventually(SOON, silent).await;
    for proxy in &proxies {
        proxy.refuse(false);
    }
    eventually(SOON, async || intents(&cluster).await == 0).await;
    let further = reads.rwlock("catalog").try_read().await;
    assert!(further.expect("three nodes").is_some(), "nobody waits");
}

/// A process whose last act is to close its client.
#[tokio::test]
async fn a_client_that_is_closed_while_a_writer_waits_leaves_no_intent() {
    let cluster = Cluster::start(3).await;
    let reads = client(&cluster).await;
    let read = reads.rwlock("catalog").read().ttl(Duration::from_secs(60));
    let _reader = within(SOON, read).await.expect("nobody writes");
    let urls = cluster.urls();
    let (waiting, closes) = mpsc::channel();
    let process = thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            // Closing takes at most two of these.
            let patient = Redlock::builder().nodes(urls).node_timeout(SOON / 4);
            let writes = patient.connect().await.expect("three nodes");
            let writer = writes.rwlock("catalog").write().wait(SOON);
            let writer = tokio::spawn(writer.into_future());
            let closing = async || closes.try_recv().is_ok();
            eventually(SOON, closing).await;
            assert!(!writer.is_finished(), "it waits");
            assert_eq!(writes.close().await, 0);
        });
    });
    eventually(SOON, async || intents(&cluster).await == 3).await;
    waiting.send(()).expect("the process waits for it");
    let ended = tokio::task::spawn_blocking(|| process.join());
    within(SOON, ended)
        .await
        .expect("no panic")
        .expect("no panic");
    eventually(SOON, async || intents(&cluster).await == 0).await;
}

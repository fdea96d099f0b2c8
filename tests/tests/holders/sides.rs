//! The readers and the writer of a read/write lock.

use std::collections::HashSet;

use redlock::{Guard, Result, memory::Nodes};
use tests::{Cluster, eventually, within};
use tokio::task::JoinHandle;

use crate::{LONG, SOON, in_memory, is_taken, labelled};

#[tokio::test]
async fn everybody_sees_who_reads_and_who_writes() {
    let cluster = Cluster::start(3).await;
    let (api, worker) = (
        labelled(&cluster, "api-7").await,
        labelled(&cluster, "worker").await,
    );
    let looker = labelled(&cluster, "looker").await;
    let catalog = looker.rwlock("catalog");
    assert!(catalog.holders().await.expect("three nodes").is_free());
    assert!(!catalog.is_locked().await.expect("three nodes"));
    let readers = [
        api.rwlock("catalog").read().ttl(LONG).await.expect("free"),
        worker
            .rwlock("catalog")
            .read()
            .ttl(LONG)
            .await
            .expect("no writer"),
    ];
    let seen = catalog.holders().await.expect("three nodes");
    let labels: HashSet<_> = seen.readers.iter().map(redlock::Holder::label).collect();
    assert_eq!(
        labels,
        HashSet::from([Some("api-7"), Some("worker")]),
        "{seen:?}"
    );
    assert_eq!((seen.readers.len(), &seen.writer), (2, &None));
    for reader in &readers {
        let seen = seen
            .readers
            .iter()
            .find(|seen| seen.owner == reader.owner());
        let seen = seen.expect("it reads");
        assert!(seen.token >= reader.token(), "{seen:?}");
        assert!(
            seen.remaining <= LONG && seen.remaining > LONG / 2,
            "{seen:?}"
        );
    }
    assert!(catalog.is_locked().await.expect("three nodes"));
    assert!(catalog.is_read_locked().await.expect("three nodes"));
    assert!(!catalog.is_write_locked().await.expect("three nodes"));
    // The lock and the semaphore with this key are others.
    assert!(!looker.is_locked("catalog").await.expect("three nodes"));
    for reader in readers {
        reader.release().await.expect("three nodes");
    }
    let writer = api.rwlock("catalog").write().ttl(LONG).await.expect("free");
    let seen = catalog.holders().await.expect("three nodes");
    assert!(seen.readers.is_empty(), "{seen:?}");
    let seen = seen.writer.expect("a writer");
    assert_eq!(
        (seen.label(), &*seen.owner),
        (Some("api-7"), writer.owner())
    );
    assert!(seen.token >= writer.token(), "{seen:?}");
    assert!(catalog.is_write_locked().await.expect("three nodes"));
    assert!(!catalog.is_read_locked().await.expect("three nodes"));
    writer.release().await.expect("three nodes");
    let free = async || !catalog.is_locked().await.expect("three nodes");
    eventually(SOON, free).await;
}

#[tokio::test]
async fn readers_that_are_taken_away_are_lost_and_a_waiting_writer_follows() {
    let cluster = Cluster::start(3).await;
    let (api, worker) = (
        labelled(&cluster, "api-7").await,
        labelled(&cluster, "worker").await,
    );
    let operator = labelled(&cluster, "operator").await.rwlock("catalog");
    let readers = [
        api.rwlock("catalog").read().ttl(LONG).await.expect("free"),
        worker
            .rwlock("catalog")
            .read()
            .ttl(LONG)
            .await
            .expect("no writer"),
    ];
    let catalog = worker.rwlock("catalog");
    let waiting = tokio::spawn(async move { catalog.write().ttl(LONG).wait(LONG).await });
    let waits = async || {
        let seen = operator.holders().await.expect("three nodes");
        seen.readers.iter().all(|reader| reader.waiting == 1)
    };
    eventually(SOON, waits).await;
    operator
        .force_release_writer()
        .await
        .expect("nobody writes");
    assert_eq!(
        operator.holders().await.expect("three nodes").readers.len(),
        2
    );
    operator.force_release_readers().await.expect("three nodes");
    let writer = within(SOON, waiting)
        .await
        .expect("no panic")
        .expect("its turn");
    for reader in &readers {
        assert!(writer.token() > reader.token());
        // Not restored beside the writer, and not after it either.
        is_taken(reader).await;
    }
    operator
        .force_release_readers()
        .await
        .expect("nobody reads");
    writer.extend().await.expect("it still writes");
    writer.release().await.expect("three nodes");
    let free = async || !operator.is_locked().await.expect("three nodes");
    eventually(SOON, free).await;
}

async fn gets_its_turn(waits: JoinHandle<Result<Guard>>) {
    let guard = within(SOON, waits).await.expect("no panic");
    let guard = guard.expect("its turn");
    guard.release().await.expect("three nodes");
}

#[tokio::test]
async fn a_writer_that_is_taken_away_is_lost_and_all_who_wait_follow() {
    let cluster = Cluster::start(3).await;
    let (api, worker) = (
        labelled(&cluster, "api-7").await,
        labelled(&cluster, "worker").await,
    );
    let operator = labelled(&cluster, "operator").await.rwlock("catalog");
    let writer = api.rwlock("catalog").write().ttl(LONG).await.expect("free");
    let waits = async |more: u32| {
        let seen = operator.holders().await.expect("three nodes");
        seen.writer.is_some_and(|writer| writer.waiting == more)
    };
    let reads = worker.rwlock("catalog");
    let reads = tokio::spawn(async move { reads.read().ttl(LONG).wait(LONG).await });
    eventually(SOON, async || waits(1).await).await;
    let writes = labelled(&cluster, "other").await.rwlock("catalog");
    let writes = tokio::spawn(async move { writes.write().ttl(LONG).wait(LONG).await });
    eventually(SOON, async || waits(2).await).await;
    operator
        .force_release_readers()
        .await
        .expect("nobody reads");
    assert!(operator.is_write_locked().await.expect("three nodes"));
    operator.force_release_writer().await.expect("three nodes");
    // Either is first, and each is notified long before the ttl is over.
    futures_util::future::join(gets_its_turn(reads), gets_its_turn(writes)).await;
    is_taken(&writer).await;
    let free = async || !operator.is_locked().await.expect("three nodes");
    eventually(SOON, free).await;
}

#[tokio::test]
async fn holders_in_this_process_learn_of_it_at_once() {
    let nodes = Nodes::new(3);
    let redlock = in_memory(&nodes).await;
    let catalog = redlock.rwlock("catalog");
    let other = redlock.rwlock("other").read().await.expect("free");
    let shared = [
        catalog.read().await.expect("free"),
        catalog.read().await.expect("no writer"),
        // It has a hold of its own.
        catalog.read().max_hold(LONG).await.expect("no writer"),
    ];
    catalog.force_release_readers().await.expect("three nodes");
    for reader in &shared {
        assert!(reader.is_lost());
        let error = is_taken(reader).await.to_string();
        assert!(error.contains("force"), "{error}");
    }
    let writer = catalog.write().await.expect("free");
    catalog.force_release_writer().await.expect("three nodes");
    assert!(writer.is_lost());
    assert!(!other.is_lost());
    let reader = catalog.try_read().await.expect("three nodes");
    reader.expect("free").release().await.expect("three nodes");
}

#[tokio::test]
async fn the_cool_down_of_a_writer_is_seen_and_ended() {
    let nodes = Nodes::new(3);
    let redlock = in_memory(&nodes).await;
    let catalog = redlock.rwlock("catalog");
    let writer = catalog.write().await.expect("free");
    writer.cool_down(LONG).await.expect("three nodes");
    let seen = catalog.holders().await.expect("three nodes");
    assert!(seen.writer.expect("busy").is_cool_down());
    catalog.force_release_writer().await.expect("three nodes");
    let reader = catalog.try_read().await.expect("three nodes");
    reader.expect("free").release().await.expect("three nodes");
}

#[tokio::test]
async fn a_value_of_somebody_else_is_shown_and_can_be_removed() {
    let nodes = Nodes::new(3);
    let redlock = in_memory(&nodes).await;
    let catalog = redlock.rwlock("catalog");
    for value in ["a value", &"x".repeat(100)] {
        for node in nodes.nodes() {
            node.set("{catalog}{}:rw:writer", value);
            node.expire("{catalog}{}:rw:writer", LONG);
        }
        let seen = catalog.holders().await.expect("three nodes");
        let writer = seen.writer.expect("busy");
        let shown = if value.len() > 64 { "" } else { value };
        assert_eq!((&*writer.owner, writer.label()), (shown, None));
        catalog.force_release_writer().await.expect("three nodes");
        assert!(!catalog.is_locked().await.expect("three nodes"));
    }
}

#[tokio::test]
async fn too_few_nodes_are_a_clear_error() {
    let nodes = Nodes::new(3);
    let redlock = in_memory(&nodes).await;
    let catalog = redlock.rwlock("catalog");
    let _reader = catalog.read().await.expect("free");
    nodes.node(2).stop();
    assert!(catalog.is_read_locked().await.expect("two of three"));
    nodes.node(1).stop();
    for error in [
        catalog.holders().await.map(drop),
        catalog.force_release_readers().await,
        catalog.force_release_writer().await,
    ] {
        assert!(error.expect_err("one node").is_no_quorum());
    }
    let invalid = redlock.rwlock("").holders().await;
    assert!(invalid.expect_err("no key").is_invalid());
}

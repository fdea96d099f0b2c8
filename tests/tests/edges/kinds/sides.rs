//! Read/write locks under what an exclusive lock has to bear: late requests, full nodes and foreign data, panics, runtimes that
//! end.

use std::{panic::AssertUnwindSafe, thread, time::Duration};

use futures_util::FutureExt as _;
use redlock::{ErrorKind, Guard, Redlock, memory::Nodes};
use tests::{Cluster, World, eventually, within};
use tokio::time::sleep;

use crate::{MINUTE, SOON};

async fn read(redlock: &Redlock) -> Guard {
    let read = redlock.rwlock("catalog").read().ttl(MINUTE).await;
    read.expect("nobody writes")
}

async fn can_write(redlock: &Redlock) -> bool {
    matches!(redlock.rwlock("catalog").try_write().await, Ok(Some(_)))
}

/// Requests, extensions and intents that silent nodes carry out late leave nothing behind that keeps others out.
#[tokio::test(start_paused = true)]
async fn late_requests_of_both_sides_leave_nothing() {
    let nodes = Nodes::seeded(3, 1);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("three nodes");
    let elsewhere = Redlock::connect(nodes.nodes()).await.expect("three nodes");
    let ttl = Duration::from_secs(50);
    let held = redlock.rwlock("held").read().ttl(ttl).await.expect("free");
    for node in &nodes.nodes()[..2] {
        node.hang();
    }
    for turn in 0..20 {
        let sides = redlock.rwlock(format!("k{turn}"));
        for request in [sides.read(), sides.write()] {
            let failed = request.ttl(ttl).wait(Duration::from_millis(300)).await;
            failed.expect_err("two of three hang");
        }
        let waits = elsewhere.rwlock("held").write().ttl(ttl);
        let waits = waits.wait(Duration::from_millis(300)).await;
        waits.expect_err("another reads, or two of three hang");
    }
    held.extend().await.expect_err("two of three hang");
    drop(held);
    sleep(Duration::from_secs(4)).await;
    for node in &nodes.nodes()[..2] {
        node.resume();
    }
    let is_free = async || {
        let mut keys: Vec<String> = (0..20).map(|turn| format!("k{turn}")).collect();
        keys.push("held".to_owned());
        for key in keys {
            let sides = elsewhere.rwlock(key);
            if !matches!(sides.try_write().await, Ok(Some(_)))
                || !matches!(sides.try_read().await, Ok(Some(_)))
            {
                return false;
            }
        }
        true
    };
    eventually(Duration::from_secs(10), is_free).await;
}

#[tokio::test]
async fn both_sides_are_extended_and_released_on_full_servers() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let elsewhere = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let reads = read(&redlock).await;
    let other = redlock.rwlock("prices").write().ttl(MINUTE).await;
    let writes = other.expect("free");
    let set = async |memory: &str| {
        for node in cluster.nodes() {
            let mut command = redis::cmd("CONFIG");
            command.arg("SET").arg("maxmemory").arg(memory);
            let () = node.ask(&command).await;
        }
    };
    set("1").await;
    reads.extend().await.expect("an extension needs no memory");
    writes.extend().await.expect("an extension needs no memory");
    let full = redlock.rwlock("more").read().no_wait().await;
    full.expect_err("a new entry needs memory");
    reads.release().await.expect("a release needs no memory");
    writes.release().await.expect("a release needs no memory");
    set("0").await;
    eventually(SOON, async || can_write(&elsewhere).await).await;
    let prices = elsewhere.rwlock("prices").try_write().await;
    assert!(prices.expect("three nodes").is_some());
}

/// A writer's window on a full server, and readers in it.
#[tokio::test]
async fn the_window_of_a_writer_opens_on_full_servers_and_refuses_both_sides() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let writes = redlock.rwlock("catalog").write().await.expect("free");
    for node in cluster.nodes() {
        let mut command = redis::cmd("CONFIG");
        command.arg("SET").arg("maxmemory").arg("1");
        let () = node.ask(&command).await;
    }
    writes.cool_down(MINUTE).await.expect("it needs no memory");
    for request in [
        redlock.rwlock("catalog").read(),
        redlock.rwlock("catalog").write(),
    ] {
        let refused = within(SOON, request.wait(MINUTE).into_future()).await;
        let refused = refused.expect_err("the window is open");
        assert!(refused.is_cooling_down(), "{refused}");
        assert!(refused.retry_after() > Some(MINUTE / 2), "{refused}");
    }
}

/// Keys of another type, where this crate has its own.
#[tokio::test]
async fn foreign_data_under_the_keys_of_both_sides_is_a_clear_error_and_stays() {
    let nodes = Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("three nodes");
    drop(read(&redlock).await);
    let writes = redlock.rwlock("catalog").write().await;
    writes.expect("free").release().await.expect("three nodes");
    drop(read(&redlock).await);
    let keys: Vec<String> = {
        let keys = nodes.node(0).keys();
        keys.into_iter()
            .filter(|key| key.contains("catalog"))
            .collect()
    };
    assert!(keys.len() >= 2, "{keys:?}");
    for key in &keys {
        eventually(SOON, async || can_write(&redlock).await).await;
        for node in nodes.nodes() {
            node.delete(key);
            node.set_hash(key);
        }
        for request in [
            redlock.rwlock("catalog").read(),
            redlock.rwlock("catalog").write(),
        ] {
            match request.no_wait().await {
                Ok(guard) => drop(guard),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::NoQuorum, "{key}: {error}");
                    let text = error.to_string().to_lowercase();
                    let is_clear = text.contains("a hash") || text.contains("wrong");
                    assert!(is_clear, "{key}: {error}");
                }
            }
        }
        for node in nodes.nodes() {
            assert!(node.delete(key), "{key} is the user's");
        }
    }
}

/// The others of the shared hold read on, and it is released after the last of them.
#[tokio::test]
async fn a_reader_that_panics_ends_its_own_turn_only() {
    let world = World::new().await;
    let first = read(&world.locks).await;
    let body = world.locks.rwlock("catalog").read().ttl(MINUTE);
    let body = body.run(async |_| panic!("on purpose"));
    let panicked: Result<redlock::Result<()>, _> = AssertUnwindSafe(body).catch_unwind().await;
    panicked.expect_err("the panic of the body");
    assert!(!first.is_lost());
    first.extend().await.expect("it still reads");
    assert!(!can_write(&world.elsewhere).await, "one reads");
    first.release().await.expect("three nodes");
    eventually(SOON, async || can_write(&world.elsewhere).await).await;
}

#[tokio::test]
async fn a_limit_of_one_reader_ends_neither_the_others_nor_outlives_itself() {
    let world = World::new().await;
    let short = world.locks.rwlock("catalog").read().ttl(MINUTE);
    let short = short.max_hold(Duration::from_millis(100)).await;
    let short = short.expect("free");
    let long = read(&world.locks).await;
    within(SOON, short.lost()).await;
    assert!(!long.is_lost(), "it has no limit");
    long.release().await.expect("three nodes");
    eventually(SOON, async || can_write(&world.elsewhere).await).await;
}

/// Guards of a runtime that has ended, dropped outside of any and used in another one.
#[test]
fn guards_of_both_sides_outlive_their_runtime() {
    let nodes = Nodes::new(3);
    let runtime = || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().expect("a runtime")
    };
    let redlock = Redlock::connect_lazy(nodes.nodes()).expect("three nodes");
    let (reads, second, writes) = runtime().block_on(async {
        let reads = (read(&redlock).await, read(&redlock).await);
        let writes = redlock.rwlock("prices").write().ttl(MINUTE).await;
        (reads.0, reads.1, writes.expect("free"))
    });
    thread::spawn(move || drop(reads)).join().expect("no panic");
    runtime().block_on(async {
        second.extend().await.expect("another runtime extends it");
        writes.extend().await.expect("another runtime extends it");
        assert!(!can_write(&redlock).await, "one still reads");
        drop(second);
        let _written = within(SOON, redlock.rwlock("catalog").write().into_future())
            .await
            .expect("nobody reads");
        writes.release().await.expect("three nodes");
    });
}

/// The lease of a shared hold is gone for all of its readers.
#[tokio::test]
async fn all_readers_of_a_hold_learn_of_its_loss() {
    let world = World::new().await;
    let readers = [read(&world.locks).await, read(&world.locks).await];
    for node in world.nodes.nodes() {
        for key in node.keys() {
            node.delete(&key);
        }
    }
    let lost = readers[0].extend().await;
    // The bars are gone as well, so a node may restore the entry: what it cannot do is vote.
    lost.expect_err("a majority has forgotten it");
    for reader in &readers {
        within(SOON, reader.lost()).await;
    }
    let [first, second] = readers;
    first.release().await.expect_err("it was lost");
    second.release().await.expect_err("it was lost");
    eventually(SOON, async || can_write(&world.elsewhere).await).await;
}

/// Whoever waits on either side, in this process or in another one, learns at once that a window has begun.
#[tokio::test(start_paused = true)]
async fn waiters_of_both_sides_are_refused_when_a_window_begins() {
    for reads in [true, false] {
        let world = World::new().await;
        let writes = world.locks.rwlock("catalog").write().ttl(MINUTE).await;
        let writes = writes.expect("free");
        let waits = |redlock: &Redlock| {
            let sides = redlock.rwlock("catalog");
            let side = if reads { sides.read() } else { sides.write() };
            tokio::spawn(side.wait(MINUTE * 10).into_future())
        };
        let waiters = [waits(&world.locks), waits(&world.elsewhere)];
        sleep(Duration::from_secs(5)).await;
        writes.cool_down(MINUTE * 5).await.expect("three nodes");
        for (place, waiter) in waiters.into_iter().enumerate() {
            let refused = within(Duration::from_secs(2), waiter).await;
            let refused = refused.expect("no panic").expect_err("the window");
            assert!(refused.is_cooling_down(), "{reads} {place}: {refused}");
        }
    }
}

//! Semaphores under what an exclusive lock has to bear: late requests, full nodes and foreign data, panics, runtimes that end.

use std::{panic::AssertUnwindSafe, thread, time::Duration};

use futures_util::FutureExt as _;
use redlock::{ErrorKind, Guard, Redlock, Semaphore, memory::Nodes};
use tests::{Cluster, World, eventually, within};
use tokio::time::sleep;

use crate::{MINUTE, SOON};

const PERMITS: u32 = 2;

fn exports(redlock: &Redlock) -> Semaphore {
    redlock.semaphore("export", PERMITS)
}

async fn permit(redlock: &Redlock) -> Guard {
    let permit = exports(redlock).acquire().ttl(MINUTE).await;
    permit.expect("one is free")
}

async fn free(redlock: &Redlock) -> u32 {
    exports(redlock).available().await.expect("three nodes")
}

/// Requests and extensions that silent nodes carry out late keep no permit.
#[tokio::test(start_paused = true)]
async fn late_requests_keep_no_permit() {
    let nodes = Nodes::seeded(3, 1);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("three nodes");
    let elsewhere = Redlock::connect(nodes.nodes()).await.expect("three nodes");
    let held = permit(&redlock).await;
    for node in &nodes.nodes()[..2] {
        node.hang();
    }
    for _ in 0..20 {
        let failed = exports(&redlock).acquire().ttl(MINUTE);
        let failed = failed.wait(Duration::from_millis(300)).await;
        failed.expect_err("two of three hang");
    }
    let many = exports(&elsewhere).acquire_many(2).ttl(MINUTE);
    let many = many.wait(Duration::from_millis(300)).await;
    many.expect_err("two of three hang");
    held.extend().await.expect_err("two of three hang");
    drop(held);
    sleep(Duration::from_secs(4)).await;
    for node in &nodes.nodes()[..2] {
        node.resume();
    }
    eventually(Duration::from_secs(10), async || {
        free(&elsewhere).await == PERMITS
    })
    .await;
}

#[tokio::test]
async fn permits_are_extended_and_released_on_full_servers() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let held = permit(&redlock).await;
    let set = async |memory: &str| {
        for node in cluster.nodes() {
            let mut command = redis::cmd("CONFIG");
            command.arg("SET").arg("maxmemory").arg(memory);
            let () = node.ask(&command).await;
        }
    };
    set("1").await;
    held.extend().await.expect("an extension needs no memory");
    let full = exports(&redlock).acquire().no_wait().await;
    let full = full.expect_err("a new permit needs memory");
    assert!(full.is_no_quorum(), "{full}");
    held.release().await.expect("a release needs no memory");
    assert_eq!(free(&redlock).await, PERMITS, "a look needs no memory");
    set("0").await;
    let _permit = permit(&redlock).await;
}

/// Keys of another type, where this crate has its own.
#[tokio::test]
async fn foreign_data_under_the_keys_of_a_semaphore_is_a_clear_error_and_stays() {
    let nodes = Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("three nodes");
    let all = exports(&redlock).acquire_many(PERMITS).await;
    let all = all.expect("free");
    let keys: Vec<String> = {
        let keys = nodes.node(0).keys();
        let keys = keys.into_iter();
        keys.filter(|key| key.contains("export")).collect()
    };
    all.release().await.expect("three nodes");
    assert!(keys.len() >= 3, "{keys:?}");
    for key in &keys {
        eventually(SOON, async || free(&redlock).await == PERMITS).await;
        for node in nodes.nodes() {
            node.delete(key);
            node.set_hash(key);
        }
        for _ in 0..10 {
            match exports(&redlock).acquire().no_wait().await {
                Ok(permit) => permit.release().await.expect("three nodes"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::NoQuorum, "{key}: {error}");
                    let text = error.to_string().to_lowercase();
                    assert!(text.contains("a hash"), "{key}: {error}");
                }
            }
        }
        for node in nodes.nodes() {
            assert!(node.delete(key), "{key} is the user's");
        }
    }
}

/// Values of another program under the key that remembers the number of permits.
#[tokio::test]
async fn a_foreign_value_is_no_number_of_permits() {
    let cluster = Cluster::start(3).await;
    // Servers on a busy machine answer late, which would be another error.
    let redlock = Redlock::builder().nodes(cluster.urls());
    let redlock = redlock.node_timeout(Duration::from_secs(2)).connect().await;
    let redlock = redlock.expect("three nodes");
    let key = "{export}{}:permits";
    permit(&redlock).await.release().await.expect("released");
    for node in cluster.nodes() {
        assert!(node.exists(key).await);
    }
    for value in [
        "zzzz-of-another-program",
        "",
        "-1",
        "007",
        "1.5",
        "12345678901",
        "two",
    ] {
        for nodes in [&[0, 1, 2][..], &[1, 2]] {
            for node in cluster.nodes() {
                let _: u64 = node.ask(redis::cmd("DEL").arg(key)).await;
            }
            for node in nodes {
                let mut set = redis::cmd("SET");
                let () = cluster.node(*node).ask(set.arg(key).arg(value)).await;
            }
            let exports = exports(&redlock);
            let wait = Duration::from_millis(300);
            for error in [
                exports.acquire().no_wait().await.expect_err("foreign"),
                exports.acquire().wait(wait).await.expect_err("foreign"),
                exports
                    .acquire_many(2)
                    .wait(Duration::ZERO)
                    .await
                    .expect_err("foreign"),
                exports.available().await.expect_err("foreign"),
                exports.holders().await.expect_err("foreign"),
            ] {
                let text = error.to_string();
                assert_eq!(error.kind(), ErrorKind::NoQuorum, "{value:?}: {text}");
                assert!(text.contains("another program"), "{value:?}: {text}");
                assert!(
                    value.is_empty() || value == "-1" || value == "1.5" || !text.contains(value),
                    "{text}"
                );
            }
            let left: String = cluster.node(2).ask(redis::cmd("GET").arg(key)).await;
            assert_eq!(left, value, "it is the user's");
        }
    }
    // A single node is outvoted.
    for node in [0, 1] {
        let _: u64 = cluster.node(node).ask(redis::cmd("DEL").arg(key)).await;
    }
    assert_eq!(free(&redlock).await, PERMITS, "none is left behind");
    permit(&redlock).await.release().await.expect("released");
    // The number of other clients is still told.
    let other = redlock.semaphore("export", PERMITS + 5).acquire();
    let error = other.no_wait().await.expect_err("two permits");
    assert_eq!(error.kind(), ErrorKind::OtherPermits, "{error}");
}

/// `MGET` shows a value of another type as none.
#[tokio::test]
async fn a_foreign_value_of_another_type_is_no_number_of_permits() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let key = "{export}{}:permits";
    for foreign in [
        &["HSET", key, "field", "1"][..],
        &["RPUSH", key, "1"],
        &["SADD", key, "1"],
        &["ZADD", key, "1", "member"],
    ] {
        for node in cluster.nodes() {
            let _: u64 = node.ask(redis::cmd("DEL").arg(key)).await;
        }
        for node in [1, 2] {
            let mut put = redis::cmd(foreign[0]);
            let _: u64 = cluster.node(node).ask(put.arg(&foreign[1..])).await;
        }
        let exports = exports(&redlock);
        for error in [
            exports.acquire().no_wait().await.expect_err("foreign"),
            exports.available().await.expect_err("foreign"),
            exports.holders().await.expect_err("foreign"),
        ] {
            let text = error.to_string();
            assert_eq!(error.kind(), ErrorKind::NoQuorum, "{foreign:?}: {text}");
            assert!(text.contains("another program"), "{foreign:?}: {text}");
        }
        for node in [1, 2] {
            assert!(cluster.node(node).exists(key).await, "it is the user's");
        }
    }
    // A single node is outvoted.
    let _: u64 = cluster.node(1).ask(redis::cmd("DEL").arg(key)).await;
    permit(&redlock).await.release().await.expect("released");
}

#[tokio::test]
async fn a_body_that_panics_gives_its_permits_back() {
    let world = World::new().await;
    let one = exports(&world.locks).acquire().ttl(MINUTE);
    let one = one.run(async |_| panic!("on purpose"));
    let one: Result<redlock::Result<()>, _> = AssertUnwindSafe(one).catch_unwind().await;
    one.expect_err("the panic of the body");
    let many = exports(&world.locks).acquire_many(PERMITS).ttl(MINUTE);
    let many = many.run(async |_| panic!("on purpose"));
    let many: Result<redlock::Result<()>, _> = AssertUnwindSafe(many).catch_unwind().await;
    many.expect_err("the panic of the body");
    eventually(SOON, async || free(&world.elsewhere).await == PERMITS).await;
}

#[tokio::test]
async fn the_limit_of_each_of_several_permits_is_enforced() {
    let world = World::new().await;
    let limit = Duration::from_millis(100);
    let many = exports(&world.locks).acquire_many(PERMITS).ttl(MINUTE);
    let many = many.max_hold(limit).await.expect("free");
    for permit in &many {
        within(SOON, permit.lost()).await;
    }
    eventually(SOON, async || free(&world.elsewhere).await == PERMITS).await;
}

/// A permit of a runtime that has ended, dropped outside of any, and one that is used in another.
#[test]
fn permits_outlive_their_runtime() {
    let nodes = Nodes::new(3);
    let runtime = || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().expect("a runtime")
    };
    let redlock = Redlock::connect_lazy(nodes.nodes()).expect("three nodes");
    let (first, second) = runtime().block_on(async {
        let first = permit(&redlock).await;
        (first, permit(&redlock).await)
    });
    thread::spawn(move || drop(first)).join().expect("no panic");
    runtime().block_on(async {
        second.extend().await.expect("another runtime extends it");
        let first = within(SOON, exports(&redlock).acquire().into_future())
            .await
            .expect("the first one is free");
        drop((first, second));
        eventually(SOON, async || free(&redlock).await == PERMITS).await;
    });
}

/// Durations and counts at their ends are refused, or they are what they say.
#[tokio::test(start_paused = true)]
async fn odd_requests_for_permits_are_named() {
    let world = World::new().await;
    let exports = exports(&world.locks);
    for request in [
        exports.acquire_many(1).ttl(Duration::ZERO),
        exports.acquire_many(1).ttl(Duration::MAX),
        exports.acquire_many(1).max_hold(Duration::ZERO),
        exports.acquire_many(0),
        exports.acquire_many(u32::MAX),
    ] {
        let error = request.clone().await.expect_err("an odd request");
        assert!(error.is_invalid(), "{request:?}: {error}");
    }
    let all = exports.acquire_many(PERMITS).wait(Duration::MAX).await;
    let all = all.expect("free");
    let waits = exports.acquire_many(1).wait(Duration::MAX).into_future();
    let waits = tokio::time::timeout(MINUTE, waits).await;
    assert!(waits.is_err(), "all are held, and the wait has no end");
    all.release().await.expect("three nodes");
    for name in ["", "a{", "{}"] {
        let error = world.locks.semaphore(name, 1).try_acquire().await;
        assert_eq!(
            error.expect_err("no key").kind(),
            ErrorKind::InvalidKey,
            "{name}"
        );
    }
}

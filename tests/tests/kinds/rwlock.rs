//! Read/write locks over processes: many readers or one writer, and tokens in the order of the writers.

use std::{
    collections::HashSet,
    future::IntoFuture as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering::SeqCst},
    },
    time::Duration,
};

use redlock::{ErrorKind, Guard, LockOptions, Redlock, memory};
use tests::{Cluster, eventually, within};
use tokio::task::JoinSet;

use crate::{SOON, client};

/// The keys by which readers, writers and intents hold the lock on any node.
async fn held_on(cluster: &Cluster) -> HashSet<String> {
    let mut held = HashSet::new();
    for node in cluster.live() {
        let keys = node.keys().await.into_iter();
        let ends = ["}:rw:writer", "}:rw:readers", "}:rw:intent"];
        held.extend(keys.filter(|key| ends.iter().any(|end| key.ends_with(end))));
    }
    held
}

async fn is_free(cluster: &Cluster) {
    eventually(SOON, async || held_on(cluster).await.is_empty()).await;
}

async fn read(redlock: &Redlock) -> Guard {
    let read = within(SOON, redlock.rwlock("catalog").read()).await;
    read.expect("nobody writes")
}

async fn write(redlock: &Redlock) -> Guard {
    let write = within(SOON, redlock.rwlock("catalog").write()).await;
    write.expect("nobody holds it")
}

#[tokio::test]
async fn readers_of_several_processes_read_together_and_exclude_a_writer() {
    let cluster = Cluster::start(3).await;
    let (one, other) = (client(&cluster).await, client(&cluster).await);
    let (first, second) = (read(&one).await, read(&other).await);
    assert_ne!(first.owner(), second.owner());
    assert_eq!(first.key(), "catalog");
    let catalog = other.rwlock("catalog");
    assert!(catalog.try_write().await.expect("three nodes").is_none());
    let busy = one.rwlock("catalog").write().no_wait().await;
    assert_eq!(busy.expect_err("two read").kind(), ErrorKind::Busy);
    let mut waiting = tokio::spawn(async move { catalog.write().wait(SOON).await });
    first.release().await.expect("three nodes");
    let early = tokio::time::timeout(Duration::from_millis(100), &mut waiting).await;
    assert!(early.is_err(), "one still reads");
    let token = second.token();
    second.release().await.expect("three nodes");
    let writer = within(SOON, waiting).await.expect("no panic");
    let writer = writer.expect("nobody reads");
    assert!(writer.token() > token);
    assert!(
        one.rwlock("catalog")
            .try_read()
            .await
            .expect("three nodes")
            .is_none()
    );
    assert!(
        one.rwlock("catalog")
            .try_write()
            .await
            .expect("three nodes")
            .is_none()
    );
    // A lock of the same name is independent.
    let lock = one.try_lock("catalog").await.expect("three nodes");
    assert!(lock.is_some());
    writer.release().await.expect("three nodes");
    is_free(&cluster).await;
}

#[tokio::test]
async fn readers_and_a_writer_exclude_each_other_and_tokens_follow_the_writers() {
    let cluster = Cluster::start(3).await;
    // Below zero while a writer holds the lock.
    let inside = Arc::new(AtomicI64::new(0));
    let written = Arc::new(AtomicI64::new(0));
    let mut tasks = JoinSet::new();
    for process in 0..4 {
        let redlock = client(&cluster).await;
        for task in 0..3 {
            let (redlock, inside, written) =
                (redlock.clone(), Arc::clone(&inside), Arc::clone(&written));
            tasks.spawn(async move {
                for turn in 0..15 {
                    let writes = (process + task + turn) % 4 == 0;
                    let catalog = redlock.rwlock("catalog");
                    let request = if writes {
                        catalog.write()
                    } else {
                        catalog.read()
                    };
                    let guard = request.wait(SOON).await.expect("a turn");
                    let token = i64::from(guard.token());
                    if writes {
                        assert_eq!(inside.swap(-1, SeqCst), 0, "a writer is not alone");
                        assert!(written.swap(token, SeqCst) < token, "tokens of writers");
                    } else {
                        assert!(inside.fetch_add(1, SeqCst) >= 0, "beside a writer");
                        assert!(written.load(SeqCst) < token, "the token of a reader");
                    }
                    tokio::task::yield_now().await;
                    match writes {
                        true => inside.store(0, SeqCst),
                        false => drop(inside.fetch_sub(1, SeqCst)),
                    }
                    guard.release().await.expect("three nodes");
                }
            });
        }
    }
    within(SOON * 3, async {
        while let Some(done) = tasks.join_next().await {
            done.expect("no two sides at once");
        }
    })
    .await;
    is_free(&cluster).await;
}

#[tokio::test]
async fn readers_of_one_process_share_a_hold_and_it_ends_with_the_last() {
    let cluster = Cluster::start(3).await;
    let (redlock, other) = (client(&cluster).await, client(&cluster).await);
    let first = read(&redlock).await;
    let reads = (0..32).map(|_| redlock.rwlock("catalog").read().into_future());
    let more = within(SOON, futures_util::future::try_join_all(reads)).await;
    let more = more.expect("nobody writes");
    // Within 100 ms all readers share the first hold; a slow machine may need a few.
    let owners: HashSet<_> = more.iter().map(Guard::owner).collect();
    assert!(owners.len() < 8, "{} holds for 32 readers", owners.len());
    first.release().await.expect("others read on");
    assert!(
        other
            .rwlock("catalog")
            .try_write()
            .await
            .expect("three nodes")
            .is_none()
    );
    let mut more = more.into_iter();
    let last = more.next().expect("32 readers");
    for guard in more {
        drop(guard);
    }
    assert!(!last.is_lost());
    assert!(
        other
            .rwlock("catalog")
            .try_write()
            .await
            .expect("three nodes")
            .is_none()
    );
    last.release().await.expect("three nodes");
    write(&other).await.release().await.expect("three nodes");
    is_free(&cluster).await;
}

#[tokio::test]
async fn readers_of_one_process_that_wait_share_the_first_grant() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    let writer = write(&redlock).await;
    let mut readers = JoinSet::new();
    for _ in 0..32 {
        let catalog = redlock.rwlock("catalog");
        // The first one may be gone before the next one runs.
        readers.spawn(async move { catalog.read().wait(SOON).await.map(|guard| guard.token()) });
    }
    let writer = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        writer.release().await.expect("three nodes");
    };
    let (readers, ()) = within(SOON, async { tokio::join!(readers.join_all(), writer) }).await;
    let tokens = readers
        .into_iter()
        .map(|token| token.expect("nobody writes"));
    let tokens: HashSet<_> = tokens.collect();
    // A busy machine may let some come late.
    assert!(tokens.len() <= 8, "{tokens:?}");
    is_free(&cluster).await;
}

#[tokio::test]
async fn a_stream_of_readers_does_not_starve_a_writer() {
    let cluster = Cluster::start(3).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for _ in 0..3 {
        let redlock = client(&cluster).await;
        for _ in 0..3 {
            let (redlock, stop) = (redlock.clone(), Arc::clone(&stop));
            readers.spawn(async move {
                while !stop.load(SeqCst) {
                    let guard = redlock.rwlock("catalog").read().wait(SOON).await;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    guard
                        .expect("nobody writes for long")
                        .release()
                        .await
                        .expect("three nodes");
                }
            });
        }
    }
    let redlock = client(&cluster).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    for _ in 0..5 {
        write(&redlock).await.release().await.expect("three nodes");
    }
    stop.store(true, SeqCst);
    within(SOON, async {
        while let Some(done) = readers.join_next().await {
            done.expect("they read on");
        }
    })
    .await;
    is_free(&cluster).await;
}

#[tokio::test]
async fn a_writer_that_gives_up_lets_readers_in_again() {
    let cluster = Cluster::start(3).await;
    let (one, other) = (client(&cluster).await, client(&cluster).await);
    let first = read(&one).await;
    let waits = other.rwlock("catalog");
    let waits = tokio::spawn(async move { waits.write().wait(SOON).await });
    let third = client(&cluster).await;
    eventually(SOON, async || {
        third
            .rwlock("catalog")
            .try_read()
            .await
            .expect("three nodes")
            .is_none()
    })
    .await;
    waits.abort();
    eventually(SOON, async || {
        third
            .rwlock("catalog")
            .try_read()
            .await
            .expect("three nodes")
            .is_some()
    })
    .await;
    drop(first);
    is_free(&cluster).await;
}

#[tokio::test]
async fn a_writer_that_got_the_lock_leaves_no_intent_where_a_reader_is_still_recorded() {
    let cluster = Cluster::start(3).await;
    let (one, other) = (client(&cluster).await, client(&cluster).await);
    let reader = read(&one).await;
    // As if this node had not got the release of an earlier reader, whose ttl is ten minutes.
    let (late, readers, intent) = (
        cluster.node(2),
        "{catalog}{}:rw:readers",
        "{catalog}{}:rw:intent",
    );
    let _: u64 = late.ask(redis::cmd("DEL").arg(readers)).await;
    let until = redis::cmd("ZADD")
        .arg(readers)
        .arg(4_000_000_000_000_u64)
        .arg("f".repeat(32))
        .to_owned();
    let _: u64 = late.ask(&until).await;
    let _: u64 = late
        .ask(redis::cmd("PEXPIRE").arg(readers).arg(600_000))
        .await;
    let intends = async || late.ask::<u64>(redis::cmd("EXISTS").arg(intent)).await == 1;

    let catalog = other.rwlock("catalog");
    let write = tokio::spawn(async move { catalog.write().wait(SOON).await });
    eventually(SOON, intends).await;
    reader.release().await.expect("three nodes");
    let writer = within(SOON, write).await.expect("no panic");
    let writer = writer.expect("two nodes are enough");
    eventually(SOON, async || !intends().await).await;
    writer.release().await.expect("three nodes");
    let _: u64 = late.ask(redis::cmd("DEL").arg(readers)).await;
    is_free(&cluster).await;
}

#[tokio::test]
async fn both_sides_are_renewed_and_lost_like_a_lock() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    let catalog = redlock.rwlock("catalog");
    for request in [catalog.read(), catalog.write()] {
        let kept = request
            .clone()
            .ttl(Duration::from_millis(1_500))
            .await
            .expect("free");
        tokio::time::sleep(Duration::from_millis(2_000)).await;
        assert!(!kept.is_lost());
        kept.extend().await.expect("three nodes");
        kept.release().await.expect("three nodes");
        let short = request
            .ttl(Duration::from_millis(200))
            .keep_alive(false)
            .await;
        let short = short.expect("free");
        within(SOON, short.lost()).await;
        assert!(short.release().await.expect_err("lost").is_lost());
    }
    let ended = catalog.read().run(async |held| held.token().get()).await;
    assert!(ended.expect("three nodes") > 0);
    is_free(&cluster).await;
}

#[tokio::test]
async fn a_forgotten_reader_is_restored_unless_a_writer_holds_the_lock() {
    let cluster = Cluster::start(3).await;
    let (one, other) = (client(&cluster).await, client(&cluster).await);
    let reader = read(&one).await;
    let () = cluster.node(0).ask(&redis::cmd("FLUSHALL")).await;
    reader.extend().await.expect("two of three nodes");
    eventually(SOON, async || {
        let keys = cluster.node(0).keys().await;
        keys.iter().any(|key| key.ends_with("}:rw:readers"))
    })
    .await;
    assert!(
        other
            .rwlock("catalog")
            .try_write()
            .await
            .expect("three nodes")
            .is_none()
    );
    reader.release().await.expect("three nodes");
    is_free(&cluster).await;
}

#[tokio::test]
async fn a_task_that_holds_one_side_gets_an_error_for_the_other() {
    let nodes = memory::Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("three nodes");
    let catalog = redlock.rwlock("catalog");
    let upgrade = catalog
        .read()
        .run(async |_| catalog.write().await.map(drop))
        .await;
    let upgrade = upgrade.expect("the body finished").expect_err("no upgrade");
    assert!(upgrade.is_already_held(), "{upgrade}");
    let downgrade = catalog
        .write()
        .run(async |_| catalog.read().await.map(drop))
        .await;
    let downgrade = downgrade
        .expect("the body finished")
        .expect_err("no downgrade");
    assert!(downgrade.is_already_held(), "{downgrade}");
    let joined = catalog.read().run(async |held| {
        let inner = catalog.read().reentrant(true).await.expect("its own");
        inner.token() == held.token()
    });
    assert!(joined.await.expect("three nodes"));
}

#[tokio::test]
async fn options_that_contradict_a_side_are_a_clear_error() {
    let nodes = memory::Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("three nodes");
    let catalog = redlock.rwlock("catalog");
    let second = Duration::from_secs(1);
    let mut deduped = LockOptions::default();
    deduped.dedupe_for = Some(second);
    let mut permits = LockOptions::default();
    permits.permits = Some(2);
    let mut both = LockOptions::default();
    both.write = true;
    for (request, words) in [
        (catalog.read().fencing(false), "`read` and `fencing(false)`"),
        (
            catalog.write().fencing(false),
            "`write` and `fencing(false)`",
        ),
        (catalog.read().at_least(second), "`read` and `at_least`"),
        (catalog.read().options(deduped), "`read` and `dedupe_for`"),
        (catalog.write().options(permits), "`write` and `permits`"),
        (catalog.read().options(both), "`read` and `write`"),
    ] {
        let error = request.await.expect_err("a contradiction");
        assert!(
            error.is_invalid() && error.to_string().contains(words),
            "{error}"
        );
    }
    let error = catalog.read().await.expect("free").cool_down(second).await;
    let error = error.expect_err("a reader");
    assert!(
        error.is_invalid() && error.to_string().contains("no cool-down"),
        "{error}"
    );
    let error = catalog
        .write()
        .await
        .expect("free")
        .detach()
        .expect_err("a writer");
    assert!(error.to_string().contains("read/write lock"), "{error}");
    // After a writer there may be one.
    let writer = catalog.write().await.expect("free");
    writer.cool_down(second).await.expect("three nodes");
    let reader = catalog.read().await.expect_err("cooling down");
    assert!(reader.is_cooling_down(), "{reader}");
}

/// They queue for one of them to ask the nodes, which excludes nobody.
#[tokio::test]
async fn a_reader_that_does_not_wait_is_not_refused_for_other_readers() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    let catalog = redlock.rwlock("catalog");
    for _ in 0..5 {
        let (one, other, third) = tokio::join!(
            catalog.read().into_future(),
            catalog.read().into_future(),
            catalog.try_read()
        );
        assert!(one.is_ok() && other.is_ok());
        assert!(third.expect("three nodes").is_some(), "nobody writes");
    }
}

/// Readers are one key, which expires with the last of them. Where all that are listed are over, it does not stay for ever.
#[tokio::test]
async fn readers_expire_although_those_before_them_are_over() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    let first = redlock
        .rwlock("catalog")
        .read()
        .ttl(Duration::from_secs(10));
    let first = first.await.expect("nobody writes");
    let readers = readers_key(&cluster).await;
    first.release().await.expect("three nodes");
    for node in cluster.live() {
        // As readers leave it that crashed long ago.
        let mut crashed = redis::cmd("ZADD");
        let () = node.ask(crashed.arg(&readers).arg(1).arg("crashed")).await;
        let mut expires = redis::cmd("PEXPIRE");
        let () = node.ask(expires.arg(&readers).arg(600_000)).await;
    }
    let second = redlock.rwlock("catalog").read().ttl(Duration::from_secs(2));
    let second = second.await.expect("nobody writes");
    for node in cluster.live() {
        if node.exists(&readers).await {
            assert!(node.pttl(&readers).await.is_some(), "stays for ever");
        }
    }
    second.release().await.expect("three nodes");
    is_free(&cluster).await;
}

async fn readers_key(cluster: &Cluster) -> String {
    let held = held_on(cluster).await;
    let readers = held.into_iter().find(|key| key.ends_with(":readers"));
    readers.expect("somebody reads")
}

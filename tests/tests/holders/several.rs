//! Locks of several kinds, all or none, in one order.

use redlock::{LockAllRequest, Redlock, memory::Nodes};
use tests::{eventually, within};
use tokio::task::JoinSet;

use crate::{SOON, in_memory};

/// An account, the readers of a catalog, and a permit. Their keys are not in their order here.
fn import(redlock: &Redlock) -> LockAllRequest {
    let all = redlock.lock_all(["account:ada"]);
    let all = all.and(redlock.semaphore("imports", 2).acquire());
    all.and(redlock.rwlock("catalog").read())
}

async fn is_free(redlock: &Redlock) {
    eventually(SOON, async || {
        let imports = redlock.semaphore("imports", 2);
        !redlock.is_locked("account:ada").await.expect("three nodes")
            && !redlock
                .rwlock("catalog")
                .is_read_locked()
                .await
                .expect("three nodes")
            && imports.available().await.expect("three nodes") == 2
    })
    .await;
}

#[tokio::test]
async fn locks_of_several_kinds_are_held_together_or_not_at_all() {
    let nodes = Nodes::new(3);
    let (redlock, other) = (in_memory(&nodes).await, in_memory(&nodes).await);
    let guards = import(&redlock).await.expect("free");
    let keys: Vec<&str> = guards.iter().map(redlock::Guard::key).collect();
    assert_eq!(keys, ["account:ada", "catalog", "imports"]);
    for (key, guard) in keys.iter().zip(&guards) {
        let found = guards.get(key).expect("one of them");
        assert_eq!((found.key(), found.owner()), (*key, guard.owner()));
    }
    assert!(guards.get("account:bob").is_none());
    assert!(other.is_locked("account:ada").await.expect("three nodes"));
    assert!(
        other
            .rwlock("catalog")
            .is_read_locked()
            .await
            .expect("three nodes")
    );
    assert_eq!(
        other
            .semaphore("imports", 2)
            .available()
            .await
            .expect("three nodes"),
        1
    );
    guards.release().await.expect("three nodes");
    is_free(&other).await;
    let writer = other.rwlock("catalog").write().await.expect("free");
    let busy = import(&redlock).wait(std::time::Duration::ZERO).await;
    assert!(busy.expect_err("somebody writes").is_busy());
    is_free(&other).await;
    // It waits for the writer, and runs.
    let waits = tokio::spawn(import(&redlock).wait(SOON).run(async |held| held.len()));
    writer.release().await.expect("three nodes");
    let held = within(SOON, waits).await.expect("no panic");
    assert_eq!(held.expect("free"), 3);
    is_free(&other).await;
}

#[tokio::test]
async fn requests_for_the_same_locks_do_not_wait_for_each_other_in_a_circle() {
    let nodes = Nodes::new(3);
    let mut tasks = JoinSet::new();
    for task in 0..6 {
        let redlock = in_memory(&nodes).await;
        tasks.spawn(async move {
            for _ in 0..10 {
                let lock = redlock.lock("b");
                let (write, read) = (redlock.rwlock("a").write(), redlock.rwlock("a").read());
                let permit = redlock.semaphore("c", 1).acquire();
                let none = redlock.lock_all([""; 0]);
                let all = match task % 3 {
                    0 => none.and(permit).and(lock).and(write),
                    1 => none.and(lock).and(write).and(permit),
                    _ => none.and(lock).and(permit).and(read),
                };
                let guards = all.wait(SOON * 2).await.expect("its turn");
                tokio::task::yield_now().await;
                guards.release().await.expect("three nodes");
            }
        });
    }
    within(SOON * 2, tasks.join_all()).await;
}

#[tokio::test]
async fn what_can_never_be_held_together_is_a_clear_error() {
    let nodes = Nodes::new(3);
    let (redlock, other) = (in_memory(&nodes).await, in_memory(&nodes).await);
    let (catalog, imports) = (redlock.rwlock("catalog"), redlock.semaphore("imports", 2));
    let all = || redlock.lock_all(["account:ada"]);
    for (request, words) in [
        (all().and(other.lock("b")), "of another client"),
        (
            all().and(catalog.write()).and(catalog.read()),
            "a writer may read as well",
        ),
        (
            all().and(imports.acquire()).and(imports.acquire()),
            "use `acquire_many`",
        ),
        (all().and(redlock.lock("")), "must not be empty"),
        (redlock.lock_all([""; 0]), "no keys"),
    ] {
        let error = within(SOON, request.into_future())
            .await
            .expect_err("never");
        assert!(
            error.is_invalid() && error.to_string().contains(words),
            "{error}"
        );
    }
    let inside = catalog
        .read()
        .run(async |_| all().and(catalog.write()).await.map(drop));
    let error = inside
        .await
        .expect("it ran")
        .expect_err("it would wait for itself");
    assert!(error.is_already_held(), "{error}");
    is_free(&redlock).await;
    // Once is enough.
    let twice = all()
        .and(redlock.lock("account:ada"))
        .and(catalog.read())
        .and(catalog.read());
    assert_eq!(twice.await.expect("free").iter().count(), 2);
}

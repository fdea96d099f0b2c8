//! Requests that could only wait in vain.

use redlock::ErrorKind;
use tests::{World, within};

use crate::{MINUTE, SOON};

#[tokio::test]
async fn all_keys_of_a_request_are_checked_before_one_of_them_is_waited_for() {
    let world = World::new().await;
    let _held = world.busy("a").await;
    let request = world.locks.lock_all(["a", "b{"]).wait(MINUTE);
    let error = within(SOON, request.into_future()).await;
    let error = error.expect_err("no such key");
    assert_eq!(error.kind(), ErrorKind::InvalidKey, "{error}");
}

#[tokio::test]
async fn a_task_that_holds_one_of_the_keys_does_not_wait_for_the_others() {
    let world = World::new().await;
    let _held = world.busy("a").await;
    let own = world.locks.lock("b").run(async |_| {
        let request = world.locks.lock_all(["a", "b"]).wait(MINUTE);
        within(SOON, request.into_future()).await
    });
    let error = own.await.expect("free").expect_err("it holds b");
    assert!(error.is_already_held(), "{error}");
    assert_eq!(error.key(), Some("b"));
}

#[tokio::test]
async fn a_task_that_holds_all_permits_does_not_wait_for_itself() {
    let world = World::new().await;
    let exports = world.locks.semaphore("export", 2);
    let both = exports.acquire().run(async |_| {
        // Another permit is free.
        let inner = exports.acquire().wait(SOON).run(async |_| {
            let error = within(SOON, exports.acquire().wait(MINUTE).into_future()).await;
            let error = error.expect_err("it holds both");
            assert!(error.is_already_held(), "{error}");
            assert!(error.to_string().contains("2 of its 2 permits"), "{error}");
            // A request that does not wait is refused as usual.
            assert!(exports.try_acquire().await.expect("two nodes").is_none());
        });
        inner.await.expect("the second permit");
        let many = exports.acquire_many(2).wait(MINUTE).into_future();
        let error = within(SOON, many).await.expect_err("it holds one of two");
        assert!(error.is_already_held(), "{error}");
    });
    both.await.expect("a permit");
}

/// A permit that another task holds may be released.
#[tokio::test]
async fn permits_of_other_tasks_are_waited_for() {
    let world = World::new().await;
    let exports = world.locks.semaphore("export", 1);
    let held = exports.acquire().await.expect("free");
    let next = tokio::spawn(exports.acquire().wait(MINUTE).into_future());
    let elsewhere = world.locks.lock("export").run(async |_| {
        // The lock of the same name is not one of them either.
        held.release().await.expect("three nodes");
        within(SOON, next).await.expect("no panic").expect("free")
    });
    elsewhere
        .await
        .expect("free")
        .release()
        .await
        .expect("three nodes");
}

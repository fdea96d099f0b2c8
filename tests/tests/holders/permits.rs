//! The holders of a semaphore's permits.

use std::collections::HashSet;

use redlock::{ErrorKind, Semaphore, memory::Nodes};
use tests::{Cluster, eventually, within};

use crate::{LONG, SOON, in_memory, is_taken, labelled};

async fn numbers(semaphore: &Semaphore) -> Vec<u32> {
    let held = semaphore.holders().await.expect("three nodes");
    held.iter().map(|held| held.permit).collect()
}

#[tokio::test]
async fn everybody_sees_who_holds_which_permit() {
    let cluster = Cluster::start(3).await;
    let (api, worker) = (
        labelled(&cluster, "api-7").await,
        labelled(&cluster, "worker").await,
    );
    let exports = api.semaphore("export", 5);
    assert_eq!(numbers(&exports).await, [0; 0]);
    assert_eq!(api.permits("other").await.expect("three nodes"), None);
    let two = exports
        .acquire_many(2)
        .ttl(LONG)
        .await
        .expect("five are free");
    let other = worker.semaphore("export", 5).acquire().ttl(LONG).await;
    let other = other.expect("three are free");
    let looker = labelled(&cluster, "looker").await;
    assert_eq!(
        looker.permits("export").await.expect("three nodes"),
        Some(5)
    );
    let held = looker
        .semaphore("export", 5)
        .holders()
        .await
        .expect("three nodes");
    let permits: HashSet<u32> = held.iter().map(|held| held.permit).collect();
    assert_eq!(permits.len(), 3, "{held:?}");
    assert!(permits.iter().all(|permit| *permit < 5), "{held:?}");
    for guard in two.iter().chain([&other]) {
        let seen = held.iter().find(|held| held.holder.owner == guard.owner());
        let seen = &seen.expect("it is held").holder;
        let label = if guard.owner() == other.owner() {
            "worker"
        } else {
            "api-7"
        };
        assert_eq!(seen.label(), Some(label));
        // A request for this permit that was refused may have raised it on a node.
        assert!(seen.token >= guard.token(), "{seen:?}");
        assert!(
            seen.remaining <= LONG && seen.remaining > LONG / 2,
            "{seen:?}"
        );
    }
    two.release().await.expect("three nodes");
    other.release().await.expect("three nodes");
    eventually(SOON, async || numbers(&exports).await.is_empty()).await;
}

#[tokio::test]
async fn a_permit_that_is_taken_away_is_lost_and_goes_to_a_waiter() {
    let cluster = Cluster::start(3).await;
    let (api, worker) = (
        labelled(&cluster, "api-7").await,
        labelled(&cluster, "worker").await,
    );
    let operator = labelled(&cluster, "operator").await.semaphore("export", 2);
    let exports = api.semaphore("export", 2);
    let (first, second) = (
        exports.acquire().ttl(LONG).await.expect("two are free"),
        exports.acquire().ttl(LONG).await.expect("one is free"),
    );
    let waiting = worker.semaphore("export", 2);
    let waiting = tokio::spawn(async move { waiting.acquire().ttl(LONG).wait(LONG).await });
    let waits = async || {
        let held = operator.holders().await.expect("three nodes");
        held.iter().all(|held| held.holder.waiting == 1)
    };
    eventually(SOON, waits).await;
    let held = operator.holders().await.expect("three nodes");
    let taken = held.iter().find(|held| held.holder.owner == first.owner());
    let taken = taken.expect("it is held").permit;
    operator.force_release(taken).await.expect("three nodes");
    let next = within(SOON, waiting)
        .await
        .expect("no panic")
        .expect("a permit");
    assert!(next.token() > first.token());
    is_taken(&first).await;
    second.extend().await.expect("the other permit");
    // A permit that nobody holds, and all of them.
    operator.force_release_all().await.expect("three nodes");
    is_taken(&second).await;
    is_taken(&next).await;
    operator.force_release(taken).await.expect("three nodes");
    assert_eq!(numbers(&operator).await, [0; 0]);
    assert_eq!(operator.available().await.expect("three nodes"), 2);
}

#[tokio::test]
async fn holders_in_this_process_learn_of_it_at_once() {
    let nodes = Nodes::new(3);
    let redlock = in_memory(&nodes).await;
    let exports = redlock.semaphore("export", 3);
    let kept = redlock
        .semaphore("import", 3)
        .acquire()
        .await
        .expect("free");
    let held = exports.acquire_many(3).await.expect("free");
    exports.force_release_all().await.expect("three nodes");
    for guard in &held {
        assert!(guard.is_lost());
    }
    let error = held.release().await.expect_err("lost").to_string();
    assert!(error.contains("force"), "{error}");
    assert!(!kept.is_lost());
    let again = exports.acquire_many(3).await.expect("free again");
    again.release().await.expect("three nodes");
}

#[tokio::test]
async fn a_permit_on_a_minority_of_the_nodes_has_no_holder_and_can_be_taken_away() {
    let nodes = Nodes::new(3);
    let redlock = in_memory(&nodes).await;
    let exports = redlock.semaphore("export", 2);
    let permit = exports.acquire().await.expect("free");
    let number = numbers(&exports).await[0];
    let key = format!("{{export}}{{}}:permit:{number}");
    nodes.node(0).delete(&key);
    assert_eq!(numbers(&exports).await, [number]);
    nodes.node(1).delete(&key);
    assert_eq!(numbers(&exports).await, [0; 0]);
    assert_eq!(nodes.node(2).get(&key).as_deref(), Some(permit.owner()));
    exports.force_release(number).await.expect("three nodes");
    assert_eq!(nodes.node(2).get(&key), None);
}

#[tokio::test]
async fn the_cool_down_of_a_permit_is_seen_and_ended() {
    let nodes = Nodes::new(3);
    let redlock = in_memory(&nodes).await;
    let exports = redlock.semaphore("export", 1);
    let permit = exports.acquire().await.expect("free");
    permit.cool_down(LONG).await.expect("three nodes");
    let held = exports.holders().await.expect("three nodes");
    assert!(held[0].holder.is_cool_down(), "{held:?}");
    exports.force_release_all().await.expect("three nodes");
    let permit = exports.try_acquire().await.expect("three nodes");
    permit.expect("free").release().await.expect("three nodes");
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_a_clear_error() {
    let nodes = Nodes::new(3);
    let redlock = in_memory(&nodes).await;
    let exports = redlock.semaphore("export", 3);
    let _permit = exports.acquire().await.expect("free");
    let missing = exports.force_release(3).await.expect_err("0 to 2");
    let text = missing.to_string();
    assert!(missing.is_invalid() && text.contains("`export`"), "{text}");
    assert!(
        text.contains("no permit 3: it has 3, with the numbers 0 to 2"),
        "{text}"
    );
    let other = redlock.semaphore("export", 2);
    for error in [
        other.holders().await.map(drop),
        other.force_release(0).await,
        other.force_release_all().await,
    ] {
        let error = error.expect_err("it has three");
        assert_eq!(error.kind(), ErrorKind::OtherPermits, "{error}");
    }
    for permits in [0, 1_001] {
        let error = redlock.semaphore("export", permits).holders().await;
        let text = error.expect_err("no such semaphore").to_string();
        assert!(text.contains("1 to 1000 permits"), "{text}");
    }
    nodes.node(0).stop();
    nodes.node(1).stop();
    let error = exports.holders().await.expect_err("one node");
    assert!(error.is_no_quorum(), "{error}");
    assert_eq!(error.node_errors().len(), 2, "{error}");
    redlock.close().await;
    assert!(exports.holders().await.expect_err("closed").is_closed());
}

/// The number of the arguments of a request has three digits from 94 permits on, and four from 994 on.
#[tokio::test]
async fn a_semaphore_can_have_a_thousand_permits() {
    let cluster = Cluster::start(3).await;
    let redlock = labelled(&cluster, "api-7").await;
    for (key, permits) in [("hundred", 100), ("thousand", 1_000)] {
        let exports = redlock.semaphore(key, permits);
        let permit = within(SOON, exports.acquire()).await.expect("free");
        assert_eq!(exports.available().await.expect("three nodes"), permits - 1);
        let held = exports.holders().await.expect("three nodes");
        assert_eq!(held[0].holder.owner, permit.owner());
        permit.release().await.expect("three nodes");
    }
}

//! Servers that do not know the scripts: commands for a key are still carried out in their order.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use redlock::{Guard, Redlock, RestartGuard};
use tests::Cluster;

use super::LONG;

const KEY: &str = "k:1";

/// The nodes know only the scripts of an acquire.
async fn forget_scripts(cluster: &Cluster, other: &Redlock) -> Vec<Guard> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    for node in cluster.nodes() {
        let () = node.ask(redis::cmd("SCRIPT").arg("FLUSH")).await;
    }
    let mut held = Vec::new();
    for fencing in [true, false] {
        let name = format!("other:{}", NEXT.fetch_add(1, Relaxed));
        let request = other.lock(&name).fencing(fencing);
        // Not released yet: that would load another script.
        held.push(request.no_wait().await.expect("free"));
    }
    held
}

async fn client(cluster: &Cluster, fencing: bool, strict: bool) -> Redlock {
    let builder = Redlock::builder().nodes(cluster.urls()).fencing(fencing);
    let builder = match strict {
        true => builder.restart_guard(RestartGuard::Strict),
        false => builder,
    };
    let redlock = builder.connect().await.expect("all up");
    if strict {
        redlock.trust_nodes().await.expect("vouched for");
    }
    redlock
}

async fn hold(redlock: &Redlock) -> Guard {
    redlock.lock(KEY).ttl(LONG).await.expect("free")
}

/// Each way in which a hold can end, followed at once by a request.
async fn assert_in_order(cluster: &Cluster, redlock: &Redlock, other: &Redlock) {
    let guard = hold(redlock).await;
    let _held = forget_scripts(cluster, other).await;
    drop(guard);
    let guard = redlock.try_lock(KEY).await.expect("all up");
    let guard = guard.expect("given back before");

    let _held = forget_scripts(cluster, other).await;
    drop(guard);
    let seen = redlock.holder(KEY).await.expect("all up");
    assert!(seen.is_none(), "{seen:?}");

    let guard = hold(redlock).await;
    let _held = forget_scripts(cluster, other).await;
    drop(guard);
    let ran = redlock.lock(KEY).ttl(LONG).no_wait().run(async |_| 7).await;
    assert_eq!(ran.expect("given back before"), 7);

    let guard = hold(redlock).await;
    let _held = forget_scripts(cluster, other).await;
    let (cooled_down, refused) = tokio::join!(guard.cool_down(LONG), redlock.lock(KEY).no_wait());
    cooled_down.expect("held");
    let refused = refused.expect_err("in its window");
    assert!(refused.is_cooling_down(), "{refused}");

    let _held = forget_scripts(cluster, other).await;
    redlock.force_release(KEY).await.expect("taken");
    let guard = redlock.try_lock(KEY).await.expect("all up");
    let guard = guard.expect("taken away before");
    guard.release().await.expect("held");
}

#[tokio::test]
async fn f12_commands_behind_a_release_are_carried_out_after_it() {
    for (fencing, strict) in [(true, false), (false, false), (true, true)] {
        let cluster = Cluster::start(3).await;
        let redlock = client(&cluster, fencing, strict).await;
        let other = client(&cluster, true, strict).await;
        for _ in 0..3 {
            assert_in_order(&cluster, &redlock, &other).await;
        }
    }
}

/// A server that has never seen a release.
#[tokio::test]
async fn f12_the_order_is_kept_after_the_first_start_of_the_servers() {
    for fencing in [true, false] {
        let cluster = Cluster::start(3).await;
        let redlock = client(&cluster, fencing, false).await;
        let guard = hold(&redlock).await;
        let _held = redlock.lock("k:2").no_wait().await.expect("free");
        drop(guard);
        let guard = redlock.try_lock(KEY).await.expect("all up");
        guard
            .expect("given back before")
            .release()
            .await
            .expect("held");
    }
}

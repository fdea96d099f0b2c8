//! Redirected commands: they are followed within the call.

use std::time::{Duration, Instant};

use redlock::{FaultKind, Guard, Redlock, RestartGuard};
use tests::sharded::{OF_SHARD, Sharded, id, tell};
use tests::{Cluster, Node, eventually, within};

use super::support::{BOUND, client, give, settings, slot_of};

/// The slot of the second shard's key is being moved to `to`.
pub(super) async fn set_out(sharded: &Sharded, key: &str, to: &Node) {
    let slot = slot_of(sharded, key).await.to_string();
    let (from, here) = (id(sharded.shard(1)).await, id(to).await);
    tell(to, &["SETSLOT", &slot, "IMPORTING", &from]).await;
    tell(sharded.shard(1), &["SETSLOT", &slot, "MIGRATING", &here]).await;
}

/// Moves keys, as `redis-cli --cluster reshard` does.
async fn carry(sharded: &Sharded, keys: &[String], to: &Node) {
    for key in keys {
        let mut migrate = redis::cmd("MIGRATE");
        migrate
            .arg("127.0.0.1")
            .arg(to.port())
            .arg(key)
            .arg(0)
            .arg(5_000);
        let said: String = sharded.shard(1).ask(&migrate).await;
        assert!(["OK", "NOKEY"].contains(&said.as_str()), "{said}");
    }
}

/// All operations on a key.
async fn every_operation(one: &Redlock, other: &Redlock, key: &str) {
    let held = one.try_lock(key).await.unwrap().expect("free");
    assert!(other.try_lock(key).await.unwrap().is_none(), "two holders");
    held.extend().await.unwrap();
    assert_eq!(
        other.holder(key).await.unwrap().expect("held").owner,
        held.owner()
    );
    let token = held.token();
    held.release().await.unwrap();
    let held = other.try_lock(key).await.unwrap().expect("free");
    assert!(held.token() > token);
    held.cool_down(Duration::from_secs(2)).await.unwrap();
    assert!(one.is_locked(key).await.unwrap(), "a cool-down");
    one.force_release(key).await.unwrap();
    // A waiter is notified.
    let held = one.lock(key).await.unwrap();
    let waiter = tokio::spawn({
        let request = other.lock(key).wait(BOUND);
        async move { request.await.unwrap().release().await.unwrap() }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    held.release().await.unwrap();
    within(BOUND, waiter).await.unwrap();
}

#[tokio::test]
async fn f72_moved_without_a_host() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    for server in sharded.servers.nodes() {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET")
            .arg("cluster-preferred-endpoint-type")
            .arg("unknown-endpoint");
        let () = server.ask(&set).await;
    }
    let redlock = client(&sharded, RestartGuard::Off).await;
    // As many keys of the second shard as there are operations, because a client remembers a redirection.
    let mut keys = Vec::new();
    for number in 0.. {
        let key = format!("k{number}");
        if (5461..=10922).contains(&slot_of(&sharded, &key).await) {
            keys.push(key);
        }
        if keys.len() == 5 {
            break;
        }
    }
    let held = redlock.lock(&keys[0]).await.unwrap();
    let () = sharded.shard(1).ask(&redis::cmd("FLUSHALL")).await;
    for key in &keys {
        give(&sharded, key, 2, &[2, 1, 0]).await;
    }
    held.release().await.expect("carried out there");
    assert!(redlock.holder(keys[1].as_str()).await.unwrap().is_none());
    redlock.force_release(keys[2].as_str()).await.unwrap();
    let held = redlock
        .try_lock(keys[3].as_str())
        .await
        .unwrap()
        .expect("free, there");
    held.extend().await.unwrap();
    held.cool_down(Duration::from_millis(100)).await.unwrap();
    redlock
        .lock_all([&keys[4], OF_SHARD[0]])
        .await
        .unwrap()
        .release()
        .await
        .unwrap();
}

/// The key does not exist yet: its server redirects to the one that imports the slot.
#[tokio::test]
async fn f72_keys_of_a_migrating_slot() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let (one, other) = (
        client(&sharded, RestartGuard::Observed).await,
        client(&sharded, RestartGuard::Observed).await,
    );
    let key = OF_SHARD[1];
    set_out(&sharded, key, sharded.shard(2)).await;
    every_operation(&one, &other, key).await;
    assert!(
        sharded
            .shard(2)
            .keys()
            .await
            .iter()
            .any(|name| name.contains(key))
    );
    assert!(!sharded.shard(1).keys().await.contains(&key.to_owned()));
    // Without tokens, which uses other commands.
    let url = sharded.url_by("", &[0, 1, 2]);
    let builder = settings(RestartGuard::Observed).fencing(false).node(url);
    let plain = builder.connect().await.unwrap();
    let held = plain.try_lock(key).await.unwrap().expect("free");
    assert!(plain.try_lock(key).await.unwrap().is_none(), "two holders");
    held.extend().await.unwrap();
    held.release().await.unwrap();
    assert!(!plain.is_locked(key).await.unwrap());
}

/// A lock that is held when the move begins is extended and released on the other server, also while its keys are on both.
#[tokio::test]
async fn f72_a_lock_whose_keys_are_migrated() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let redlock = client(&sharded, RestartGuard::Observed).await;
    let key = OF_SHARD[1];
    let held = redlock.lock(key).await.unwrap();
    set_out(&sharded, key, sharded.shard(0)).await;
    let mut keys = sharded.shard(1).keys().await;
    keys.retain(|name| name.contains(key));
    // First the lock, and its fence a while later: meanwhile the server replies TRYAGAIN.
    keys.sort_by_key(|name| name != key);
    carry(&sharded, &keys[..1], sharded.shard(0)).await;
    let extended = async { held.extend().await };
    let rest = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        carry(&sharded, &keys[1..], sharded.shard(0)).await;
    };
    let (extended, ()) = tokio::join!(extended, rest);
    extended.unwrap();
    assert!(
        redlock.try_lock(key).await.unwrap().is_none(),
        "two holders"
    );
    held.release().await.unwrap();
    eventually(BOUND, async || {
        !sharded.shard(0).keys().await.contains(&key.to_owned())
    })
    .await;
}

/// Its keys are on a server that refuses the slot, and the owner of the slot redirects to that server. The
/// release is deferred until they agree.
#[tokio::test]
async fn f6_a_release_that_is_redirected_in_circles_arrives_once_the_servers_agree() {
    redirected_in_circles(async |held, redlock| {
        let error = held.release().await.expect_err("sent around");
        assert_eq!(error.node_errors()[0].kind(), FaultKind::Moved, "{error}");
        Some(redlock)
    })
    .await;
}

/// Nothing but the task of the connections is left to deliver it.
#[tokio::test]
async fn f6_a_redirected_release_arrives_although_the_client_is_gone() {
    redirected_in_circles(async |held, redlock| {
        drop((held, redlock));
        // Time for its redirections.
        tokio::time::sleep(Duration::from_millis(500)).await;
        None
    })
    .await;
}

/// The runtime that keeps it ends, and another one that uses the client goes on.
#[tokio::test]
async fn f6_a_redirected_release_arrives_although_its_runtime_ended() {
    redirected_in_circles(async |held, redlock| {
        let elsewhere = move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().unwrap();
            let error = runtime.block_on(held.release()).expect_err("sent around");
            assert_eq!(error.node_errors()[0].kind(), FaultKind::Moved, "{error}");
        };
        tokio::task::spawn_blocking(elsewhere).await.unwrap();
        Some(redlock)
    })
    .await;
}

/// Half of the keys have moved, so the server replies TRYAGAIN: the release is sent again after pauses, once each time.
#[tokio::test]
async fn f6_a_release_that_is_to_be_tried_again_is_sent_once_after_each_pause() {
    half_moved(async |held, from| {
        drop(held);
        let since = Instant::now();
        eventually(BOUND, async || refused(from, "TRYAGAIN").await > 20).await;
        // The first pauses double from 5 ms, and the others are 100 ms.
        let (count, most) = (
            refused(from, "TRYAGAIN").await,
            since.elapsed().as_millis() / 100 + 7,
        );
        assert!(u128::from(count) <= most, "{count} of {most}");
    })
    .await;
}

/// The runtime ends in such a pause, and another one that uses the client goes on.
#[tokio::test]
async fn f6_a_release_that_is_to_be_tried_again_arrives_although_its_runtime_ended() {
    half_moved(async |held, from| {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let elsewhere = tokio::task::spawn_blocking(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().unwrap();
            runtime.block_on(async {
                drop(held);
                stopped.await.unwrap();
            });
        });
        // The pauses are long by then.
        eventually(BOUND, async || refused(from, "TRYAGAIN").await > 5).await;
        stop.send(()).unwrap();
        elsewhere.await.unwrap();
    })
    .await;
}

/// Moves the lock, but not its fence, and runs `release` with the server that has the fence. The release arrives once the fence
/// has moved too.
async fn half_moved(release: impl AsyncFnOnce(Guard, &Node)) {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let builder = settings(RestartGuard::Off).ttl(BOUND).max_ttl(BOUND);
    let builder = builder.node_timeout(BOUND / 2);
    let builder = builder.node(sharded.url_by("", &[0, 1, 2]));
    let redlock = builder.connect().await.expect("a cluster");
    let key = OF_SHARD[1];
    let held = redlock.lock(key).await.unwrap();
    let (from, to) = (sharded.shard(1), sharded.shard(2));
    set_out(&sharded, key, to).await;
    let mut keys = from.keys().await;
    keys.retain(|name| name.contains(key));
    keys.sort_by_key(|name| name != key);
    carry(&sharded, &keys[..1], to).await;
    release(held, from).await;
    assert!(
        to.keys().await.contains(&key.to_owned()),
        "not released yet"
    );
    carry(&sharded, &keys[1..], to).await;
    // Long before the ttl.
    eventually(BOUND / 2, async || {
        !to.keys().await.contains(&key.to_owned())
    })
    .await;
}

/// How often the server has answered with this error.
async fn refused(server: &Node, error: &str) -> u32 {
    let stats: String = server.ask(redis::cmd("INFO").arg("errorstats")).await;
    let count = stats.lines().find_map(|line| {
        let line = line.strip_prefix("errorstat_")?.strip_prefix(error)?;
        line.strip_prefix(":count=")
    });
    count.map_or(0, |count| count.parse().unwrap())
}

async fn redirected_in_circles(release: impl AsyncFnOnce(Guard, Redlock) -> Option<Redlock>) {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let builder = settings(RestartGuard::Off).ttl(BOUND).max_ttl(BOUND);
    let builder = builder.node(sharded.url_by("", &[0, 1, 2]));
    let redlock = builder.connect().await.expect("a cluster");
    let key = OF_SHARD[1];
    let held = redlock.lock(key).await.unwrap();
    let (from, to) = (sharded.shard(1), sharded.shard(2));
    set_out(&sharded, key, to).await;
    let mut keys = from.keys().await;
    keys.retain(|name| name.contains(key));
    carry(&sharded, &keys, to).await;
    let slot = slot_of(&sharded, key).await.to_string();
    tell(to, &["SETSLOT", &slot, "STABLE"]).await;
    let _kept = release(held, redlock).await;
    tell(to, &["SETSLOT", &slot, "IMPORTING", &id(from).await]).await;
    // Long before the ttl.
    eventually(BOUND / 2, async || {
        !to.keys().await.contains(&key.to_owned())
    })
    .await;
}

/// To a server without slots, which no map contains.
#[tokio::test]
async fn f72_a_slot_that_migrates_to_a_new_server() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let (one, other) = (
        client(&sharded, RestartGuard::Observed).await,
        client(&sharded, RestartGuard::Observed).await,
    );
    let new = Cluster::builder(1)
        .port_for("--cluster-port")
        .arg(["--cluster-enabled", "yes"])
        .start()
        .await;
    let new = new.node(0);
    let (port, bus) = (
        new.port().to_string(),
        new.port_for("--cluster-port").to_string(),
    );
    tell(sharded.shard(0), &["MEET", "127.0.0.1", &port, &bus]).await;
    for server in [sharded.shard(1), new] {
        eventually(BOUND, async || {
            let nodes: String = server.ask(redis::cmd("CLUSTER").arg("NODES")).await;
            nodes.lines().count() == 4 && !nodes.contains("handshake")
        })
        .await;
    }
    eventually(BOUND, async || {
        tests::sharded::about(new)
            .await
            .contains("cluster_state:ok")
    })
    .await;
    let key = OF_SHARD[1];
    set_out(&sharded, key, new).await;
    // It started after the others, and the clocks of both clients differ by fractions of a second.
    for redlock in [&one, &other] {
        let guard = redlock.lock(key).wait(BOUND).await.unwrap();
        guard.release().await.unwrap();
    }
    every_operation(&one, &other, key).await;
    assert!(new.keys().await.iter().any(|name| name.contains(key)));
}

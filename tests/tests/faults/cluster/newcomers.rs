//! Clients that connect after a move, or reconnect after it, and learn of it under difficulties.

use std::time::Duration;

use redlock::{Guard, RestartGuard};
use tests::proxy::Flow;
use tests::sharded::{OF_SHARD, Sharded, id, tell};
use tests::{Node, eventually};
use tokio::sync::oneshot;

use super::{
    slots::never_beside,
    support::{BOUND, client, far_away, give, settings, slot_of},
};

/// A lock of the second shard, which is down; its slot moves to the third one.
async fn moved_from_a_dead_shard(sharded: &Sharded) -> Guard {
    let one = client(sharded, RestartGuard::Observed).await;
    let held = one.lock(OF_SHARD[1]).await.unwrap();
    sharded.shard(1).kill();
    give(sharded, OF_SHARD[1], 2, &[0, 2]).await;
    held
}

/// The user knows the servers under other names than they report to each other, and connecting takes a while: the records
/// are read over the connections that have answered.
#[tokio::test]
async fn f35_a_client_with_other_names_for_the_servers_knows_of_the_move() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let proxies = far_away(&sharded, Duration::from_millis(30)).await;
    let held = moved_from_a_dead_shard(&sharded).await;
    let hosts = proxies
        .iter()
        .map(|proxy| proxy.url().replace("redis://127.0.0.1", "localhost"));
    let seeds = hosts.collect::<Vec<_>>().join(",");
    let builder = settings(RestartGuard::Observed).node(format!("redis+cluster://{seeds}"));
    let late = builder.connect().await.expect("a cluster");
    never_beside(&held, &late, OF_SHARD[1]).await;
}

/// The servers take longer to report their records than a near one would.
#[tokio::test]
async fn f35_a_distant_client_that_connects_late_knows_of_the_move() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let proxies = far_away(&sharded, Duration::from_millis(80)).await;
    let held = moved_from_a_dead_shard(&sharded).await;
    let seeds = proxies
        .iter()
        .map(|proxy| proxy.url().replace("redis://", ""));
    let seeds = seeds.collect::<Vec<_>>().join(",");
    let builder = settings(RestartGuard::Observed).node(format!("redis+cluster://{seeds}"));
    let late = builder.connect().await.expect("a cluster");
    never_beside(&held, &late, OF_SHARD[1]).await;
}

/// The first server that it reaches is the one that took over and has no record: the client waits for a majority.
#[tokio::test]
async fn f35_a_client_that_connects_to_the_new_server_first_knows_of_the_move() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let proxies = far_away(&sharded, Duration::ZERO).await;
    let held = moved_from_a_dead_shard(&sharded).await;
    let () = sharded.shard(2).ask(&redis::cmd("FLUSHALL")).await;
    proxies[0].set_both(Flow::Hold);
    let url = sharded.url_by("", &[2]);
    let late = settings(RestartGuard::Observed).node(url).connect_lazy();
    let late = late.unwrap();
    assert!(late.try_lock(OF_SHARD[1]).await.is_err(), "no majority");
    proxies[0].set_both(Flow::PASS);
    never_beside(&held, &late, OF_SHARD[1]).await;
}

/// Gives a slot to a server as resharding does: with a new epoch, so that the previous owner deletes the slot's keys.
async fn take_over(slot: u16, from: &Node, to: &Node) {
    let slot = slot.to_string();
    tell(to, &["SETSLOT", &slot, "IMPORTING", &id(from).await]).await;
    tell(to, &["SETSLOT", &slot, "NODE", &id(to).await]).await;
}

/// The process of a client is paused while a slot moves to another server and back, without its keys.
#[tokio::test]
async fn f35_a_slot_that_moved_and_returned_while_a_client_was_paused_has_no_vote() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let max_ttl = Duration::from_secs(10);
    let settings = settings(RestartGuard::Observed)
        .ttl(max_ttl)
        .max_ttl(max_ttl)
        .node(sharded.url_by("", &[0, 1, 2]));
    let key = OF_SHARD[1];
    let (ready, is_ready) = oneshot::channel();
    let (go_on, stands_still) = std::sync::mpsc::channel::<()>();
    let (granted, is_granted) = oneshot::channel();
    let builder = settings.clone();
    let process = std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(async {
            let one = builder.connect().await.expect("a cluster");
            one.lock(key).await.unwrap().release().await.unwrap();
            ready.send(()).unwrap();
            stands_still.recv().unwrap();
            let guard = one.lock(key).wait(BOUND).await.unwrap();
            granted.send(()).unwrap();
            guard.release().await.unwrap();
        });
    });
    is_ready.await.unwrap();
    let other = settings.connect().await.expect("a cluster");
    let held = other.lock(key).keep_alive(false).await.unwrap();
    let slot = slot_of(&sharded, key).await;
    let (home, away) = (sharded.shard(1), sharded.shard(2));
    take_over(slot, home, away).await;
    eventually(BOUND, async || !home.keys().await.contains(&key.to_owned())).await;
    take_over(slot, away, home).await;
    for server in [sharded.shard(0), away] {
        let home = id(home).await;
        eventually(BOUND, async || {
            let nodes: String = server.ask(redis::cmd("CLUSTER").arg("NODES")).await;
            let line = nodes.lines().find(|line| line.starts_with(&home));
            line.is_some_and(|line| line.ends_with("5461-10922"))
        })
        .await;
    }
    // Longer than its votes count without a confirmation.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(!held.is_lost());
    go_on.send(()).unwrap();
    is_granted.await.unwrap();
    assert!(held.is_lost(), "two holders");
    process.join().unwrap();
}

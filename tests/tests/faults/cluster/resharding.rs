//! Slots whose move to another server is cancelled: some of their locks are on that server.

use std::time::Duration;

use redlock::RestartGuard;
use tests::sharded::{OF_SHARD, Sharded, tell};

use super::{
    redirections::set_out,
    slots::never_beside,
    support::{client, settings, slot_of},
};

/// Resharding is cancelled, as `redis-cli --cluster fix` does too.
async fn call_off(sharded: &Sharded, key: &str) {
    let slot = slot_of(sharded, key).await.to_string();
    for server in [1, 2] {
        tell(sharded.shard(server), &["SETSLOT", &slot, "STABLE"]).await;
    }
}

/// The slot's owner lacks the keys that were created meanwhile, and the map has not changed.
#[tokio::test]
async fn f35_a_slot_whose_migration_was_cancelled_has_no_vote() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let (one, other) = (
        client(&sharded, RestartGuard::Observed).await,
        client(&sharded, RestartGuard::Observed).await,
    );
    let key = OF_SHARD[1];
    set_out(&sharded, key, sharded.shard(2)).await;
    // The clients notice it when they read the map, several times within two seconds.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let held = one.lock(key).keep_alive(false).no_wait().await;
    let held = held.expect("free, there");
    call_off(&sharded, key).await;
    let builder = settings(RestartGuard::Observed).node(sharded.url_by("", &[0, 1, 2]));
    let late = builder.connect().await.expect("a cluster");
    tokio::join!(
        never_beside(&held, &other, key),
        never_beside(&held, &late, key)
    );
    // No other slot has lost its vote.
    for key in [OF_SHARD[0], OF_SHARD[2]] {
        let _free = other.try_lock(key).await.unwrap().expect("free");
    }
}

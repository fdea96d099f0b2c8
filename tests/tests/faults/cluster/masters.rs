//! Masters that sentinels replace, and that come back with their old data.

use std::time::Duration;

use redlock::{NodeState, Redlock, RestartGuard};
use tests::{Managed, Node, eventually};
use tokio::time::{Instant, sleep};

use super::support::{BOUND, settings};

async fn strict(managed: &Managed) -> Redlock {
    let builder = settings(RestartGuard::Strict).node(managed.url());
    builder.connect().await.expect("a master")
}

async fn named(managed: &Managed) -> u16 {
    let ask = redis::cmd("SENTINEL")
        .arg("GET-MASTER-ADDR-BY-NAME")
        .arg("shop")
        .to_owned();
    let (_, port): (String, u16) = managed.sentinels.node(0).ask(&ask).await;
    port
}

/// Makes the sentinels name the server at `port` the master.
async fn replace(managed: &Managed, port: u16) {
    let failover = redis::cmd("SENTINEL")
        .arg("FAILOVER")
        .arg("shop")
        .to_owned();
    eventually(BOUND, async || {
        if named(managed).await == port {
            return true;
        }
        let client = redis::Client::open(managed.sentinels.node(0).url()).unwrap();
        let mut sentinel = client.get_multiplexed_async_connection().await.unwrap();
        let _: redis::RedisResult<()> = failover.query_async(&mut sentinel).await;
        named(managed).await == port
    })
    .await;
}

/// Sentinels cut the connections of a server when they make it a replica.
async fn is_replica(server: &Node) -> bool {
    let client = redis::Client::open(server.url()).unwrap();
    let Ok(mut connection) = client.get_multiplexed_async_connection().await else {
        return false;
    };
    let ask = redis::cmd("INFO").arg("replication").to_owned();
    let info: redis::RedisResult<String> = ask.query_async(&mut connection).await;
    info.is_ok_and(|info| info.contains("master_link_status:up"))
}

/// The sentinels replace a master that is up but that they cannot reach. They make it a replica some seconds
/// later: until then it answers as before, to a client that is still connected.
#[tokio::test]
async fn f37_a_master_that_was_superseded_does_not_vote_over_an_old_connection() {
    let managed = Managed::start(None).await;
    let one = strict(&managed).await;
    one.trust_nodes().await.unwrap();
    one.lock("k").await.unwrap().release().await.unwrap();
    replace(&managed, managed.replica().port()).await;
    // For this long its votes count after a majority of the sentinels has confirmed it.
    sleep(Duration::from_millis(2_500)).await;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        let tried = one.try_lock("k").await;
        let is_locked = managed.master().exists("k").await;
        let info: String = managed
            .master()
            .ask(redis::cmd("INFO").arg("replication"))
            .await;
        if !info.contains("role:master") {
            break;
        }
        assert!(!is_locked, "by the master of before: {tried:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// The sentinels name it again, in a later election than the one that replaced it: its marker is the old one.
#[tokio::test]
async fn f37_a_master_that_was_elected_again_is_quarantined() {
    let managed = Managed::start(None).await;
    let one = strict(&managed).await;
    one.trust_nodes().await.unwrap();
    one.lock("k").await.unwrap().release().await.unwrap();
    let marker = "{redlock}:marker";
    let before = managed.master().get(marker).await.expect("marked");
    for (next, old) in [(1, 0), (0, 1)] {
        replace(&managed, managed.servers.node(next).port()).await;
        eventually(BOUND, async || is_replica(managed.servers.node(old)).await).await;
    }
    // With its old data, without the locks that the other master granted.
    let () = managed
        .master()
        .ask(redis::cmd("SET").arg(marker).arg(before))
        .await;
    let () = managed
        .master()
        .ask(redis::cmd("DEL").arg("{redlock}:quarantine"))
        .await;
    let late = strict(&managed).await;
    let health = late.health().await;
    assert!(
        matches!(health[0].state, NodeState::Quarantined { .. }),
        "{health:?}"
    );
    late.try_lock("k").await.expect_err("no vote");
}

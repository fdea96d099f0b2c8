//! Servers with an old map, which are the nearest.

use std::time::Duration;

use redlock::{NodeState, RestartGuard};
use tests::sharded::{OF_SHARD, Sharded, about, id, tell};
use tests::{eventually, within};

use super::support::{BOUND, far_away, settings};

/// The second server is isolated from the others, so it does not learn that its replica has taken over.
async fn cut_off(sharded: &Sharded, state: &str) {
    let cut = sharded.shard(1);
    if state == "fail" {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET")
            .arg("cluster-require-full-coverage")
            .arg("yes");
        let () = cut.ask(&set).await;
    }
    for server in sharded.servers.nodes() {
        if server.index() != 1 {
            tell(cut, &["FORGET", &id(server).await]).await;
        }
    }
    tell(sharded.shard(4), &["FAILOVER", "TAKEOVER"]).await;
    let said = format!("cluster_state:{state}");
    eventually(BOUND, async || about(cut).await.contains(&said)).await;
}

async fn finds_the_successor(state: &str) {
    let Some(sharded) = Sharded::start(1).await else {
        return;
    };
    let proxies = far_away(&sharded, Duration::from_millis(30)).await;
    let near = sharded.url_by("", &[1]);
    let builder = settings(RestartGuard::Observed).node(near.clone());
    let one = builder.connect().await.expect("a cluster");
    one.lock(OF_SHARD[1])
        .await
        .unwrap()
        .release()
        .await
        .unwrap();
    cut_off(&sharded, state).await;
    let start = tokio::time::Instant::now();
    // The keys of other servers are not affected, and no server has restarted.
    let mut others = 0;
    while start.elapsed() < Duration::from_secs(2) {
        for key in [OF_SHARD[0], OF_SHARD[2]] {
            let guard = one.try_lock(key).await.expect("its server is well");
            guard.expect("free").release().await.unwrap();
            others += 1;
        }
    }
    assert!(others > 0);
    let guard = within(BOUND, one.lock(OF_SHARD[1]).wait(BOUND))
        .await
        .unwrap();
    let key = OF_SHARD[1].to_owned();
    assert!(sharded.shard(4).keys().await.contains(&key));
    guard.release().await.unwrap();
    for server in &one.health().await[0].servers {
        let named_by_the_cut_one = server.server == sharded.shard(1).address().to_string();
        assert!(
            server.state == NodeState::Up && !named_by_the_cut_one,
            "{server:?}"
        );
    }

    // The same for a later client, through both.
    let far = proxies[0].url().replace("redis://", "");
    let builder = settings(RestartGuard::Off).node(format!("{near},{far}"));
    let late = builder.connect().await.expect("a cluster");
    let guard = late.lock(OF_SHARD[1]).wait(BOUND).await.unwrap();
    assert!(sharded.shard(4).keys().await.contains(&key));
    guard.release().await.unwrap();
}

#[tokio::test]
async fn f66_the_map_of_a_server_that_reports_a_partition_is_ignored() {
    finds_the_successor("fail").await;
}

#[tokio::test]
async fn f66_a_server_that_does_not_know_that_it_was_cut_off_is_outvoted() {
    finds_the_successor("ok").await;
}
